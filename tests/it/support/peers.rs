//! Real programs beside Rust: where `tests/run` put them, and how they are started for one test.
//!
//! A program that is missing fails the test that needs it; nothing is skipped.

mod prometheus;
mod rotel;

pub use prometheus::{Prometheus, promtool_check_metrics};
pub use rotel::{Rotel, Span};

use super::Process;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Where a program is.
///
/// # Panics
///
/// If `tests/run` did not say, or nothing is there.
pub fn program(variable: &str) -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "tests/run tells the tests where the programs are, and nothing else")]
    let value = std::env::var(variable);
    let path = PathBuf::from(value.unwrap_or_else(|_| panic!("{variable} is not set: run `make test`")));
    assert!(path.is_file(), "{variable} names {}, which is not there: run `make test`", path.display());
    path
}

/// Whether the full figures were asked for (`make soak`).
pub fn soak() -> bool {
    #[expect(clippy::disallowed_methods, reason = "tests/run tells the tests how much to do, and nothing else")]
    let value = std::env::var("VIGIE_TEST_SOAK");
    value.is_ok()
}

/// Runs one of the scripts in `tests/peers` to its end, and returns what it printed.
///
/// # Panics
///
/// If it fails or does not end, with its output.
pub async fn script(interpreter: &str, name: &str, arguments: &[&str]) -> String {
    let dir = tempfile::tempdir().expect("a directory");
    let script = super::tree::root().join("tests/peers").join(name);
    let words = std::iter::once(script.as_os_str()).chain(arguments.iter().map(AsRef::as_ref));
    let mut process = Process::start(&program(interpreter), words, &dir.path().join("output"));
    let status = process.wait(super::DEADLINE).await;
    let output = process.output();
    assert!(status.success(), "{name}: {status}\n{output}");
    output
}

/// What a script told: its one line that is a JSON object, among the warnings that its program may print of its own accord.
///
/// # Panics
///
/// If there is none, with what was printed.
pub fn told(printed: &str) -> Value {
    let told = printed.lines().find_map(|line| serde_json::from_str(line).ok().filter(Value::is_object));
    told.unwrap_or_else(|| panic!("no JSON in: {printed}"))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a UTF-8 path")
}
