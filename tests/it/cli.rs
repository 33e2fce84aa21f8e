//! The commands a script relies on: their exit codes, and what they print for people and for programs.

use crate::support::agent::vigie;
use crate::support::{Origin, TestAgent};
use serde_json::{Value, json};
use std::process::Output;
use tempfile::TempDir;

const GOOD: &str = "upstreams: {crm: {vendor: freshsales, url: \"https://acme.example\"}}\n";
const BAD: &str =
    "upstreams: {crm: {vendor: freshsales, url: \"https://acme.example\"}}\nlogg: {}\nadmin: {address: 1}\n";
/// Port 1 of loopback: nobody but root can listen there, and nobody does.
const NOBODY: &str = "127.0.0.1:1";

fn run(arguments: &[&str]) -> Output {
    vigie(arguments).output().expect("the program starts")
}

/// Exit code, standard output, standard error.
fn told(arguments: &[&str]) -> (i32, String, String) {
    let output = run(arguments);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    (output.status.code().expect("a code"), text(&output.stdout), text(&output.stderr))
}

fn json_told(arguments: &[&str]) -> (i32, Value) {
    let (code, out, err) = told(&[arguments, &["--output", "json"]].concat());
    assert_eq!(err, "", "{arguments:?}");
    (code, serde_json::from_str(&out).expect("JSON"))
}

fn file(text: &str) -> (TempDir, String) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("vigie.yaml");
    std::fs::write(&path, text).expect("a file");
    (dir, path.to_str().expect("UTF-8").to_owned())
}

#[test]
fn bad_usage_is_64_and_says_what_is_known() {
    let cases: [&[&str]; 13] = [
        &[],
        &["fly"],
        &["run", "--nonsense"],
        &["demo", "--duration", "soon"],
        &["demo", "--rate", "0"],
        &["demo", "--proxy", "8080"],
        &["log", "--last", "many"],
        &["log", "--status", "high"],
        &["log", "--output", "xml"],
        &["healthcheck", "--admin", "ftp://x"],
        &["check-config", "--output", "xml"],
        &["schema", "--markdown", "--example"],
        &["--log-level", "vigie=loud", "demo", "--duration", "1s", "--proxy", "127.0.0.1:0"],
    ];
    for arguments in cases {
        let (code, out, err) = told(arguments);
        assert_eq!((code, out.as_str()), (64, ""), "{arguments:?}: {err}");
        assert!(!err.is_empty(), "{arguments:?}: nothing was said");
    }
}

#[test]
fn help_and_version_are_answers() {
    for arguments in [&["--help"][..], &["--version"], &["log", "--help"]] {
        let (code, out, err) = told(arguments);
        assert_eq!((code, err.as_str()), (0, ""), "{arguments:?}");
        assert!(out.contains("vigie") || out.contains("Vigie"), "{out}");
    }
}

#[test]
fn check_config_passes_a_good_file() {
    let (_dir, path) = file(GOOD);
    assert_eq!(told(&["check-config", "--config", &path]), (0, format!("{path}: valid\n"), String::new()));
    let expected = json!({"valid": true, "errors": [], "warnings": [], "changes": [], "ways": []});
    assert_eq!(json_told(&["check-config", "--config", &path]), (0, expected));
}

#[test]
fn check_config_tells_every_mistake_with_its_line() {
    let (_dir, path) = file(BAD);
    let (code, out, err) = told(&["check-config", "--config", &path]);
    assert_eq!((code, out.as_str()), (64, ""), "{err}");
    assert!(err.contains(&format!("vigie: {path}:2:")) && err.contains(&format!("vigie: {path}:3:")), "{err}");
    let (code, answer) = json_told(&["check-config", "--config", &path]);
    assert_eq!((code, &answer["valid"]), (64, &json!(false)));
    assert_eq!(answer["errors"].as_array().map(Vec::len), Some(2), "{answer}");
    let (code, _, err) = told(&["run", "--config", &path]);
    assert_eq!(code, 64);
    assert!(err.contains("logg") && err.contains("vigie schema --example"), "{err}");
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let (dir, path) = file(GOOD);
    drop(dir);
    for command in ["check-config", "run"] {
        let (code, _, err) = told(&[command, "--config", &path]);
        assert_eq!(code, 64, "{err}");
        assert!(err.contains(&format!("{path}: cannot be read:")), "{err}");
    }
}

#[test]
fn schema_prints_what_editors_and_the_readme_need() {
    let (code, out, _) = told(&["schema"]);
    assert_eq!(code, 0);
    assert_eq!(serde_json::from_str::<Value>(&out).expect("JSON"), vigie::config::schema());
    assert_eq!(told(&["schema", "--output", "json"]).1, out);
    let printed = |arguments: &[&str]| told(arguments).1.trim().to_owned();
    assert_eq!(printed(&["schema", "--markdown"]), vigie::config::reference().trim());
    assert_eq!(printed(&["schema", "--output", "table"]), vigie::config::reference().trim());
    assert_eq!(printed(&["schema", "--metrics", "--markdown"]), vigie::telemetry::catalogue::markdown().trim());
    let metrics: Vec<Value> = serde_json::from_str(&printed(&["schema", "--metrics"])).expect("JSON");
    assert_eq!(metrics.len(), vigie::telemetry::catalogue::ALL.len());
    let named = metrics.iter().find(|m| m["name"] == "vigie_outcomes_total").expect("the outcomes");
    assert_eq!((&named["type"], &named["labels"]), (&json!("counter"), &json!(["upstream", "outcome"])));
}

