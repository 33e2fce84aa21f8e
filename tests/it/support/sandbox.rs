//! The built-in sandbox as a user runs it: `vigie sandbox`, a CRM and an ERP on loopback.

use super::agent::vigie;
use super::{Process, free_port};
use std::net::{Ipv4Addr, SocketAddr};
use tempfile::TempDir;

/// The key that the sandbox CRM takes unless it is told others.
pub const KEY: &str = "vigie-sandbox-key";

/// A running sandbox; killed when dropped.
pub struct TestSandbox {
    crm: SocketAddr,
    _process: Process,
    _dir: TempDir,
}

impl TestSandbox {
    /// Starts it and waits until both listen.
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory for the output");
        let [crm, erp] = [free_port(), free_port()].map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let command = vigie(&["sandbox", "--crm", &crm.to_string(), "--erp", &erp.to_string()]);
        let mut process = Process::spawn(command, &dir.path().join("output"));
        process.listening(crm).await;
        process.listening(erp).await;
        Self { crm, _process: process, _dir: dir }
    }

    /// `http://…` of the CRM, without a slash at the end.
    pub fn crm_url(&self) -> String {
        format!("http://{}", self.crm)
    }
}
