use super::*;
use crate::exchange::redact::{MaskKey, Masker};
use crate::secret::Secret;
use serde_json::Value;

fn audit(dir: &std::path::Path, clock: &Clock) -> Audit {
    let metrics = Metrics::for_tests(1, clock.clone());
    Audit::start(dir.to_owned(), clock.clone(), metrics).expect("a thread")
}

fn entry(object: &str) -> Entry {
    let address = Some(std::net::IpAddr::from([127, 0, 0, 1]));
    Entry { actor: Actor::local(address), action: Action::RecordsSearched, object: object.to_owned() }
}

/// 2026-10-31T23:59:30Z.
fn before_november() -> Clock {
    Clock::manual(Duration::from_secs(1_793_491_170))
}

#[tokio::test]
async fn entries_are_lines_of_a_month_and_repetitions_are_folded() {
    let (dir, clock) = (tempfile::tempdir().expect("a directory"), before_november());
    let audit = audit(dir.path(), &clock);
    for object in ["all", "all", "status=5xx", "all"] {
        audit.record(entry(object)).await.expect("written");
    }
    clock.advance(Duration::from_secs(60));
    audit.record(entry("all")).await.expect("written");
    let months: Vec<_> =
        std::fs::read_dir(dir.path()).expect("files").map(|f| f.expect("a file").file_name()).collect();
    assert_eq!(months.len(), 2, "{months:?}");
    let lines = audit.newest(10).expect("read");
    let lines: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    let expected = serde_json::json!({
        "timestamp": "2026-11-01T00:00:30.000Z", "actor": "local", "role": "admin", "action": "records.searched",
        "object": "all", "address": "127.0.0.1", "repeated": 2,
    });
    assert_eq!(lines[2], expected);
    assert_eq!(lines[1]["object"], "status=5xx");
    assert_eq!(audit.newest(1).expect("read").len(), 1);
}

#[tokio::test]
async fn files_are_for_their_owner_and_months_go_after_a_year() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, clock) = (tempfile::tempdir().expect("a directory"), before_november());
    let below = dir.path().join("audit");
    std::fs::create_dir(&below).expect("made");
    for month in 1..=12 {
        std::fs::write(below.join(format!("2025-{month:02}.jsonl")), "{}\n{\"half").expect("written");
        std::fs::write(below.join(format!("2024-{month:02}.jsonl")), "{}\n").expect("written");
    }
    audit(&below, &clock).record(entry("all")).await.expect("written");
    let left = std::fs::read_dir(&below).expect("files").count();
    assert_eq!(left, MONTHS);
    let mode = std::fs::metadata(below.join("2026-10.jsonl")).expect("this month").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn what_cannot_be_written_is_told_and_tried_again() {
    let (dir, clock) = (tempfile::tempdir().expect("a directory"), before_november());
    let blocked = dir.path().join("audit");
    std::fs::write(&blocked, "a file where the directory should be").expect("written");
    let audit = audit(&blocked, &clock);
    assert!(matches!(audit.record(entry("all")).await, Err(AuditError::Disk(_))));
    std::fs::remove_file(&blocked).expect("removed");
    audit.record(entry("all")).await.expect("not folded into the one that failed");
    // Half a line, as a power cut leaves it, is closed before the next.
    let month = blocked.join("2026-10.jsonl");
    std::fs::write(&month, "{\"half").expect("written");
    let audit = super::tests::audit(&blocked, &clock);
    audit.record(entry("more")).await.expect("written");
    let text = std::fs::read_to_string(&month).expect("read");
    assert!(text.starts_with("{\"half\n{\""), "{text}");
    assert_eq!(audit.newest(10).expect("read").len(), 1);
}

#[test]
fn searches_are_kept_masked() {
    let key = MaskKey::from_secret(1, &Secret::new("k".repeat(32))).expect("a key");
    let masker = Masker::new(key);
    let known = crate::history::KEYS;
    let told = |pairs: &[(&str, &str)]| masked_query(&masker, pairs.iter().copied(), &known);
    assert_eq!(told(&[]), "all");
    assert_eq!(told(&[("limit", "20"), ("after", "7"), ("status", "5xx"), ("since", "15m")]), "status=5xx since=15m");
    let token = masker.email_token("john@acme.example");
    assert_eq!(told(&[("text", "John@Acme.example")]), format!("text={}", token.as_str()));
    assert_eq!(told(&[("text", token.as_str())]), format!("text={}", token.as_str()));
    assert_eq!(told(&[("correlation_id", "order-17")]), "correlation_id=order-17");
    for (key, value) in [
        ("text", "John Smith"),
        ("route", "/api/contacts/70042006456"),
        ("status", "john@acme.example"),
        ("since", "+33 6 12 34 56 78"),
        ("correlation_id", "john@acme.example"),
        ("integration", "Jane Doe"),
        ("method", "Quibblewick"),
        ("method", "12345678"),
        ("outcome", "Quibblewick"),
        ("outcome", "!Quibblewick"),
        ("outcome", "ok,Quibblewick"),
        ("kind", "zoe-quibblewick"),
        ("since", "Dupont"),
        ("since", "12345678"),
        ("until", "2025-10-24T09:45:30Z[Quibblewick]"),
        ("status", "Quibblewick"),
        ("status", "491511234567"),
        ("text", "phone:00491511234567"),
        ("text", "name:stephanegarten"),
        ("correlation_id", "Quibblewick"),
        ("trace_id", "Quibblewick"),
        ("vendor_request_id", "Quibblewick"),
        ("upstream", "Quibblewick"),
    ] {
        let told = told(&[(key, value)]);
        assert!(told.starts_with(&format!("{key}=")) && !told.contains(value), "{told}");
    }
    for (key, value) in [
        ("since", "2025-10-24T09:45:30Z"),
        ("until", "1h30m"),
        ("status", "429,5xx,400-403"),
        ("outcome", "!ok,auth"),
        ("method", "post"),
        ("kind", "proxy"),
    ] {
        assert_eq!(told(&[(key, value)]), format!("{key}={value}"));
    }
    assert_eq!(told(&[("john@acme.example", "x"), ("nonsense", "y")]), "(2 more)");
}
