//! Through the egress proxy, and past it.

use super::support::{Does, ForwardProxy, NameServer};
use crate::proxy::support::record;
use crate::support::origin::json as answer;
use crate::support::tls::{Authority, Tls, Validity};
use crate::support::{DEADLINE, Launch, Origin, TestAgent, agent::vigie, client, eventually};
use serde_json::{Value, json};
use std::sync::Arc;

/// A CRM called crm.example, over TLS.
async fn crm(alpn: &[&str]) -> Origin {
    Origin::https(Tls::for_names(&["crm.example"], alpn), |_| async { answer(200, "{\"deal\":{}}") }).await
}

fn url(origin: &Origin, scheme: &str) -> String {
    format!("{scheme}://crm.example:{}", origin.address().port())
}

fn trusting(origin: &Origin, network: Value) -> Value {
    let tls = json!({ "ca_file": origin.ca_file() });
    let upstreams = json!({ "freshsales": { "tls": tls, "allow_plaintext": true } });
    // One worker, so that there is one pool of connections.
    json!({ "network": network, "upstreams": upstreams, "proxy": { "workers": 1 } })
}

async fn call(agent: &TestAgent, id: &str) -> reqwest::Response {
    let call = client().get(format!("{}/api/deals/1", agent.proxy_url()));
    let call = call.header("x-correlation-id", id).header("proxy-authorization", "Basic Y2FsbGVyOnMzY3JldA==");
    call.send().await.expect("an answer")
}

