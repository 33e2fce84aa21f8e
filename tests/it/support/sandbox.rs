//! The built-in sandbox as a user runs it: `vigie sandbox`, a CRM and an ERP on loopback.

use super::Process;
use super::agent::vigie;
use std::net::SocketAddr;
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
    /// Starts it and waits until it tells where it listens.
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory for the output");
        let output = dir.path().join("output");
        let command = vigie(&["sandbox", "--crm", "127.0.0.1:0", "--erp", "127.0.0.1:0"]);
        let mut process = Process::spawn(command, &output);
        // Both listen before it tells where.
        let crm = process.told("CRM     http://", "/").await;
        Self { crm: crm.parse::<SocketAddr>().expect("an address"), _process: process, _dir: dir }
    }

    /// `http://…` of the CRM, without a slash at the end.
    pub fn crm_url(&self) -> String {
        format!("http://{}", self.crm)
    }
}
