//! Callers stay on the path: links in answers lead to the agent, and where they do not, that is told.

mod body;
mod told;

use super::support::{metric, record, records};
use crate::support::origin::json as answer;
use crate::support::tls::Authority;
use crate::support::{DEADLINE, Origin, TestAgent, client};
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use serde_json::{Value, json};

/// What the upstream says; `{here}` stands for its own address, as it was called.
type Say = fn(&str) -> Vec<(&'static str, &'static str)>;

/// An upstream that answers by path: with these headers, and this body.
async fn crm(say: Say, body: fn(&str) -> &'static str) -> Origin {
    Origin::http(move |request: Request<Body>| async move {
        let host = request.headers()["host"].to_str().expect("text").to_owned();
        let filled = |text: &str| text.replace("{here}", &format!("http://{host}"));
        let path = request.uri().path();
        let mut reply = answer(200, Body::from(filled(body(path))));
        for (name, value) in say(path) {
            let value = filled(value);
            match name {
                ":status" => {
                    *reply.status_mut() = value.parse::<u16>().expect("a status").try_into().expect("a status")
                }
                _ => drop(reply.headers_mut().append(name, value.parse().expect("a value"))),
            }
        }
        reply
    })
    .await
}

fn redirects(path: &str) -> Vec<(&'static str, &'static str)> {
    match path {
        "/crm/sales/api/old" => vec![(":status", "307"), ("location", "{here}/crm/sales/api/new?a=%2F#part")],
        "/crm/sales/api/path" => vec![(":status", "302"), ("location", "/crm/sales/api/new")],
        "/crm/sales/api/made" => {
            vec![
                (":status", "201"),
                ("location", "{here}/crm/sales/api/new"),
                ("content-location", "/crm/sales/api/new"),
            ]
        }
        "/crm/sales/api/edge" => vec![
            ("alt-svc", "h3=\":443\""),
            ("set-cookie", "sid=1; Domain=.crm.example; Path=/crm; HttpOnly"),
            ("set-cookie", "lang=de"),
            ("link", "<{here}/crm/sales/api/new?page=2>; rel=\"next\""),
        ],
        "/crm/sales/api/away" => {
            vec![(":status", "302"), ("location", "{here}/login"), ("link", "<https://elsewhere.example/>")]
        }
        _ => vec![],
    }
}

fn nothing(_: &str) -> &'static str {
    "{}"
}

/// An agent before `origin` (below `/crm`), called through the integration's and the upstream's prefix, in plain text, over
/// TLS, and through a gateway that calls it by another name.
struct Stage {
    origin: Origin,
    agent: TestAgent,
    authority: Authority,
}

impl Stage {
    async fn set(origin: Origin, more: Value) -> Self {
        let authority = Authority::new();
        let pair = authority.good("server");
        let tls = json!({ "certificate_file": pair.certificate_file, "key_file": pair.key_file });
        let any = "127.0.0.1:0";
        let mut upstream = json!({ "url": format!("{}/crm/sales", origin.url()), "path_prefix": "/fs" });
        upstream.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let listeners = json!([
            { "address": any }, { "address": any, "tls": tls },
            { "address": any, "public_url": "https://gateway.example/vigie" },
        ]);
        let changes = json!({
            "proxy": { "listeners": listeners },
            "upstreams": { "freshsales": upstream },
            "integrations": { "erp": { "path_prefix": "/erp", "header": null } },
        });
        let agent = TestAgent::start(&origin.url(), changes).await;
        Self { origin, agent, authority }
    }

    /// Where callers begin: in plain text, and over TLS.
    fn bases(&self) -> [String; 2] {
        let [plain, tls] = [0, 1].map(|n| self.agent.listening()[n].clone());
        [format!("http://{plain}/erp/fs"), format!("https://{tls}/erp/fs")]
    }

    fn following(&self) -> reqwest::ClientBuilder {
        let pem = std::fs::read(self.authority.file()).expect("the authority's file");
        let root = reqwest::Certificate::from_pem(&pem).expect("a certificate");
        reqwest::Client::builder().no_proxy().tls_certs_only([root]).timeout(DEADLINE)
    }
}

