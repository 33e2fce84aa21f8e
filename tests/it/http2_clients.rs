//! Programs nobody here wrote speak HTTP/2 to the agent; and load that goes on while it is reloaded and stopped.

use crate::support::origin::json as answer;
use crate::support::tls::Authority;
use crate::support::{DEADLINE, Origin, Process, TestAgent, eventually, peers};
use axum::body::Body;
use axum::http::Version;
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

const CALLS: usize = 200;

/// An upstream that gives back what it gets, and an agent before it with TLS, with prior knowledge, and with neither.
struct Stage {
    origin: Origin,
    agent: TestAgent,
    authority: Authority,
}

impl Stage {
    async fn set() -> Self {
        let origin = Origin::http(|request| async move {
            answer(200, Body::from(axum::body::to_bytes(request.into_body(), 1 << 20).await.expect("a small body")))
        })
        .await;
        let authority = Authority::new();
        let pair = authority.good("server");
        let tls = json!({ "certificate_file": pair.certificate_file, "key_file": pair.key_file });
        let any = "127.0.0.1:0";
        let listeners = json!([
            { "address": any, "tls": tls }, { "address": any, "http2_prior_knowledge": true }, { "address": any },
        ]);
        let quiet = json!({ "stdout": false });
        let agent = TestAgent::start(&origin.url(), json!({ "proxy": { "listeners": listeners }, "log": quiet })).await;
        Self { origin, agent, authority }
    }

    fn secure(&self) -> String {
        format!("https://{}", self.agent.listening()[0])
    }

    fn prior(&self) -> String {
        format!("http://{}", self.agent.listening()[1])
    }

    fn plain(&self) -> String {
        format!("http://{}", self.agent.listening()[2])
    }

    fn ca_file(&self) -> String {
        self.authority.file().display().to_string()
    }
}

/// Runs a program to its end and gives what it printed.
async fn run(variable: &str, arguments: &[&str]) -> String {
    let mut process = start(variable, arguments);
    let status = process.wait(DEADLINE).await;
    assert!(status.success(), "{variable}: {status}\n{}", process.output());
    process.output()
}

fn start(variable: &str, arguments: &[&str]) -> Process {
    // The file is unlinked at once; the process keeps writing to it, and the test reads it through its handle.
    let output = tempfile::NamedTempFile::new().expect("a file").into_temp_path().keep().expect("a path");
    Process::start(&peers::program(variable), arguments, &PathBuf::from(&output))
}

#[tokio::test]
async fn curl_speaks_it_over_tls_and_with_prior_knowledge() {
    let stage = Stage::set().await;
    let written = ["-sS", "--noproxy", "*", "-o", "/dev/null", "-w", "%{http_version} %{http_code}"];
    let (secure, prior) = (format!("{}/api/deals/1", stage.secure()), format!("{}/api/deals/1", stage.prior()));
    let ca_file = stage.ca_file();
    for (more, url, told) in [
        (&["--cacert", &ca_file][..], &secure, "2 200"),
        (&["--cacert", &ca_file, "--http1.1"], &secure, "1.1 200"),
        (&["--http2-prior-knowledge"], &prior, "2 200"),
        // An upgrade is not offered: the call is answered as it came.
        (&["--http2"], &prior, "1.1 200"),
    ] {
        let arguments: Vec<&str> = written.iter().chain(more).copied().chain([url.as_str()]).collect();
        assert_eq!(run("VIGIE_TEST_CURL", &arguments).await, told, "{more:?}");
    }
}

#[tokio::test]
async fn httpx_and_node_call_side_by_side() {
    let stage = Stage::set().await;
    for (interpreter, script) in [("VIGIE_TEST_PYTHON", "http2_httpx.py"), ("VIGIE_TEST_NODE", "http2_node.mjs")] {
        let told = peers::script(interpreter, script, &[&stage.secure(), &stage.ca_file(), &CALLS.to_string()]).await;
        assert_eq!(peers::told(&told)["answered"], CALLS, "{told}");
    }
    assert_eq!(stage.origin.seen().len(), 2 * CALLS);
    assert_eq!(stage.origin.seen()[0].version, Version::HTTP_11);
    eventually("every record", DEADLINE, || async { (stage.agent.log_records().len() == 2 * CALLS).then_some(()) })
        .await;
}

#[tokio::test]
async fn h2load_finds_no_fault() {
    let stage = Stage::set().await;
    for url in [stage.secure(), stage.prior()] {
        let told = run("VIGIE_TEST_H2LOAD", &["-n5000", "-c2", "-m100", &format!("{url}/api/deals/1")]).await;
        assert!(told.contains("5000 succeeded, 0 failed, 0 errored, 0 timeout"), "{url}: {told}");
    }
}

/// Has the configuration read again, over and over, until `load` ends.
async fn reload_during(stage: &Stage, load: &mut Process) -> usize {
    let mut reloads = 0;
    while load.ended().is_none() {
        let days = 7 + reloads % 2;
        stage.agent.reconfigure(json!({
            "upstreams": { "freshsales": { "timeouts": { "head": format!("{}s", 50 + days) } } },
        }));
        reloads += 1;
        eventually("the reload", DEADLINE, || async {
            (stage.agent.output().matches("configuration reloaded").count() >= reloads).then_some(())
        })
        .await;
    }
    reloads
}

#[tokio::test]
async fn no_call_fails_under_load_while_the_configuration_changes() {
    let stage = Stage::set().await;
    let url = format!("{}/api/deals/1", stage.secure());
    let mut load = start("VIGIE_TEST_H2LOAD", &["-n60000", "-c4", "-m20", &url]);
    assert!(reload_during(&stage, &mut load).await > 3);
    let told = load.output();
    assert!(told.contains("60000 succeeded, 0 failed, 0 errored, 0 timeout"), "{told}");

    let url = format!("{}/api/deals/1", stage.plain());
    let mut load = start("VIGIE_TEST_WRK", &["-t1", "-c16", "-d5s", "--timeout", "30s", &url]);
    assert!(reload_during(&stage, &mut load).await > 3);
    let told = load.output();
    assert!(told.contains("requests in") && !told.contains("errors") && !told.contains("Non-2xx"), "{told}");
}

#[tokio::test]
async fn no_call_fails_under_load_when_the_agent_is_stopped() {
    let stage = Stage::set().await;
    let (url, calls) = (format!("{}/api/deals/1", stage.plain()), || stage.origin.seen().len());
    let mut load = start("VIGIE_TEST_WRK", &["-t1", "-c16", "-d4s", "--timeout", "30s", &url]);
    eventually("load", DEADLINE, || async { (calls() > 1_000).then_some(()) }).await;
    let home = stage.agent.home();
    assert!(stage.agent.stop().await.success());
    load.wait(DEADLINE + Duration::from_secs(10)).await;
    let told = load.output();
    // Callers that come back find nobody, which wrk calls errors of writing: that is what stopping means. Those that were
    // there got their answers.
    assert!(!told.contains("Non-2xx"), "{told}");
    let errors = told.lines().find(|line| line.contains("Socket errors:")).unwrap_or("read 0, timeout 0");
    assert!(errors.contains("read 0,") && errors.contains("timeout 0"), "{told}");
    let logged = std::fs::read_to_string(home.path().join("exchanges.log")).expect("the log").lines().count();
    assert_eq!(logged, stage.origin.seen().len(), "records of calls");
}
