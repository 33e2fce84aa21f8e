//! The agent as a user runs it: the real program, a configuration file, real sockets on ports of the system's choice.
//!
//! Once it listens, the agent writes `addresses.json` into its data directory; that file is how the test finds it.

use super::{DEADLINE, Process, agent_config};
use serde::Deserialize;
use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use tempfile::TempDir;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_vigie");

/// A command of the program, with nothing of the environment the tests run in: a contributor's own `VIGIE_…`, proxies
/// or log level must not change what is tested.
pub fn vigie<S: AsRef<OsStr>>(arguments: &[S]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.env_clear().args(arguments);
    command
}

/// A running agent; killed when dropped.
pub struct TestAgent {
    process: Process,
    home: Arc<TempDir>,
    addresses: Addresses,
}

/// How an agent is started, beside its configuration.
#[derive(Default)]
pub struct Launch {
    /// `--log-level`.
    pub log_level: Option<&'static str>,
    /// Where standard output goes, instead of the output file.
    pub stdout: Option<Stdio>,
    /// Environment variables.
    pub env: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Addresses {
    proxy: Vec<String>,
    admin: String,
}

impl TestAgent {
    /// Starts an agent before `upstream` (a URL), with `changes` merged over the base configuration, and waits until it
    /// listens.
    pub async fn start(upstream: &str, changes: Value) -> Self {
        let home = Arc::new(tempfile::tempdir().expect("a directory for the agent"));
        Self::start_in(home, upstream, changes).await
    }

    /// As [`TestAgent::start`], in the directory of an agent that ran before: what a restart finds.
    pub async fn start_in(home: Arc<TempDir>, upstream: &str, changes: Value) -> Self {
        Self::launch(home, upstream, changes, Launch::default()).await
    }

    /// As [`TestAgent::start_in`], started in a way of the test's own.
    pub async fn launch(home: Arc<TempDir>, upstream: &str, changes: Value, launch: Launch) -> Self {
        let mut config = agent_config::base(home.path(), upstream);
        agent_config::merge(&mut config, changes);
        let file = home.path().join("vigie.yaml");
        // JSON is YAML: what the agent reads is what the merge made.
        std::fs::write(&file, format!("{config:#}")).expect("the configuration file");
        let told = addresses_file(home.path());
        // A run before this one left its own.
        if told.exists() {
            std::fs::remove_file(&told).expect("the old addresses");
        }
        let mut command = vigie(&["run".as_ref(), "--config".as_ref(), file.as_os_str()]);
        command.envs(launch.env);
        command.args(launch.log_level.map(|level| format!("--log-level={level}")));
        let mut process = Process::spawn_into(command, &home.path().join("output"), launch.stdout);
        let addresses = process.until("the agent's addresses", || async { read_addresses(&told) }).await;
        Self { process, home, addresses }
    }

    /// `http://…` of the first proxy listener, without a slash at the end.
    pub fn proxy_url(&self) -> String {
        self.proxy_urls().swap_remove(0)
    }

    /// `http://…` of every proxy listener, in the order of the configuration.
    pub fn proxy_urls(&self) -> Vec<String> {
        self.addresses.proxy.iter().map(|address| format!("http://{address}")).collect()
    }

    /// `http://…` of the admin listener, without a slash at the end.
    pub fn admin_url(&self) -> String {
        format!("http://{}", self.addresses.admin)
    }

    /// `address:port` of the first proxy listener.
    pub fn proxy_address(&self) -> &str {
        &self.addresses.proxy[0]
    }

    /// `address:port` of the admin listener.
    pub fn admin_address(&self) -> &str {
        &self.addresses.admin
    }

    /// The agent's data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// The directory of configuration, data, log and output; keep it to start another agent there.
    pub fn home(&self) -> Arc<TempDir> {
        Arc::clone(&self.home)
    }

    /// The configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.home.path().join("vigie.yaml")
    }

    /// The exchange log's file.
    pub fn log_file(&self) -> PathBuf {
        self.home.path().join("exchanges.log")
    }

    /// The exchange log's records so far; a line still being written is left out.
    pub fn log_records(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.log_file()).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
    }

    /// Both output streams so far.
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// A page of the admin listener, which must answer 200.
    pub async fn admin_text(&self, path: &str) -> String {
        let url = format!("{}{path}", self.admin_url());
        let answer = super::client().get(&url).send().await.expect("an answer of the admin listener");
        assert_eq!(answer.status(), 200, "{url}");
        answer.text().await.expect("a text")
    }

    /// The sum of a metric's series whose labels contain `labels`; 0 when there is none.
    pub async fn metric(&self, name: &str, labels: &str) -> f64 {
        super::metrics::sum(&self.admin_text("/metrics").await, name, labels)
    }

    /// What `vigie log` finds through this agent's admin listener, as records.
    pub fn search(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.log_command(arguments);
        assert!(output.status.success(), "vigie log {arguments:?}: {output:?}");
        let printed = String::from_utf8(output.stdout).expect("UTF-8");
        printed.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
    }

    fn log_command(&self, arguments: &[&str]) -> Output {
        let mut command = vigie(&["log", "--output", "json", "--admin", &self.admin_url(), "--data-dir"]);
        command.arg(self.data_dir()).args(arguments).output().expect("the program starts")
    }

    /// Lays `changes` over the configuration file, and has it read again (SIGHUP).
    pub fn reconfigure(&self, changes: Value) {
        self.rewrite(changes);
        self.process.signal("HUP");
    }

    /// Lays `changes` over the configuration file, and says nothing.
    pub fn rewrite(&self, changes: Value) {
        let text = std::fs::read_to_string(self.config_file()).expect("the configuration file");
        let mut config = serde_json::from_str(&text).expect("what was written");
        agent_config::merge(&mut config, changes);
        let new = self.home.path().join("vigie.yaml.new");
        std::fs::write(&new, format!("{config:#}")).expect("the configuration file");
        std::fs::rename(new, self.config_file()).expect("the configuration file");
    }

    /// Where the proxy listens now, as the agent tells: a reload may change it.
    pub fn listening(&self) -> Vec<String> {
        read_addresses(&addresses_file(self.home.path())).map_or_else(Vec::new, |told| told.proxy)
    }

    /// Asks it to stop (SIGTERM) and waits for the end.
    pub async fn stop(mut self) -> ExitStatus {
        self.process.signal("TERM");
        self.process.wait(DEADLINE).await
    }

    /// Ends it as a power cut would (SIGKILL); the directory stays for [`TestAgent::start_in`].
    pub fn kill9(mut self) -> Arc<TempDir> {
        self.process.kill();
        self.home()
    }
}

fn addresses_file(home: &Path) -> PathBuf {
    home.join("data").join("addresses.json")
}

// Not there yet, or not whole yet.
fn read_addresses(file: &Path) -> Option<Addresses> {
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}