#[tokio::test]
async fn a_redirect_is_followed_through_the_agent() {
    let stage = Stage::set(crm(redirects, nothing).await, json!({})).await;
    let [plain, tls] = stage.bases();
    let http1 = || stage.following().http1_only().build().expect("a client");
    let http2 = stage.following().build().expect("a client");
    for (name, client, base) in [("plain", http1(), &plain), ("tls", http1(), &tls), ("h2", http2, &tls)] {
        for path in ["old", "path"] {
            let id = format!("{name}-{path}");
            let request = client.get(format!("{base}/api/{path}")).header("x-correlation-id", &id);
            let reply = request.send().await.expect("an answer");
            assert_eq!(reply.status(), 200, "{id}");
            assert!(reply.url().as_str().starts_with(&format!("{base}/api/new")), "{id}: {}", reply.url());
            let told = records(&stage.agent, &id, 2).await;
            assert!(told.iter().all(|r| r["integration"] == "erp" && r.get("bypass_links").is_none()), "{told:?}");
        }
        let seen = stage.origin.seen();
        assert!(seen.iter().any(|s| s.uri == "/crm/sales/api/new?a=%2F"), "{name}: {:?}", seen.last());
    }
}

/// What `vigie_bypass_links_total` says.
async fn counted(agent: &TestAgent, integration: &str, field: &str, reason: &str) -> f64 {
    let labels = [("integration", integration), ("upstream", "freshsales"), ("field", field), ("reason", reason)];
    let labels = labels.map(|(name, value)| format!("{name}=\"{value}\""));
    metric(agent, "vigie_bypass_links_total", &labels.each_ref().map(String::as_str)).await
}

/// The answer's headers, as the caller of listener `number` gets them.
async fn headers(stage: &Stage, number: usize, path: &str) -> HeaderMap {
    let url = format!("http://{}/erp/fs{path}", stage.agent.listening()[number]);
    client().get(url).header("x-correlation-id", "head").send().await.expect("an answer").headers().clone()
}

#[tokio::test]
async fn what_would_lead_past_is_changed_in_the_head() {
    let stage = Stage::set(crm(redirects, nothing).await, json!({})).await;
    let base = &stage.bases()[0];
    let made = headers(&stage, 0, "/api/made").await;
    assert_eq!(made["location"], format!("{base}/api/new"));
    assert_eq!(made["content-location"], "/erp/fs/api/new");
    let edge = headers(&stage, 0, "/api/edge").await;
    assert!(!edge.contains_key("alt-svc"), "{edge:?}");
    let cookies: Vec<_> = edge.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["sid=1; Path=/erp/fs; HttpOnly", "lang=de"]);
    assert_eq!(edge["link"], format!("<{base}/api/new?page=2>; rel=\"next\""));
}

#[tokio::test]
async fn a_public_url_stands_for_whatever_is_in_front() {
    let stage = Stage::set(crm(redirects, nothing).await, json!({})).await;
    let made = headers(&stage, 2, "/api/made").await;
    assert_eq!(made["location"], "https://gateway.example/vigie/erp/fs/api/new");
    assert_eq!(made["content-location"], "/vigie/erp/fs/api/new");
    let edge = headers(&stage, 2, "/api/edge").await;
    assert_eq!(edge["set-cookie"], "sid=1; Path=/vigie/erp/fs; HttpOnly");
}

#[tokio::test]
async fn a_header_that_still_leads_past_is_told_and_counted() {
    let stage = Stage::set(crm(redirects, nothing).await, json!({})).await;
    let away = headers(&stage, 0, "/api/away").await;
    assert_eq!(away["location"], format!("{}/login", stage.origin.url()));
    assert_eq!(away["link"], "<https://elsewhere.example/>");
    let told = record(&stage.agent, "head").await;
    let expected = json!([
        { "field": "location", "reason": "unreachable" }, { "field": "link", "reason": "other_host" },
    ]);
    let mut links = told["bypass_links"].as_array().expect("a list").clone();
    links.sort_by_key(|link| link["field"] != "location");
    assert_eq!(Value::Array(links), expected);
    for (field, reason) in [("location", "unreachable"), ("link", "other_host")] {
        assert_eq!(counted(&stage.agent, "erp", field, reason).await, 1.0, "{field}");
    }
}
