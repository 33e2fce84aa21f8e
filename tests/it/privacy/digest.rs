//! Random exchanges through the recorder's digest: it never panics, and what comes out is one bounded line of JSON
//! without anything planted.

use super::leaks::leaks;
use super::plants::{KEY, MAIL, PHONE, escaped, jwt, percent};
use http::{HeaderName, HeaderValue, Method, Uri};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;
use std::sync::Arc;
use vigie::exchange::redact::{MAX_MASKED_BYTES, MaskKey, Masked, Masker, correlation_id};
use vigie::exchange::{
    AgentError, Arrival, Attempt, CapturedBody, ConnectTimes, Direction, Exchange, Headers, Kind, Labelled, Message,
    Place, Target, Trace,
};
use vigie::recorder::{Capture, Digest, Knowledge, digest};
use vigie::secret::Secret;
use vigie::vendors::Profile;

/// Cases; each digests one exchange with both profiles.
const CASES: u32 = 2_000;

/// Two bodies and a query, each at most so long and once more escaped as text of JSON, beside the fixed fields.
const MAX_LINE: usize = 3 * 2 * (MAX_MASKED_BYTES + 1024) + 4096;

fn planted() -> impl Strategy<Value = String> {
    select(vec![MAIL.to_owned(), PHONE.to_owned(), KEY.to_owned(), jwt(), MAIL.to_uppercase()])
}

/// What may stand anywhere: canaries, encoded or not, hostile text, and nothing special.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => (planted(), 0..4usize).prop_map(|(text, rounds)| percent(&text, rounds)),
        1 => planted().prop_map(|text| escaped(&text)),
        2 => "[a-z0-9_]{0,12}",
        1 => "[ -~]{0,40}",
        1 => any::<String>(),
        1 => select(vec!["\n", "\r\n{}", "\u{2028}", "\0", "%", "%zz", "\"", "\\", "}", "\u{feff}"]).prop_map(str::to_owned),
    ]
}

fn field() -> impl Strategy<Value = String> {
    let known =
        ["email", "id", "status", "last_name", "errors", "message", "password", "contact", "cf_x", "meta", "total"];
    prop_oneof![3 => select(known.to_vec()).prop_map(str::to_owned), 1 => text()]
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        3 => text().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => select(vec![70_042_991_177_u64, 33_699_887_766, 4_111_111_111_111_111, 7]).prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((field(), inner.clone()), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            // A document inside a text.
            inner.prop_map(|value| Value::from(value.to_string())),
        ]
    })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let part = (text(), text(), text()).prop_map(|(name, file, content)| {
        format!(
            "--b\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file}\"\r\n\r\n{content}\r\n--b--\r\n"
        )
    });
    prop_oneof![
        5 => document().prop_map(|value| value.to_string().into_bytes()),
        2 => (document(), 0..200usize).prop_map(|(value, cut)| value.to_string().into_bytes().into_iter().take(cut).collect()),
        2 => prop::collection::vec((field(), text()), 0..8).prop_map(|pairs| {
            pairs.iter().map(|(name, value)| format!("{name}={value}&")).collect::<String>().into_bytes()
        }),
        1 => part.prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..300),
        1 => text().prop_map(|text| text.repeat(400).into_bytes()),
    ]
}

fn headers() -> impl Strategy<Value = Vec<(HeaderName, HeaderValue)>> {
    let kinds =
        ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "text/html", ""];
    let kind = prop_oneof![4 => select(kinds.to_vec()).prop_map(str::to_owned), 1 => text()];
    let coding = prop_oneof![6 => Just(String::new()), 1 => select(vec!["gzip", "deflate", "br"]).prop_map(str::to_owned), 1 => text()];
    (kind, coding, text(), text()).prop_map(|(kind, coding, id, quota)| {
        let pairs = [
            ("content-type", kind),
            ("content-encoding", coding),
            ("x-request-id", id),
            ("x-ratelimit-remaining", quota),
        ];
        let header = |(name, value): (&'static str, String)| {
            Some((HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).ok()?))
        };
        pairs.into_iter().filter_map(header).collect()
    })
}

/// One side of an exchange as drawn: exchanges have no `Debug`, by design.
#[derive(Clone, Debug)]
struct Side {
    headers: Vec<(HeaderName, HeaderValue)>,
    bytes: Vec<u8>,
    truncated: bool,
    complete: bool,
}

impl Side {
    fn message(self) -> Message {
        let Self { headers, bytes, truncated, complete } = self;
        let mut copied = Headers::default();
        for (name, value) in &headers {
            copied.push(name.as_str(), value.as_bytes());
        }
        Message { headers: copied, body_bytes: bytes.len() as u64, body: CapturedBody { bytes, truncated, complete } }
    }
}

fn side() -> impl Strategy<Value = Side> {
    let whole = || prop::bool::weighted(0.9);
    (headers(), body(), whole(), whole()).prop_map(|(headers, bytes, all, complete)| Side {
        headers,
        bytes,
        truncated: !all,
        complete,
    })
}

