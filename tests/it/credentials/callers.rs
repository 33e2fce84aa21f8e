//! Who may use a key that the agent holds.

use super::{TOKEN, get, holding, last, sent};
use crate::proxy::support::{assert_fields, metric, record};
use crate::support::tls::{Authority, Validity};
use crate::support::{DEADLINE, Origin, eventually};
use serde_json::{Value, json};

/// An answer that holds what the vendor's do.
const DEAL: &str = "{\"deal\":{\"id\":1}}";

/// Callers must show who they are, on loopback too; `erp` and `shop` can.
fn strict() -> Value {
    json!({
        "upstreams": { "freshsales": { "access": { "authenticate": "always" } } },
        "integrations": { "erp": { "tokens": [TOKEN] }, "shop": { "tokens": ["another-token-of-some-length"] } },
    })
}

#[tokio::test]
async fn a_stranger_is_refused_and_nothing_is_sent() {
    let origin = Origin::json(200, DEAL).await;
    let agent = holding(&origin, "the-held-key", strict()).await;
    let request = || get(&agent, "/api/deals/1");
    let wrong = "a-token-that-is-nobodys";
    let cases = [
        ("none", request()),
        ("wrong", request().header("x-vigie-token", wrong)),
        ("two", request().header("x-vigie-token", wrong).header("x-vigie-token", TOKEN)),
        ("claimed", request().header("x-integration", "erp")),
        ("own-key", request().header("authorization", "Token token=the-held-key")),
    ];
    for (id, request) in cases {
        let reply = sent(request.header("x-correlation-id", id)).await;
        let headers = reply.headers().clone();
        assert_eq!(reply.status(), 401, "{id}");
        assert_eq!(headers["x-vigie-error"], "caller_unauthenticated", "{id}");
        assert_eq!(headers["content-type"], "application/problem+json", "{id}");
        assert_eq!(headers["www-authenticate"], "Vigie realm=\"vigie\", header=\"x-vigie-token\"", "{id}");
        let problem: Value = reply.json().await.expect("JSON");
        assert_fields(&problem, json!({ "status": 401, "type": "urn:vigie:error:caller_unauthenticated" }));
        let record = record(&agent, id).await;
        let expected = json!({ "outcome": "agent_error", "error_kind": "caller_unauthenticated", "upstream": "freshsales",
            "status_code": 401, "attempts": 0 });
        assert_fields(&record, expected);
    }
    assert!(origin.seen().is_empty(), "nothing is sent");
    let refused = ["upstream=\"freshsales\"", "kind=\"caller_unauthenticated\""];
    eventually("the count", DEADLINE, || async {
        (metric(&agent, "vigie_agent_errors_total", &refused).await == 5.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_token_lets_its_holder_in_wherever_it_stands() {
    let (origin, other) = (Origin::json(200, DEAL).await, Origin::json(200, DEAL).await);
    let mut changes = strict();
    changes["upstreams"]["open"] = json!({ "vendor": "generic", "url": other.url(), "path_prefix": "/open" });
    let agent = holding(&origin, "the-held-key", changes).await;
    let basic =
        format!("Basic {}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("x:{TOKEN}")));
    for (id, name, value) in [
        ("header", "x-vigie-token", TOKEN.to_owned()),
        // A caller that has one setting, its key, puts the token there.
        ("as-key", "authorization", format!("Token token={TOKEN}")),
        ("as-bearer", "authorization", format!("Bearer {TOKEN}")),
        ("as-password", "authorization", basic),
    ] {
        let reply = sent(get(&agent, "/api/deals/1").header(name, &value).header("x-correlation-id", id)).await;
        assert_eq!(reply.status(), 200, "{id}");
        assert_eq!(last(&origin, "authorization"), ["Token token=the-held-key"], "{id}");
        assert_eq!(last(&origin, "x-vigie-token"), [""; 0], "{id}");
        assert_fields(&record(&agent, id).await, json!({ "integration": "erp", "outcome": "ok" }));
        // Where no key is held it must not be taken for one.
        assert_eq!(sent(get(&agent, "/open/x").header(name, &value)).await.status(), 200, "{id}");
        assert_eq!(last(&other, "authorization"), [""; 0], "{id}");
    }
    let log = std::fs::read_to_string(agent.log_file()).expect("the log");
    assert!(!log.contains(TOKEN) && !log.contains("the-held-key"), "{log}");
}

#[tokio::test]
async fn an_integration_has_its_own_key_and_others_may_be_kept_out() {
    let origin = Origin::json(200, DEAL).await;
    let mut changes = strict();
    changes["upstreams"]["freshsales"]["access"]["integrations"] = json!(["erp", "bi"]);
    changes["integrations"]["erp"]["upstream_credentials"] = json!({ "freshsales": { "key": "the-key-of-erp" } });
    changes["integrations"]["bi"] = json!({ "tokens": ["a-third-token-of-some-length"] });
    let agent = holding(&origin, "the-common-key", changes).await;
    let by = |token| get(&agent, "/api/deals/1").header("x-vigie-token", token);
    assert_eq!(sent(by(TOKEN)).await.status(), 200);
    assert_eq!(last(&origin, "authorization"), ["Token token=the-key-of-erp"]);
    assert_eq!(sent(by("a-third-token-of-some-length")).await.status(), 200);
    assert_eq!(last(&origin, "authorization"), ["Token token=the-common-key"]);
    let refused = sent(by("another-token-of-some-length")).await;
    assert_eq!(
        (refused.status().as_u16(), refused.headers()["x-vigie-error"].clone()),
        (403, "caller_forbidden".parse().expect("ASCII"))
    );
    assert_eq!(origin.seen().len(), 2);
    let info = agent.admin_text("/metrics").await;
    assert!(info.contains("vigie_credential_info{upstream=\"freshsales\",integration=\"erp\""), "{info}");
}

#[tokio::test]
async fn on_loopback_programs_are_believed_and_web_pages_are_not() {
    let origin = Origin::json(200, DEAL).await;
    let agent = holding(&origin, "the-held-key", json!({ "integrations": { "erp": { "tokens": [TOKEN] } } })).await;
    assert_eq!(sent(get(&agent, "/api/deals/1")).await.status(), 200);
    let pages = [
        ("origin", "https://page.example"),
        ("sec-fetch-site", "cross-site"),
        // A name that its owner had lead here.
        ("host", "rebound.example:8080"),
    ];
    for (name, value) in pages {
        let reply = sent(get(&agent, "/api/deals/1").header(name, value)).await;
        assert_eq!(reply.status(), 401, "{name}");
        let reply = sent(get(&agent, "/api/deals/1").header(name, value).header("x-vigie-token", TOKEN)).await;
        assert_eq!(reply.status(), 200, "{name} with a token");
    }
    assert_eq!(sent(get(&agent, "/api/deals/1").header("x-vigie-token", "wrong-wherever-it-is")).await.status(), 401);
    assert_eq!(origin.seen().len(), 4);
}

#[tokio::test]
async fn a_certificate_is_as_good_as_a_token() {
    let (origin, authority, callers) = (Origin::json(200, DEAL).await, Authority::new(), Authority::new());
    let server = authority.good("server");
    let tls = json!({ "certificate_file": server.certificate_file, "key_file": server.key_file,
        "client_ca_file": callers.file(), "client_auth": "optional" });
    let mut changes = strict();
    changes["proxy"] = json!({ "listeners": [{ "address": "127.0.0.1:0", "tls": tls }] });
    let agent = holding(&origin, "the-held-key", changes).await;
    let url = format!("https://{}/api/deals/1", agent.proxy_address());
    let pem = std::fs::read(authority.file()).expect("the authority's file");
    let builder = || {
        let root = reqwest::Certificate::from_pem(&pem).expect("a certificate");
        reqwest::Client::builder().no_proxy().tls_certs_only([root]).timeout(DEADLINE)
    };
    let identity = callers.issue("erp", &["erp.example"], Validity::Now, 2).identity();
    let known = [builder().identity(identity.clone()), builder().identity(identity).http1_only()];
    let known = known.map(|builder| builder.build().expect("a client"));
    for client in &known {
        assert_eq!(client.get(&url).send().await.expect("an answer").status(), 200);
    }
    for stranger in [builder(), builder().http1_only()] {
        let client = stranger.build().expect("a client");
        assert_eq!(client.get(&url).send().await.expect("an answer").status(), 401);
    }
    assert_eq!(origin.seen().len(), 2);
    // Its authority counts no more: neither does what it has shown, on the connection that it still holds.
    let other = Authority::new();
    agent.reconfigure(json!({ "proxy": { "listeners": [{ "address": "127.0.0.1:0", "tls": { "certificate_file": server.certificate_file,
        "key_file": server.key_file, "client_ca_file": other.file(), "client_auth": "optional" } }] } }));
    eventually("the certificate's end", DEADLINE, || async {
        let mut refused = 0;
        for client in &known {
            refused += usize::from(client.get(&url).send().await.is_ok_and(|reply| reply.status() == 401));
        }
        (refused == known.len()).then_some(())
    })
    .await;
}
