//! A child process that cannot outlive its test, with all it printed in a file.

use super::{DEADLINE, eventually};
use std::ffi::OsStr;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A running program; killed by its id when dropped.
pub struct Process {
    child: Child,
    output: PathBuf,
}

impl Process {
    /// Starts `program` with its output (both streams) in the file `output`, and nothing to read.
    ///
    /// # Panics
    ///
    /// If it cannot be started: a missing program is a failure, never a skipped test.
    pub fn start<I, S>(program: &Path, arguments: I, output: &Path) -> Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let mut command = Command::new(program);
        command.args(arguments);
        Self::spawn(command, output)
    }

    /// As [`Process::start`], for a command with an environment of its own.
    pub fn spawn(command: Command, output: &Path) -> Self {
        Self::spawn_into(command, output, None)
    }

    /// As [`Process::spawn`], with standard output going elsewhere.
    pub fn spawn_into(mut command: Command, output: &Path, stdout: Option<Stdio>) -> Self {
        let out = File::create(output).expect("a file for the output");
        let err = out.try_clone().expect("a second handle of the output");
        command.stdin(Stdio::null()).stdout(stdout.unwrap_or_else(|| out.into())).stderr(err);
        let child =
            command.spawn().unwrap_or_else(|error| panic!("cannot start {}: {error}", command.get_program().display()));
        Self { child, output: output.to_owned() }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything printed so far.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.output).expect("the output file")).into_owned()
    }

    /// The exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of ours")
    }

    /// Sends a signal by name, e.g. `TERM`.
    pub fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.id());
        let sent = Command::new("/bin/sh").args(["-c", &command]).status().expect("a shell");
        assert!(sent.success(), "{command}: {sent}");
    }

    /// Waits for the end.
    ///
    /// # Panics
    ///
    /// At the deadline, with what was printed.
    pub async fn wait(&mut self, deadline: Duration) -> ExitStatus {
        let start = std::time::Instant::now();
        let output = self.output.clone();
        eventually("the end of a process", deadline + DEADLINE, || {
            let ended = self.ended();
            let late = ended.is_none() && start.elapsed() > deadline;
            assert!(
                !late,
                "still running after {deadline:?}:\n{}",
                std::fs::read_to_string(&output).unwrap_or_default()
            );
            async move { ended }
        })
        .await
    }

    /// Ends it at once (SIGKILL) and waits until it is gone.
    pub fn kill(&mut self) -> ExitStatus {
        // An error here means that it had ended already, which `wait` tells.
        let _ = self.child.kill();
        self.child.wait().expect("a child of ours")
    }

    /// Waits until a port answers, or panics with the output if the process ends before.
    pub async fn listening(&mut self, address: SocketAddr) {
        self.until(&format!("a listener on {address}"), || async move {
            tokio::net::TcpStream::connect(address).await.ok().map(drop)
        })
        .await;
    }

    /// Waits until it has printed a whole line with `before`, and returns what stands between that and `after`, or the
    /// end of the line: how a program tells the port that the system chose for it.
    pub async fn told(&mut self, before: &str, after: &str) -> String {
        let output = self.output.clone();
        self.until(&format!("a line with {before:?}"), || {
            let text = std::fs::read_to_string(&output).unwrap_or_default();
            let line = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            let told = line.filter_map(|line| Some(line.split_once(before)?.1.trim_end().to_owned())).next();
            std::future::ready(
                told.map(|rest| rest.split_once(after).map_or(rest.clone(), |(word, _)| word.to_owned())),
            )
        })
        .await
    }

    /// Waits for `condition`, but not past the end of the process.
    pub async fn until<T, F, C>(&mut self, what: &str, mut condition: C) -> T
    where
        C: FnMut() -> F,
        F: Future<Output = Option<T>>,
    {
        let output = self.output.clone();
        let shown = || std::fs::read_to_string(&output).unwrap_or_default();
        eventually(what, DEADLINE, || {
            let ended = self.child.try_wait().expect("a child of ours");
            assert!(ended.is_none(), "ended with {ended:?} before {what}:\n{}", shown());
            condition()
        })
        .await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let output = self.output();
            let tail: Vec<&str> = output.lines().rev().take(60).collect();
            let shown: Vec<&str> = tail.into_iter().rev().collect();
            // The harness shows this with the failed test.
            #[expect(clippy::print_stderr, reason = "the only way to tell why a program of a failed test misbehaved")]
            {
                eprintln!("--- last lines of {}\n{}", self.output.display(), shown.join("\n"));
            }
        }
    }
}

/// Ports for [`free_port`]: below those that Linux gives to port 0 and to outgoing connections (from 32768), so that no
/// other test can be given the port between the look and the use.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A free port of 127.0.0.1, for programs that cannot take port 0 and tell what they got; no two calls give the same.
pub fn free_port() -> u16 {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    // Test binaries that run side by side start at different places.
    let start = std::process::id().wrapping_mul(31);
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let mut ports = std::iter::repeat_with(|| {
        let at = start.wrapping_add(CALLS.fetch_add(1, Ordering::Relaxed)) % u32::try_from(PORTS.len()).expect("a u16");
        PORTS.start + u16::try_from(at).expect("within the range")
    });
    ports.by_ref().take(PORTS.len()).find(free).expect("a free port")
}

#[tokio::test]
async fn a_process_ends_with_its_guard_and_its_output_is_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    let output = dir.path().join("out");
    let mut process =
        Process::start(Path::new("/bin/sh"), ["-c", "echo started; echo odd >&2; exec tail -f /dev/null"], &output);
    process
        .until("the first lines", || async { std::fs::read_to_string(&output).ok().filter(|t| t.contains("odd")) })
        .await;
    let id = process.id();
    drop(process);
    assert!(!Path::new(&format!("/proc/{id}")).exists(), "still running");
}

#[tokio::test]
async fn an_exit_status_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut process = Process::start(Path::new("/bin/sh"), ["-c", "exit 64"], &dir.path().join("out"));
    assert_eq!(process.wait(DEADLINE).await.code(), Some(64));
}

#[tokio::test]
#[should_panic(expected = "cannot start /nowhere/program")]
async fn a_missing_program_is_a_failure() {
    let dir = tempfile::tempdir().expect("a directory");
    Process::start(Path::new("/nowhere/program"), [""; 0], &dir.path().join("out"));
}