#[test]
fn the_printed_example_is_a_good_file() {
    let (code, example, _) = told(&["schema", "--example"]);
    assert_eq!(code, 0);
    // It reads secrets from files and the environment, which are not here: every complaint must be of that.
    let (_dir, path) = file(&example);
    let (_, answer) = json_told(&["check-config", "--config", &path]);
    for error in answer["errors"].as_array().expect("a list") {
        let error = error.as_str().expect("a text");
        assert!(error.contains("file:") || error.contains("${"), "{error}");
    }
}

#[tokio::test]
async fn healthcheck_asks_the_agent() {
    let origin = Origin::json(200, "{}").await;
    let agent = TestAgent::start(&origin.url(), json!({})).await;
    let url = agent.admin_url();
    for flags in [&["healthcheck", "--admin", &url][..], &["healthcheck", "--ready", "--admin", agent.admin_address()]]
    {
        let (code, out, err) = told(flags);
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        let (code, answer) = json_told(flags);
        assert_eq!((code, &answer["healthy"]), (0, &json!(true)), "{answer}");
    }
}

#[test]
fn healthcheck_without_an_agent_is_1() {
    let (code, out, err) = told(&["healthcheck", "--admin", NOBODY]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.starts_with(&format!("vigie: no answer from http://{NOBODY}/live: ")), "{err}");
    let (code, answer) = json_told(&["healthcheck", "--admin", NOBODY]);
    assert_eq!((code, &answer["healthy"]), (1, &json!(false)));
}

#[test]
fn log_without_agent_and_files_says_what_to_do() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("none");
    let data = data.to_str().expect("UTF-8");
    let (code, out, err) = told(&["log", "--admin", NOBODY, "--data-dir", data]);
    assert_eq!((code, out.as_str()), (1, ""));
    let expected = format!(
        "vigie: no agent answers at http://{NOBODY}/api/v1/records (Connection refused (os error 111)), and {data}: there is no \
        history here; name a running agent with --admin URL, or its files with --data-dir DIR\n"
    );
    assert_eq!(err, expected);
}

#[tokio::test]
async fn an_agent_whose_address_is_taken_names_the_key() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let cases = [
        ("admin.address", json!({"address": address}), json!([{"address": "127.0.0.1:0"}])),
        ("proxy.listeners", json!({"address": "127.0.0.1:0"}), json!([{"address": address}])),
    ];
    for (key, admin, listeners) in cases {
        let dir = tempfile::tempdir().expect("a directory");
        let config = json!({
            "data_dir": dir.path().join("data"), "admin": admin, "proxy": {"listeners": listeners},
            "upstreams": {"crm": {"vendor": "freshsales", "url": "http://127.0.0.1:1"}},
        });
        let path = dir.path().join("vigie.yaml");
        std::fs::write(&path, config.to_string()).expect("a file");
        let (code, _, err) = told(&["run", "--config", path.to_str().expect("UTF-8")]);
        assert_eq!(code, 1, "{err}");
        let expected = format!("vigie: {key} cannot be served: cannot listen on {address}: Address already in use");
        assert!(err.contains(&expected), "{err}");
    }
}

#[tokio::test]
async fn a_second_agent_is_kept_out_of_the_data_directory() {
    let origin = Origin::json(200, "{}").await;
    let agent = TestAgent::start(&origin.url(), json!({})).await;
    let before = std::fs::read(agent.data_dir().join("addresses.json")).expect("the addresses");
    let config = agent.config_file();
    let (code, _, err) = told(&["run", "--config", config.to_str().expect("UTF-8")]);
    assert_eq!(code, 1, "{err}");
    let (dir, pid) = (agent.data_dir(), agent.id());
    let expected = format!(
        "vigie: data_dir {} is in use by another Vigie (process {pid}); stop that one, or give this one a data_dir of its own",
        dir.display()
    );
    assert!(err.contains(&expected), "{err}");
    assert_eq!(std::fs::read(dir.join("addresses.json")).expect("the addresses"), before);
    agent.admin_text("/ready").await;
}

#[test]
fn the_help_promises_what_there_is() {
    let (code, out, _) = told(&["--help"]);
    assert_eq!(code, 0);
    let about: String = out.lines().take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    for absent in ["probe", "reconcil", "alert"] {
        assert!(!about.contains(absent), "{absent} in {about:?}");
    }
    assert!(about.contains("metrics, traces, quota and a searchable history"), "{about:?}");
}
