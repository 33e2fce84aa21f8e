//! Whose call it is, and that what told it stays here.

use super::support::{assert_fields, record};
use crate::support::{DEADLINE, Origin, TestAgent, client, eventually};
use serde_json::{Value, json};

const TOKEN: &str = "a-token-of-sixteen-characters";

async fn call(url: &str, path: &str, id: &str, headers: &[(&str, &str)]) {
    let mut request = client().get(format!("{url}{path}")).header("x-correlation-id", id);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    assert_eq!(request.send().await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn each_way_of_telling_is_used_in_order_and_taken_out() {
    let origin = Origin::json(200, "{}").await;
    let changes = json!({
        "proxy": { "listeners": [{ "address": "127.0.0.1:0" }, { "address": "127.0.0.1:0", "integration": "bi" }] },
        "integrations": {
            "bi": {}, "shop": { "system": "Web shop", "tokens": [TOKEN] },
            "forms": { "credentials": ["Token token=forms-key"] }, "mail": { "path_prefix": "/mail" },
        },
    });
    let agent = TestAgent::start(&origin.url(), changes).await;
    let [all, pinned] = [0, 1].map(|n| agent.proxy_urls()[n].clone());
    let [token, key, header] =
        [("x-vigie-token", TOKEN), ("authorization", "Token token=forms-key"), ("x-integration", "erp")];
    let path = "/api/deals/1";
    let prefixed = "/mail/api/deals/1";
    let cases = [
        ("bi", "bi", &pinned, path, vec![token, key, header]),
        ("shop", "Web shop", &all, path, vec![token, key, header]),
        ("forms", "forms", &all, path, vec![key, header]),
        ("mail", "mail", &all, prefixed, vec![header]),
        ("erp", "ERP", &all, path, vec![header]),
        ("unknown", "unknown", &all, path, vec![("x-integration", "other"), ("x-vigie-token", "wrong")]),
    ];
    for (name, system, url, path, headers) in cases {
        call(url, path, name, &headers).await;
        let seen = origin.seen().pop().expect("a request");
        assert_eq!(seen.uri.path(), "/api/deals/1", "{name}: the prefix is taken out");
        assert!(!seen.headers.contains_key("x-vigie-token"), "{name}: the token is taken out");
        if name == "erp" {
            assert!(!seen.headers.contains_key("x-integration"), "{name}: the header is taken out");
        }
        let record = record(&agent, name).await;
        assert_fields(&record, json!({ "integration": name, "system": system, "endpoint": "/api/deals/{id}" }));
    }
    let log = std::fs::read_to_string(agent.log_file()).expect("the log");
    assert!(!log.contains(TOKEN) && !log.contains("forms-key"), "{log}");
}

#[tokio::test]
async fn an_unknown_credential_is_listed_and_can_be_named() {
    let origin = Origin::json(200, "{}").await;
    let agent = TestAgent::start(&origin.url(), json!({})).await;
    call(&agent.proxy_url(), "/api/deals/1", "before", &[("authorization", "Token token=new-key")]).await;
    record(&agent, "before").await;
    let listed = eventually("the caller in the list", DEADLINE, || async {
        let listed: Value = serde_json::from_str(&agent.admin_text("/api/v1/callers").await).expect("JSON");
        Some(listed["callers"].clone()).filter(|callers| callers != &json!([]))
    })
    .await;
    assert_fields(&listed[0], json!({ "integration": "unknown", "upstream": "freshsales", "exchanges": 1 }));
    assert!(!listed.to_string().contains("new-key"), "{listed}");

    let home = agent.home();
    assert!(agent.stop().await.success());
    let named = json!({ "integrations": { "new": { "fingerprints": [listed[0]["fingerprint"]] } } });
    let agent = TestAgent::start_in(home, &origin.url(), named).await;
    // Under whatever scheme it is sent.
    call(&agent.proxy_url(), "/api/deals/1", "after", &[("authorization", "Token token=\"new-key\"")]).await;
    assert_fields(&record(&agent, "after").await, json!({ "integration": "new" }));
}