fn target() -> impl Strategy<Value = Uri> {
    let path =
        select(vec!["/api/contacts", "/api/contacts/7/tasks", "/api/selector", "/api/quibblewick", "", "/api/lookup"]);
    (path, text(), field(), text()).prop_map(|(path, segment, name, value)| {
        let raw = format!("{path}/{segment}?{name}={value}&page=2");
        raw.parse().unwrap_or_else(|_| {
            format!("{path}/{}?{}={}", percent(&segment, 1), percent(&name, 1), percent(&value, 1))
                .parse()
                .expect("an encoded target")
        })
    })
}

fn attempt() -> impl Strategy<Value = Attempt> {
    let status =
        prop_oneof![4 => select(vec![200_u16, 201, 400, 401, 404, 422, 429, 500, 503]).prop_map(Some), 1 => Just(None)];
    (status, any::<[u32; 4]>(), any::<u64>()).prop_map(|(status, [dns_us, tcp_us, tunnel_us, tls_us], us)| Attempt {
        span: 1,
        start_us: us >> 40,
        upstream_us: us >> 20,
        status,
        error: status.is_none().then_some(AgentError::UpstreamClosed),
        connect: Some(ConnectTimes { dns_us, tcp_us, tunnel_us, tls_us }),
        http_version: "1.1",
    })
}

#[derive(Clone, Debug)]
struct Drawn {
    method: &'static str,
    target: Uri,
    request: Side,
    response: Side,
    attempts: Vec<Attempt>,
    us: i64,
    id: String,
    client_closed: bool,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let method =
        prop_oneof![5 => select(vec!["GET", "POST", "PUT", "DELETE"]), 1 => select(vec!["QUIBBLEWICK", "HEAD"])];
    let id = prop_oneof![text(), Just("order-42".to_owned())];
    let parts =
        (method, target(), side(), side(), prop::collection::vec(attempt(), 0..3), any::<i64>(), id, any::<bool>());
    parts.prop_map(|(method, target, request, response, attempts, us, id, client_closed)| Drawn {
        method,
        target,
        request,
        response,
        attempts,
        us,
        id,
        client_closed,
    })
}

impl Drawn {
    fn exchange(self) -> Exchange {
        let Self { method, target, request, response, attempts, us, id, client_closed } = self;
        Exchange {
            place: place(),
            kind: Kind::Proxy,
            direction: Direction::Outbound,
            arrival: Arrival::default(),
            started_us: us >> 8,
            head_at_us: 0,
            method: Method::from_bytes(method.as_bytes()).expect("a token"),
            target: target.path_and_query().map(Target::from).unwrap_or_default(),
            route: None,
            status: attempts.last().and_then(|a| a.status).unwrap_or(502),
            error: attempts.last().and_then(|a| a.error),
            client_closed,
            total_us: us.unsigned_abs() >> 20,
            overhead_us: us.unsigned_abs() >> 30,
            request: request.message(),
            response: response.message(),
            correlation_id: correlation_id(&id).unwrap_or(Masked::from_trace_id(1)),
            trace: Trace { trace_id: 1, parent: None, server_span: 2, sampled: false, random: false },
            attempts: attempts.into(),
            fingerprint: None,
            links: Default::default(),
        }
    }
}

fn place() -> Arc<Place> {
    let word = |word: &str| Arc::<str>::from(word);
    Arc::new(Place {
        id: 1,
        integration: word("erp"),
        system: word("ERP"),
        upstream: word("crm"),
        route: word("/api/contacts/{id}"),
        labelled: Labelled::Known,
    })
}

/// Both built-in vendors, with their policies.
fn knowledge() -> Vec<Knowledge> {
    let know = |name| Knowledge::new(Profile::builtin(name).expect("a built-in profile")).expect("its policy");
    ["freshsales", "generic"].map(know).into()
}

fn check(digest: &Digest) -> Result<(), TestCaseError> {
    let line = serde_json::to_string(&digest.record).expect("a record serialises");
    prop_assert!(!line.contains(['\n', '\r']), "more than one line: {}", line);
    prop_assert!(line.len() <= MAX_LINE, "{} bytes", line.len());
    let back: Value = serde_json::from_str(&line).expect("JSON");
    prop_assert!(back["outcome"] == digest.outcome.as_str() && back["timestamp"].is_string());
    let leaked = leaks(line.as_bytes());
    prop_assert!(leaked.is_empty(), "{}\nin {}", leaked.join("\n"), line);
    Ok(())
}

#[test]
fn any_exchange_becomes_one_bounded_line_without_anything_planted() {
    let knowledge = knowledge();
    let secret = Secret::new("a secret of 32 characters or more");
    let masker = Masker::new(MaskKey::from_secret(1, &secret).expect("a key"));
    // A failure found becomes a row of the planted table, not a file of seeds.
    let config = ProptestConfig {
        cases: CASES,
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..ProptestConfig::default()
    };
    proptest!(config, |(drawn in drawn())| {
        let mut exchange = drawn.exchange();
        for known in &knowledge {
            let route = known.profile.route(&exchange.method, exchange.target.path()).known();
            exchange.route = route.map(|route| route.index);
            check(&digest(&exchange, known, &masker, Capture::All, Some(7)))?;
        }
    });
}