#[tokio::test]
async fn a_tunnel_is_opened_once_and_nobody_else_sees_the_credentials() {
    let origin = crm(&["http/1.1"]).await;
    let proxy = ForwardProxy::to(origin.address()).await;
    let network = json!({ "proxy": { "https": proxy.url("http"), "username": "vigie", "password": "proxy-passw0rd" } });
    let agent = TestAgent::start(&url(&origin, "https"), trusting(&origin, network)).await;
    let reply = call(&agent, "first").await;
    assert_eq!(reply.status(), 200);
    let timing = reply.headers()["server-timing"].to_str().expect("text").to_owned();
    assert!(timing.contains(", connect;dur=") && timing.contains(", tunnel;dur="), "{timing}");
    assert_eq!(call(&agent, "second").await.status(), 200);

    let heads = proxy.heads();
    assert_eq!(heads.len(), 1, "{heads:?}");
    assert!(heads[0].starts_with(&format!("CONNECT crm.example:{} HTTP/1.1\r\n", origin.address().port())));
    // vigie:proxy-passw0rd, and not the caller's own.
    assert!(heads[0].contains("\r\nProxy-Authorization: Basic dmlnaWU6cHJveHktcGFzc3cwcmQ=\r\n"), "{}", heads[0]);
    assert!(!heads[0].contains("Y2FsbGVy"));
    for seen in origin.seen() {
        assert!(!seen.headers.contains_key("proxy-authorization"), "{:?}", seen.headers);
        assert_eq!(seen.headers["host"].to_str().ok(), Some(&*format!("crm.example:{}", origin.address().port())));
    }
    let first = record(&agent, "first").await;
    assert!(first["tunnel_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{first}");
    assert_eq!(record(&agent, "second").await["tunnel_ms"], Value::Null);
    let output = agent.output();
    assert!(
        output.contains(&format!("upstream freshsales: through {} (network.proxy)", proxy.url("http"))),
        "{output}"
    );
    for secret in ["proxy-passw0rd", "dmlnaWU6", "Y2FsbGVy"] {
        assert!(!output.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn the_proxy_may_speak_tls_itself() {
    let authority = Authority::new();
    let pair = authority.issue("proxy", &["127.0.0.1"], Validity::Now, 7);
    for (alpn, scheme) in [("http/1.1", "https"), ("h2", "https"), ("", "http")] {
        let origin = match scheme {
            "https" => crm(&[alpn]).await,
            _ => Origin::http(|_| async { answer(200, "{}") }).await,
        };
        let address = origin.address();
        let proxy = ForwardProxy::secured(&pair, move |_| Does::Connects(address)).await;
        let there = proxy.url("https");
        let network = json!({ "proxy": { "https": there, "http": there, "tls": { "ca_file": authority.file() } } });
        let agent = TestAgent::start(&url(&origin, scheme), trusting(&origin, network)).await;
        for id in ["one", "two"] {
            assert_eq!(call(&agent, id).await.status(), 200, "{alpn} {scheme}");
        }
        assert_eq!(proxy.heads().len(), 1, "{alpn} {scheme}");
        let wanted = if alpn == "h2" { http::Version::HTTP_2 } else { http::Version::HTTP_11 };
        assert_eq!(origin.seen()[0].version, wanted);
    }
}

#[tokio::test]
async fn http2_with_prior_knowledge_passes_the_tunnel() {
    let origin = Origin::http2(|_| async { answer(200, "{}") }).await;
    let proxy = ForwardProxy::to(origin.address()).await;
    let changes = json!({
        "network": { "proxy": { "http": proxy.url("http") } },
        "upstreams": { "freshsales": { "http": "2", "allow_plaintext": true } },
    });
    let agent = TestAgent::start(&url(&origin, "http"), changes).await;
    assert_eq!(call(&agent, "h2c").await.status(), 200);
    assert_eq!(proxy.heads().len(), 1);
}

#[tokio::test]
async fn what_is_here_and_what_is_excepted_is_called_directly() {
    let origin = Origin::json(200, "{}").await;
    let proxy = ForwardProxy::start(|_| Does::Says("HTTP/1.1 403 Forbidden\r\n\r\n")).await;
    let everything = json!({ "network": { "proxy": { "https": proxy.url("http"), "http": proxy.url("http") } } });
    let agent = TestAgent::start(&origin.url(), everything).await;
    assert_eq!(call(&agent, "here").await.status(), 200);
    assert_eq!(proxy.heads(), [""; 0]);

    let names = NameServer::start("crm.corp.example", &["127.0.0.1"]).await;
    let excepted = json!({
        "network": {
            "proxy": { "http": proxy.url("http"), "no_proxy": ["corp.example"] },
            "dns": { "servers": [names.address()] },
        },
        "upstreams": { "freshsales": { "allow_plaintext": true } },
    });
    let agent = TestAgent::start(&format!("http://crm.corp.example:{}", origin.address().port()), excepted).await;
    assert_eq!(call(&agent, "excepted").await.status(), 200);
    assert_eq!(proxy.heads(), [""; 0]);
    assert!(agent.output().contains("upstream freshsales: directly (no_proxy: corp.example)"));
}

#[tokio::test]
async fn the_environments_proxy_counts_where_the_file_names_none() {
    let origin = crm(&["http/1.1"]).await;
    let proxy = ForwardProxy::to(origin.address()).await;
    let env = vec![
        ("HTTPS_PROXY".to_owned(), proxy.url("http").replace("//", "//us%40er:s3cret@")),
        ("NO_PROXY".to_owned(), "localhost,.internal".to_owned()),
    ];
    let home = Arc::new(tempfile::tempdir().expect("a directory"));
    let launch = Launch { env: env.clone(), ..Launch::default() };
    let agent = TestAgent::launch(home, &url(&origin, "https"), trusting(&origin, json!({})), launch).await;
    assert_eq!(call(&agent, "env").await.status(), 200);
    // us@er:s3cret
    assert!(proxy.heads()[0].contains("\r\nProxy-Authorization: Basic dXNAZXI6czNjcmV0\r\n"));
    let way = format!("upstream freshsales: through {} (HTTPS_PROXY)", proxy.url("http"));
    assert!(agent.output().contains(&way) && !agent.output().contains("s3cret"));

    let mut check = vigie(&["check-config".as_ref(), "--config".as_ref(), agent.config_file().as_os_str()]);
    let told = check.envs(env).output().expect("the program");
    let told = String::from_utf8(told.stdout).expect("text");
    assert!(told.contains(&way) && !told.contains("s3cret"), "{told}");
}

#[tokio::test]
async fn another_proxy_takes_effect_by_a_reload() {
    let origin = crm(&["http/1.1"]).await;
    let (old, new) = (ForwardProxy::to(origin.address()).await, ForwardProxy::to(origin.address()).await);
    let network = |proxy: &ForwardProxy| json!({ "proxy": { "https": proxy.url("http") } });
    let agent = TestAgent::start(&url(&origin, "https"), trusting(&origin, network(&old))).await;
    assert_eq!(call(&agent, "old").await.status(), 200);
    agent.reconfigure(json!({ "network": network(&new) }));
    eventually("the new proxy's use", DEADLINE, || async {
        assert_eq!(call(&agent, "new").await.status(), 200);
        (!new.heads().is_empty()).then_some(())
    })
    .await;
    assert_eq!(old.heads().len(), 1, "connections through the old one were not carried over");
}
