//! Every way in which a proxy does not lead on is told as its own, and never blamed on the vendor.

use super::support::{Does, ForwardProxy};
use crate::proxy::support::{assert_fields, metric, record};
use crate::support::tls::{Authority, Validity};
use crate::support::{TestAgent, client, free_port};
use serde_json::{Value, json};

/// What the proxy does with each upstream, what that is called, and the status.
const CASES: [(&str, Does, &str, u16); 8] = [
    (
        "auth",
        Does::Says("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n"),
        "proxy_auth",
        502,
    ),
    ("denied", Does::Says("HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\n<html>"), "proxy_denied", 502),
    ("unreached", Does::Says("HTTP/1.1 503 Service Unavailable\r\n\r\n"), "proxy_upstream", 502),
    ("ssh", Does::Says("SSH-2.0-OpenSSH_9.2\r\n"), "proxy_answer", 502),
    ("early", Does::Says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), "proxy_answer", 502),
    ("closing", Does::Says(""), "proxy_answer", 502),
    ("deaf", Does::Hangs, "proxy_timeout", 504),
    ("nobody", Does::Says("HTTP/1.1 200 OK\r\n\r\n"), "tls", 502),
];

fn upstreams() -> Value {
    let upstream = |name: &str| {
        json!({
            "vendor": "generic", "url": format!("https://{name}.example"), "path_prefix": format!("/{name}"),
            "timeouts": { "connect": "1s" },
        })
    };
    let named = CASES.iter().map(|(name, ..)| ((*name).to_owned(), upstream(name)));
    named.collect::<serde_json::Map<_, _>>().into()
}

async fn assert_problem(agent: &TestAgent, name: &str, kind: &str, status: u16) {
    let call = client().get(format!("{}/{name}/x", agent.proxy_url())).header("x-correlation-id", name);
    let reply = call.send().await.expect("an answer");
    let told = reply.headers().get("x-vigie-error").and_then(|v| v.to_str().ok());
    assert_eq!((told, reply.status().as_u16()), (Some(kind), status), "{name}");
    let timing = reply.headers()["server-timing"].to_str().expect("text");
    assert!(timing.starts_with("vigie;dur=") && !timing.contains("upstream"), "{name}: {timing}");
    let outcome = if status == 504 { "timeout" } else { "network" };
    let record = record(agent, name).await;
    assert_fields(&record, json!({ "outcome": outcome, "error_kind": kind, "attempts": 0, "upstream": name }));
    let kind = format!("kind=\"{kind}\"");
    assert_eq!(metric(agent, "vigie_agent_errors_total", &[&format!("upstream=\"{name}\""), &kind]).await, 1.0);
    assert_eq!(metric(agent, "vigie_window_unreachable", &[&format!("upstream=\"{name}\"")]).await, 1.0);
}

#[tokio::test]
async fn what_a_proxy_answers_is_told_apart() {
    let proxy = ForwardProxy::start(|target| {
        let case = CASES.into_iter().find(|(name, ..)| target == format!("{name}.example:443"));
        case.expect("a case").1
    })
    .await;
    let changes = json!({ "network": { "proxy": { "https": proxy.url("http") } }, "upstreams": upstreams() });
    let agent = TestAgent::start("http://127.0.0.1:1", changes).await;
    for (name, _, kind, status) in CASES {
        assert_problem(&agent, name, kind, status).await;
    }
    assert_eq!(metric(&agent, "vigie_attempts_total", &["status_code=\"5"]).await, 0.0);
    let output = agent.output();
    let said = |text: &str| output.lines().filter(|line| line.contains(text)).count();
    assert_eq!(said("answers 407: it wants credentials"), 1, "{output}");
    assert_eq!(said(&format!("{}: the proxy answers 403: it does not let this through", proxy.url("http"))), 1);
}

#[tokio::test]
async fn a_proxy_that_is_not_reached_is_told_apart() {
    // From an authority that nobody named.
    let stranger = Authority::new().issue("proxy", &["127.0.0.1"], Validity::Now, 9);
    let untrusted = ForwardProxy::secured(&stranger, |_| Does::Hangs).await;
    let cases = [
        (format!("http://127.0.0.1:{}", free_port()), "proxy_connect"),
        ("http://proxy.invalid:3128".to_owned(), "proxy_dns"),
        (untrusted.url("https"), "proxy_tls"),
    ];
    for (url, kind) in cases {
        let upstream = json!({ "vendor": "generic", "url": "https://crm.example", "path_prefix": "/crm" });
        let changes = json!({ "network": { "proxy": { "https": url } }, "upstreams": { "crm": upstream } });
        let agent = TestAgent::start("http://127.0.0.1:1", changes).await;
        assert_problem(&agent, "crm", kind, 502).await;
    }
}
