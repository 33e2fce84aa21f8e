//! Personal data and credentials planted in every place and encoding of a call, and in none of what the agent lets out.
//!
//! Everything the agent writes or says is read: both log sinks, its own log at the finest level, the history's files
//! byte for byte, `vigie log`, metrics, the admin API, spans, and the answers it makes itself.

mod answers;
mod digest;
mod evidence;
mod leaks;
mod plants;

use crate::support::origin::json;
use crate::support::wire;
use crate::support::{DEADLINE, Launch, Origin, RawAnswer, RawOrigin, TestAgent, eventually, free_port};
use evidence::{Collector, Evidence};
use plants::{KEY, MAIL, NAME, Plant};
use serde_json::{Value, json as value};
use std::sync::Arc;

/// Upstreams of every kind, each behind its prefix.
struct Upstreams {
    crm: Origin,
    garbage: RawOrigin,
    half: RawOrigin,
    reason: RawOrigin,
    silent: RawOrigin,
    h2: Origin,
}

impl Upstreams {
    async fn start() -> Self {
        let garbage = format!("{NAME} says {MAIL}\r\n\r\n");
        let half =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{{\"a\":\"{MAIL}");
        let reason = "HTTP/1.1 400 Quibblewick\r\nContent-Length: 2\r\nX-Request-Id: Quibblewick\r\n\r\n{}";
        Self {
            crm: answers::origin().await,
            garbage: RawOrigin::start(RawAnswer::Close(garbage.into())).await,
            half: RawOrigin::start(RawAnswer::Close(half.into())).await,
            reason: RawOrigin::start(RawAnswer::Close(reason.into())).await,
            silent: RawOrigin::start(RawAnswer::Hang(Vec::new())).await,
            h2: Origin::http2(|_| async { json(500, value!({ "error": MAIL }).to_string()) }).await,
        }
    }

    fn config(&self) -> Value {
        let closed = format!("http://127.0.0.1:{}", free_port());
        let tls = self.crm.url().replace("http://", "https://");
        let one =
            |vendor: &str, url: String, prefix: &str| value!({ "vendor": vendor, "url": url, "path_prefix": prefix });
        value!({
            "freshsales": one("freshsales", self.crm.url(), "/crm"),
            "gen": one("generic", self.crm.url(), "/gen"),
            "dead": one("freshsales", closed, "/dead"),
            "tls": one("freshsales", tls, "/tls"),
            "garbage": one("freshsales", self.garbage.url(), "/garbage"),
            "half": one("freshsales", self.half.url(), "/half"),
            "reason": one("freshsales", self.reason.url(), "/reason"),
            "silent": { "vendor": "freshsales", "url": self.silent.url(), "path_prefix": "/silent", "timeouts": { "head": "200ms" } },
            "h2": { "vendor": "freshsales", "url": self.h2.url(), "path_prefix": "/h2", "http": "2" },
        })
    }
}

async fn start(upstreams: &Upstreams, collector: &Collector) -> TestAgent {
    // Secrets of the configuration are planted as well.
    let changes = value!({
        "upstreams": upstreams.config(),
        "integrations": { "web": { "tokens": [format!("{KEY}-of-web")], "credentials": [format!("Token token={KEY}")] } },
        "masking": { "key": format!("{KEY}-{KEY}") },
        "recorder": { "capture": "all" },
        "traces": { "endpoint": collector.url(), "protocol": "http", "ratio": 1.0, "headers": { "x-api-key": KEY } },
    });
    let home = Arc::new(tempfile::tempdir().expect("a directory for the agent"));
    TestAgent::launch(home, &upstreams.crm.url(), changes, Launch { log_level: Some("trace"), ..Launch::default() })
        .await
}

/// Sends every plant; gives how many records they make, and the answers that Vigie made.
async fn send(agent: &TestAgent, plants: &[Plant]) -> (usize, Vec<(String, Vec<u8>)>) {
    let mut own = Vec::new();
    for plant in plants {
        let answer = wire::ask(agent.proxy_address(), &plant.request).await;
        let text = String::from_utf8_lossy(&answer).to_lowercase();
        assert!(text.starts_with("http/1."), "{}: {text}", plant.what);
        if text.contains("\r\nx-vigie-error: ") {
            own.push((format!("the answer to {}", plant.what), answer));
        }
    }
    (plants.len(), own)
}

#[tokio::test]
async fn nothing_planted_is_let_out() {
    let (upstreams, collector) = (Upstreams::start().await, Collector::start().await);
    let agent = start(&upstreams, &collector).await;
    let plants = plants::all();
    let (expected, own) = send(&agent, &plants).await;
    assert!(own.len() >= 15, "only {} answers of Vigie's own", own.len());
    let records = recorded(&agent, expected).await;

    let mut evidence = Evidence::default();
    evidence.answers(own);
    evidence.of_running(&agent).await;
    assert!(upstreams.crm.seen().len() > 100, "hardly anything reached the CRM");
    let home = agent.home();
    assert!(agent.stop().await.success());
    collector.holds_spans_of(&records).await;
    evidence.spans(&collector);
    evidence.files(home.path());
    evidence.assert_clean();
}

/// Waits until log and history hold a record of each, with the masked bodies that were asked for.
async fn recorded(agent: &TestAgent, expected: usize) -> Vec<Value> {
    let records = eventually("a record of each request", DEADLINE, || async {
        Some(agent.log_records()).filter(|records| records.len() >= expected)
    })
    .await;
    assert_eq!(records.len(), expected, "more records than requests");
    eventually("all of them in the history", DEADLINE, || async {
        let found = agent.search(&["--last", "1000"]).len();
        (found == expected).then_some(())
    })
    .await;
    let with = |field: &str| records.iter().filter(|r| r[field].as_str().is_some_and(|t| t.contains("email:"))).count();
    assert!(
        with("request_body") >= 8 && with("response_body") >= 50 && with("query") >= 3,
        "hardly anything was shown masked"
    );
    records
}

#[tokio::test]
async fn one_address_is_one_token_in_every_encoding() {
    let origin = answers::origin().await;
    let agent = TestAgent::start(&origin.url(), value!({ "recorder": { "capture": "all" } })).await;
    let upper = MAIL.to_uppercase();
    let body = |text: &str| format!(r#"{{"contact":{{"email":"{text}"}}}}"#).into_bytes();
    let post = |kind: &str, body: Vec<u8>| wire::request("POST", "/api/contacts", &[("Content-Type", kind)], &body);
    let get = |query: String| wire::request("GET", &format!("/api/contacts?email={query}"), &[], b"");
    let inner = value!({ "payload": value!({ "email": MAIL }).to_string() }).to_string();
    let multipart = format!("--z\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\n{MAIL}\r\n--z--\r\n");
    let requests = [
        post("application/json", body(MAIL)),
        post("application/json", body(&upper)),
        post("application/json", body(&plants::escaped(MAIL))),
        post("application/json", inner.into()),
        post("application/x-www-form-urlencoded", format!("email={}", plants::percent(MAIL, 1)).into()),
        post("multipart/form-data; boundary=z", multipart.into()),
        get(MAIL.to_owned()),
        get(plants::percent(&upper, 1)),
        get(plants::percent(MAIL, 2)),
    ];
    for request in &requests {
        wire::ask(agent.proxy_address(), request).await;
    }
    let records = eventually("the records", DEADLINE, || async {
        Some(agent.log_records()).filter(|records| records.len() == requests.len())
    })
    .await;
    let tokens: Vec<&str> = records.iter().map(token).collect();
    assert!(tokens.iter().all(|t| *t == tokens[0] && t.len() > 10), "{tokens:?}");
}

/// The address's token in a record's query or request body.
fn token(record: &Value) -> &str {
    let text = record["query"].as_str().or(record["request_body"].as_str()).unwrap_or_default();
    let from = text.find("email:").unwrap_or_else(|| panic!("no token in {record}"));
    let rest = &text[from..];
    &rest[..rest[6..].find(|c: char| !c.is_ascii_alphanumeric()).map_or(rest.len(), |at| at + 6)]
}
