//! What the planted CRM answers: a body comes back as it was sent, and a number picks an answer of its own.

use super::leaks::ID;
use super::plants::{KEY, MAIL, NAME, PHONE, escaped, jwt};
use crate::support::Origin;
use crate::support::origin::json;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response};
use base64::Engine as _;
use serde_json::json as value;

type Answer = (&'static str, u16, Vec<(&'static str, String)>, String);

/// The answers' names, in the order of their numbers.
pub fn names() -> Vec<&'static str> {
    all().into_iter().map(|(name, ..)| name).collect()
}

/// An origin that gives them, and sends all other bodies back with their type and coding.
pub async fn origin() -> Origin {
    Origin::http(answer).await
}

async fn answer(request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let number = head.headers.get("x-answer").and_then(|n| n.to_str().ok()?.parse::<usize>().ok());
    if let Some((_, status, headers, body)) = number.and_then(|n| all().into_iter().nth(n)) {
        let builder = Response::builder().status(status);
        let builder = headers.into_iter().fold(builder, |builder, (name, value)| builder.header(name, value));
        return builder.body(Body::from(body)).expect("a valid answer");
    }
    let body = to_bytes(body, 1 << 20).await.expect("a body");
    if body.is_empty() {
        let person = value!({ "contact": { "id": 70042991177u64, "email": MAIL, "last_name": NAME } });
        return json(200, person.to_string());
    }
    let mut answer = Response::new(Body::from(body));
    for name in ["content-type", "content-encoding"] {
        if let Some(value) = head.headers.get(name) {
            answer.headers_mut().insert(axum::http::HeaderName::from_static(name), value.clone());
        }
    }
    answer
}

fn all() -> Vec<Answer> {
    let typed = || vec![("content-type", "application/json".to_owned())];
    let error = |message: String| value!({ "errors": { "code": 400, "message": [message] } }).to_string();
    let with =
        |name: &'static str, value: &str| vec![("content-type", "application/json".into()), (name, value.into())];
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{MAIL}:{KEY}"));
    let ok = || value!({ "contact": { "id": 70042991177u64 } }).to_string();
    vec![
        ("message with an address", 400, typed(), error(format!("{MAIL} has already been taken"))),
        ("message with a name", 422, typed(), error(format!("Contact {NAME} already exists"))),
        ("message with a quoted name", 400, typed(), error(format!("'{NAME}' is not a valid email for \"{MAIL}\""))),
        ("message with a phone", 400, typed(), error(format!("Mobile number {PHONE} is invalid, 06.99.88.77.66"))),
        ("message with an id", 404, typed(), error(format!("Record {ID} (7004-299-1177) not found"))),
        ("message with keys", 401, typed(), error(format!("Token token={KEY} is invalid; Basic {basic}; {}", jwt()))),
        ("message by escapes", 400, typed(), format!(r#"{{"errors":{{"message":["{}"]}}}}"#, escaped(NAME))),
        ("message that is JSON", 400, typed(), error(value!({ "email": MAIL, "name": NAME }).to_string())),
        ("message by field", 422, typed(), value!({ "errors": { MAIL: ["is taken"], "email": [MAIL] } }).to_string()),
        ("error inside 200", 200, typed(), value!({ "success": false, "error": format!("no {NAME}") }).to_string()),
        ("hidden status", 400, typed(), error(format!("UCR {NAME} failure :: response_code :: 429 {MAIL}"))),
        ("web page", 500, vec![("content-type", "text/html".into())], format!("<h1>{NAME}</h1><p>{MAIL}")),
        ("page instead of JSON", 200, vec![("content-type", "text/html".into())], format!("<p>{MAIL} logged out")),
        ("request id", 200, with("x-request-id", MAIL), ok()),
        ("request id with a phone", 200, with("x-request-id", "33699887766"), ok()),
        ("request id with a key", 200, with("x-trace-id", KEY), ok()),
        ("request id encoded", 200, with("x-request-id", "Zoe.Quibblewick%2540example.org"), ok()),
        ("cookie", 200, with("set-cookie", "user=Zoe.Quibblewick@example.org; session=hX3JzQxvOil9Y2X4tHw7Kp"), ok()),
        ("location", 302, with("location", "https://crm.example/contacts/Quibblewick?email=zoe@quibblewick.org"), ok()),
        ("server", 200, with("server", "quibblewick/1"), ok()),
        ("correlation id", 200, with("x-correlation-id", MAIL), ok()),
        ("quota", 200, with("x-ratelimit-remaining", MAIL), ok()),
        ("quota that is a phone", 200, with("x-ratelimit-limit", "33699887766"), ok()),
        ("retry", 429, with("retry-after", "Quibblewick"), error(format!("{NAME} calls too often"))),
        ("challenge", 401, with("www-authenticate", "Bearer realm=\"Quibblewick\""), error(NAME.to_owned())),
        ("timing", 200, with("server-timing", "quibblewick;desc=\"Quibblewick\""), ok()),
        ("coding", 200, with("content-encoding", "quibblewick"), ok()),
        (
            "job",
            200,
            typed(),
            value!({ "job_status_url": format!("https://x/api/job_statuses/{ID}?u={MAIL}") }).to_string(),
        ),
        ("type", 200, vec![("content-type", format!("application/json; charset=\"{MAIL}\""))], ok()),
        ("no type", 200, vec![], value!({ "email": MAIL, "note": NAME }).to_string()),
    ]
}
