//! Programs nobody here wrote follow what the CRM tells them, and stay on the path: a job's address, and a redirect.

use crate::support::tls::Authority;
use crate::support::{DEADLINE, TestAgent, TestSandbox, client, eventually, peers, sandbox};
use serde_json::{Value, json};

#[tokio::test]
async fn python_requests() {
    drive("VIGIE_TEST_PYTHON", "links_requests.py").await;
}

#[tokio::test]
async fn node_fetch() {
    drive("VIGIE_TEST_NODE", "links_fetch.mjs").await;
}

#[tokio::test]
async fn curl() {
    peers::program("VIGIE_TEST_CURL");
    drive("VIGIE_TEST_BASH", "links_curl").await;
}

/// In plain text and over TLS, with two prefixes in front.
async fn drive(interpreter: &str, script: &str) {
    let sandbox = TestSandbox::start().await;
    let authority = Authority::new();
    let pair = authority.good("server");
    let tls = json!({ "certificate_file": pair.certificate_file, "key_file": pair.key_file });
    let changes = json!({
        "proxy": { "listeners": [{ "address": "127.0.0.1:0" }, { "address": "127.0.0.1:0", "tls": tls }] },
        "upstreams": { "freshsales": { "path_prefix": "/fs", "rewrite_links": true } },
        "integrations": { "erp": { "path_prefix": "/erp", "header": null } },
    });
    let agent = TestAgent::start(&sandbox.crm_url(), changes).await;
    // Calls below the classic prefix are sent to the newer one.
    for fault in [json!({ "kind": "redirect", "match": { "path_prefix": "/api" } }), json!({ "kind": "edge_headers" })]
    {
        let url = format!("{}/__sandbox/faults", sandbox.crm_url());
        assert_eq!(client().post(url).body(fault.to_string()).send().await.expect("an answer").status(), 201);
    }
    let ca_file = authority.file().display().to_string();
    for (name, base) in [
        ("plain", format!("http://{}/erp/fs", agent.listening()[0])),
        ("tls", format!("https://{}/erp/fs", agent.listening()[1])),
    ] {
        let printed = peers::script(interpreter, script, &[&base, sandbox::KEY, name, &ca_file]).await;
        let told: Value = serde_json::from_str(printed.trim()).expect("one line of JSON");
        let ended = told["redirected_to"].as_str().expect("a URL");
        assert_eq!(ended, format!("{base}/crm/sales/api/contacts/filters"), "{told}");
        // The call that was sent elsewhere and the one that it was sent to; the job's acceptance and two looks at it.
        let records = eventually("all records", DEADLINE, || async {
            let ours = |r: &Value| r["correlation_id"].as_str().is_some_and(|id| id.starts_with(&format!("{name}-")));
            let records: Vec<Value> = agent.log_records().into_iter().filter(ours).collect();
            (records.len() >= 5).then_some(records)
        })
        .await;
        let at = |endpoint: &str| records.iter().filter(|r| r["endpoint"] == endpoint).count();
        assert_eq!((at("/api/contacts/filters"), at("/api/job_statuses/{id}")), (2, 2), "{records:?}");
        assert!(records.iter().all(|r| r["integration"] == "erp" && r.get("bypass_links").is_none()), "{records:?}");
    }
}
