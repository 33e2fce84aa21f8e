//! The read side's door, on a running agent: tokens made, rotated and refused, and the trail they leave.

use crate::support::agent::vigie;
use crate::support::source::{self, Token};
use crate::support::{DEADLINE, Origin, TestAgent, client, eventually, tree};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;

/// `vigie token new`, and what it tells.
fn make(role: &str, name: &str) -> Value {
    let output = vigie(&["token", "new", "--role", role, "--name", name, "--output", "json"]).output();
    let output = output.expect("the program starts");
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn write(path: &Path, tokens: &[&Value]) {
    let lines: String = tokens.iter().map(|token| format!("{}\n", token["line"].as_str().expect("a line"))).collect();
    std::fs::write(path, lines).expect("the tokens file");
}

fn secret(token: &Value) -> &str {
    token["token"].as_str().expect("a token")
}

async fn status(agent: &TestAgent, path: &str, token: &str) -> u16 {
    let request = client().get(format!("{}{path}", agent.admin_url())).bearer_auth(token);
    request.send().await.expect("an answer").status().as_u16()
}

async fn start(file: &Path) -> TestAgent {
    let origin = Origin::json(200, "[]").await;
    TestAgent::start(&origin.url(), json!({ "admin": { "tokens_file": file } })).await
}

async fn until(agent: &TestAgent, path: &str, token: &Value, expected: u16) {
    eventually(&format!("{expected} from {path}"), DEADLINE, || async {
        (status(agent, path, secret(token)).await == expected).then_some(())
    })
    .await;
}

#[tokio::test]
async fn tokens_are_rotated_without_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let (file, next) = (dir.path().join("tokens"), dir.path().join("next"));
    let (old, new, auditor) = (make("viewer", "grafana"), make("viewer", "grafana"), make("auditor", "dpo"));
    write(&file, &[&old, &auditor]);
    let agent = start(&file).await;
    assert_eq!(status(&agent, "/metrics", secret(&old)).await, 200);
    assert_eq!(status(&agent, "/metrics", secret(&new)).await, 401);

    // As a mounted secret is replaced: by a rename.
    write(&next, &[&new, &auditor]);
    std::fs::rename(&next, &file).expect("replaced");
    until(&agent, "/metrics", &new, 200).await;
    assert_eq!(status(&agent, "/metrics", secret(&old)).await, 401);

    // A file that is wrong changes nothing, and says so.
    std::fs::write(&file, "grafana viewer not-a-hash\n").expect("written");
    let url = format!("{}/metrics", agent.admin_url());
    eventually("the metric of a wrong tokens file", DEADLINE, || async {
        let page = client().get(&url).bearer_auth(secret(&new)).send().await.expect("an answer").text().await;
        page.expect("a page").contains("\nvigie_admin_tokens_last_read_successful 0\n").then_some(())
    })
    .await;
    assert!(agent.output().contains("line 1: its hash is not"), "{}", agent.output());

    let url = format!("{}/api/v1/audit", agent.admin_url());
    let log = client().get(url).bearer_auth(secret(&auditor)).send().await.expect("an answer").text().await;
    let log = log.expect("a log");
    assert!(log.contains(r#""action":"tokens.changed","actor":"vigie""#) && log.contains("2 tokens in force"), "{log}");
    assert_eq!(log.matches("tokens.changed").count(), 1, "{log}");
    for token in [&old, &new, &auditor] {
        assert!(!log.contains(secret(token)) && !agent.output().contains(secret(token)), "a token was written");
    }
}

#[tokio::test]
async fn the_configurations_own_tokens_follow_a_reload() {
    let origin = Origin::json(200, "[]").await;
    let (old, new) = (make("viewer", "grafana"), make("auditor", "dpo"));
    let entry = |token: &Value| json!({ "role": token["role"], "token": token["hash"] });
    let tokens = json!({ "grafana": entry(&old) });
    let agent = TestAgent::start(&origin.url(), json!({ "admin": { "tokens": tokens } })).await;
    assert_eq!(status(&agent, "/metrics", secret(&old)).await, 200);
    agent.reconfigure(json!({ "admin": { "tokens": { "grafana": null, "dpo": entry(&new) } } }));
    until(&agent, "/metrics", &new, 200).await;
    assert_eq!(status(&agent, "/metrics", secret(&old)).await, 401);
    eventually("the reload in the audit log", DEADLINE, || async {
        let request = client().get(format!("{}/api/v1/audit", agent.admin_url())).bearer_auth(secret(&new));
        let log = request.send().await.expect("an answer").text().await.expect("a log");
        log.contains(r#""action":"config.reloaded","actor":"vigie""#).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_emptied_file_locks_everybody_out() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("tokens");
    let token = make("admin", "me");
    write(&file, &[&token]);
    let agent = start(&file).await;
    assert_eq!(status(&agent, "/metrics", secret(&token)).await, 200);
    std::fs::write(&file, "").expect("emptied");
    until(&agent, "/metrics", &token, 401).await;
    assert_eq!(client().get(format!("{}/ready", agent.admin_url())).send().await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn failed_log_ins_are_limited_by_address() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("tokens");
    let token = make("viewer", "grafana");
    write(&file, &[&token]);
    let agent = start(&file).await;
    let mut limited = None;
    for _ in 0..=2 * vigie::admin::FAILED_LOGINS {
        let request = client().get(format!("{}/metrics", agent.admin_url())).bearer_auth("a-token-of-nobody");
        let answer = request.send().await.expect("an answer");
        if answer.status() == 429 {
            limited = Some(answer);
            break;
        }
        assert_eq!(answer.status(), 401);
    }
    let limited = limited.expect("a limit");
    let wait: u64 = limited.headers()["retry-after"].to_str().expect("text").parse().expect("seconds");
    assert!((1..=6).contains(&wait), "{wait}");
    assert_eq!(limited.headers()["content-type"], "application/problem+json");
    // Another address of this machine is not held up.
    let other = reqwest::Client::builder().no_proxy().local_address(std::net::IpAddr::from([127, 0, 0, 2])).build();
    let request = other.expect("a client").get(format!("{}/metrics", agent.admin_url())).bearer_auth(secret(&token));
    let page = request.send().await.expect("an answer").text().await.expect("a page");
    assert!(page.contains("vigie_admin_refused_total{reason=\"limited\"} 1\n"), "{page}");
}

#[tokio::test]
async fn searches_leave_a_masked_trail_or_show_nothing() {
    let origin = Origin::json(200, "[]").await;
    let agent = TestAgent::start(&origin.url(), json!({})).await;
    agent.search(&["--text", "john.smith@acme.example"]);
    let audit = agent.data_dir().join("audit");
    let files: Vec<_> = std::fs::read_dir(&audit).expect("a folder").map(|f| f.expect("a file").path()).collect();
    let text = std::fs::read_to_string(&files[0]).expect("a log");
    assert!(text.contains(r#""action":"records.searched""#) && text.contains(r#""object":"text=email:1"#), "{text}");
    assert!(!text.contains("john"), "{text}");

    // No room for the trail: nothing is revealed, and traffic flows.
    std::fs::remove_dir_all(&audit).expect("removed");
    std::fs::write(&audit, "").expect("in the way");
    assert_eq!(status(&agent, "/api/v1/callers", "").await, 503);
    assert_eq!(client().get(agent.proxy_url()).send().await.expect("an answer").status(), 200);
    assert_eq!(agent.metric("vigie_audit_entries_total", "result=\"failed\"").await, 1.0);
}

#[tokio::test]
async fn the_log_command_says_why_a_token_does_not_do() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("tokens");
    let (viewer, steward) = (make("viewer", "grafana"), make("steward", "data"));
    write(&file, &[&viewer, &steward]);
    let agent = start(&file).await;
    let log = |token: &str| {
        let mut command = vigie(&["log", "--output", "json", "--admin", &agent.admin_url()]);
        command.env("VIGIE_ADMIN_TOKEN", token).output().expect("the program starts")
    };
    assert!(log(secret(&steward)).status.success());
    let refused = log(secret(&viewer));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1));
    assert!(said.contains("A token with the role viewer may not ask for /api/v1/records."), "{said}");
    let said = String::from_utf8_lossy(&log("nobody's").stderr).into_owned();
    assert!(said.contains("the agent wants a token"), "{said}");
}

#[test]
fn a_token_that_exists_is_hashed_from_standard_input() {
    let mut command = vigie(&["token", "hash", "--role", "operator", "--output", "json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program starts");
    std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), b"a-token-that-exists\n").expect("written");
    let output = child.wait_with_output().expect("an end");
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told["hash"], format!("blake3:{}", blake3::hash(b"a-token-that-exists")));
    assert_eq!((&told["name"], &told["token"]), (&json!("operator"), &Value::Null));
    let refused = vigie(&["token", "new", "--role", "viewer", "--name", "vigie"]).output().expect("the program starts");
    assert_eq!(refused.status.code(), Some(64));
}

/// The router is made from the table alone: what adds paths to a router stands in one file, once.
#[test]
fn no_path_is_served_outside_the_table() {
    let adds = ["route", "route_service", "nest", "nest_service", "merge", "fallback", "fallback_service"];
    let mut found = Vec::new();
    for file in tree::rust_files("src").iter().filter(|file| file.path.starts_with("src/admin")) {
        let tokens = source::tokens(&file.text);
        let calls = tokens.windows(3).filter(|w| w[0].is('.') && w[2].is('('));
        let words = calls.filter_map(|w| Token::word(&w[1])).filter(|word| adds.contains(word));
        found.extend(words.map(|word| format!("{}: .{word}(", file.path)));
    }
    assert_eq!(found, ["src/admin/endpoint.rs: .route("]);
}

#[test]
fn the_documentation_holds_the_table() {
    let text = std::fs::read_to_string(tree::root().join("docs/security.md")).expect("docs/security.md");
    let table = vigie::admin::endpoint::markdown();
    assert!(text.contains(&table), "docs/security.md should hold:\n{table}");
}
