use super::*;
use crate::telemetry::LogFile;
use std::path::Path;

const LONG: Duration = Duration::from_secs(30);

fn config(dir: &Path) -> LogConfig {
    let file = LogFile { path: dir.join("log"), max_bytes: 1 << 20, keep: 3, max_days: 30 };
    LogConfig { stdout: false, file: Some(file) }
}

fn counts(sinks: &LogSinks) -> Vec<(&'static str, u64, u64)> {
    let load = |n: &AtomicU64| n.load(Ordering::Relaxed);
    sinks.counters().map(|(name, c)| (name, load(&c.written), load(&c.dropped))).collect()
}

fn chunk(text: &str) -> Arc<Vec<u8>> {
    Arc::new(text.as_bytes().to_vec())
}

#[test]
fn what_was_queued_before_a_flush_is_in_the_file_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let sinks = LogSinks::start(&config(dir.path()), Clock::system()).unwrap();
    sinks.try_write(&chunk("one\ntwo\n"), 2);
    sinks.try_write(&chunk("three\n"), 1);
    assert!(sinks.flush(LONG));
    assert_eq!(std::fs::read_to_string(dir.path().join("log")).unwrap(), "one\ntwo\nthree\n");
    assert_eq!(counts(&sinks), [("file", 3, 0)]);
}

#[test]
fn shutdown_writes_what_waits_and_later_lines_are_counted_as_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let sinks = LogSinks::start(&config(dir.path()), Clock::system()).unwrap();
    sinks.try_write(&chunk("one\n"), 1);
    assert!(sinks.shutdown(LONG));
    sinks.try_write(&chunk("two\nthree\n"), 2);
    assert!(!sinks.flush(LONG));
    assert_eq!(counts(&sinks), [("file", 1, 2)]);
}

#[test]
fn no_sink_is_fine() {
    let sinks = LogSinks::start(&LogConfig { stdout: false, file: None }, Clock::system()).unwrap();
    sinks.try_write(&chunk("one\n"), 1);
    assert!(sinks.is_empty() && sinks.flush(Duration::ZERO) && sinks.shutdown(Duration::ZERO));
}

#[test]
fn a_file_that_cannot_be_opened_is_told_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("log")).unwrap();
    let error = LogSinks::start(&config(dir.path()), Clock::system()).unwrap_err().to_string();
    assert!(error.contains("/log: "), "{error}");
}

#[test]
fn a_stalled_sink_costs_lines_not_memory() {
    let (messages, inbox) = channel();
    let sink = Sink { name: "file", messages, queued: Arc::default(), counters: SinkCounters::default() };
    let sinks = LogSinks { sinks: Arc::new([sink]) };
    sinks.try_write(&Arc::new(vec![b'\n'; QUEUE_BYTES + 1]), 7);
    assert_eq!(counts(&sinks), [("file", 0, 0)], "alone, any chunk gets in");
    sinks.try_write(&chunk("one\n"), 1);
    assert_eq!(counts(&sinks), [("file", 0, 1)]);
    assert!(!sinks.flush(Duration::ZERO), "nobody answers in time");
    assert_eq!(inbox.try_iter().filter(|m| matches!(m, Message::Write(..))).count(), 1);
}
