//! Callers over TLS: the version agreed on, certificates asked for, and handshakes that fail told apart.

use super::support::{Wire, metric};
use crate::support::origin::json as answer;
use crate::support::tls::{Authority, Pair, Validity};
use crate::support::{DEADLINE, Origin, TestAgent, eventually};
use axum::http::Version;
use reqwest::ClientBuilder;
use serde_json::{Value, json};

async fn origin() -> Origin {
    Origin::http(|_| async { answer(200, "{\"deal\":{}}") }).await
}

fn listening(pair: &Pair, more: Value) -> Value {
    let mut tls = json!({ "certificate_file": pair.certificate_file, "key_file": pair.key_file });
    tls.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    json!({ "proxy": { "workers": 1, "listeners": [{ "address": "127.0.0.1:0", "tls": tls }] } })
}

fn trusting(authority: &Authority) -> ClientBuilder {
    let pem = std::fs::read(authority.file()).expect("the authority's file");
    let root = reqwest::Certificate::from_pem(&pem).expect("a certificate");
    reqwest::Client::builder().no_proxy().tls_certs_only([root]).timeout(DEADLINE)
}

async fn get(agent: &TestAgent, client: ClientBuilder) -> reqwest::Result<reqwest::Response> {
    let url = format!("https://{}/api/deals/1", agent.proxy_address());
    client.build().expect("a client").get(url).send().await
}

async fn failures(agent: &TestAgent, reason: &str) -> f64 {
    metric(agent, "vigie_tls_handshake_failures_total", &[&format!("reason=\"{reason}\"")]).await
}

#[tokio::test]
async fn the_version_is_agreed_on_by_alpn() {
    let (origin, authority) = (origin().await, Authority::new());
    let agent = TestAgent::start(&origin.url(), listening(&authority.good("server"), json!({}))).await;
    for (client, version) in
        [(trusting(&authority), Version::HTTP_2), (trusting(&authority).http1_only(), Version::HTTP_11)]
    {
        let reply = get(&agent, client).await.expect("an answer");
        assert_eq!((reply.status().as_u16(), reply.version()), (200, version));
        let seen = origin.seen().pop().expect("a request");
        assert_eq!(seen.headers["x-forwarded-proto"], "https");
        assert_eq!(seen.headers["x-forwarded-host"], agent.proxy_address());
        assert_eq!(seen.headers["via"], if version == Version::HTTP_2 { "2 vigie" } else { "1.1 vigie" });
    }
}

#[tokio::test]
async fn handshakes_that_fail_are_counted_by_reason() {
    let (origin, authority) = (origin().await, Authority::new());
    let agent = TestAgent::start(&origin.url(), listening(&authority.good("server"), json!({}))).await;
    let mut plain = Wire::to(&agent.proxy_url()).await;
    plain.send("GET / HTTP/1.1\r\nhost: vigie\r\n\r\n").await;
    plain.rest().await;
    drop(Wire::to(&agent.proxy_url()).await);
    assert!(get(&agent, trusting(&Authority::new())).await.is_err());
    for reason in ["not_tls", "closed", "refused"] {
        eventually(reason, DEADLINE, || async { (failures(&agent, reason).await == 1.0).then_some(()) }).await;
    }
    assert!(origin.seen().is_empty());
    assert_eq!(get(&agent, trusting(&authority)).await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn callers_show_certificates_where_they_are_asked_to() {
    let (origin, authority, callers) = (origin().await, Authority::new(), Authority::new());
    let server = authority.good("server");
    let erp = callers.issue("erp", &["erp.example"], Validity::Now, 2).identity();
    let stranger = Authority::new().issue("x", &["x.example"], Validity::Now, 2).identity();
    let expired = callers.issue("old", &["erp.example"], Validity::Expired, 3).identity();
    let required = listening(&server, json!({ "client_ca_file": callers.file() }));
    let agent = TestAgent::start(&origin.url(), required).await;
    assert!(get(&agent, trusting(&authority)).await.is_err());
    assert!(get(&agent, trusting(&authority).identity(stranger)).await.is_err());
    assert!(get(&agent, trusting(&authority).identity(expired)).await.is_err());
    assert!(origin.seen().is_empty());
    assert_eq!(get(&agent, trusting(&authority).identity(erp.clone())).await.expect("an answer").status(), 200);
    eventually("the failures", DEADLINE, || async {
        let told = (failures(&agent, "no_certificate").await, failures(&agent, "bad_certificate").await);
        (told == (1.0, 2.0)).then_some(())
    })
    .await;

    let optional = listening(&server, json!({ "client_ca_file": callers.file(), "client_auth": "optional" }));
    let agent = TestAgent::start(&origin.url(), optional).await;
    assert_eq!(get(&agent, trusting(&authority)).await.expect("an answer").status(), 200);
    assert_eq!(get(&agent, trusting(&authority).identity(erp)).await.expect("an answer").status(), 200);
}
