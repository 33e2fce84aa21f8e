//! What is planted where: one request for each place and encoding that a call has.

use super::answers;
use super::leaks::ID;
use crate::support::wire::request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use std::io::Write;

/// An e-mail address.
pub const MAIL: &str = "Zoe.Quibblewick@example.org";
/// A name.
pub const NAME: &str = "Zoé Quibblewick";
/// A street.
pub const STREET: &str = "12 rue Quibblewick, 75011 Paris";
/// A phone number as people write it.
pub const PHONE: &str = "+33 6 99 88 77 66";
/// A key of the form that vendors give out.
pub const KEY: &str = "hX3JzQxvOil9Y2X4tHw7Kp";
/// A JSON web token whose claims name a person.
pub fn jwt() -> String {
    let part = |value: Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{KEY}{KEY}", part(json!({"alg":"HS256"})), part(json!({"sub":"1","email":MAIL})))
}

/// One request. What is not HTTP becomes an exchange as well.
pub struct Plant {
    /// What is planted where, for the failure's text.
    pub what: String,
    /// The bytes sent.
    pub request: Vec<u8>,
}

fn plant(what: impl Into<String>, request: Vec<u8>) -> Plant {
    Plant { what: what.into(), request }
}

/// Percent-encodes `rounds` times.
pub fn percent(text: &str, rounds: usize) -> String {
    (0..rounds).fold(text.to_owned(), |text, _| utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string())
}

/// Every character as a `\u` escape.
pub fn escaped(text: &str) -> String {
    text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect()
}

/// Everything.
pub fn all() -> Vec<Plant> {
    [
        bodies(),
        typed_bodies(),
        framed(),
        queries(),
        paths(),
        credentials(),
        headers(),
        failures(),
        refusals(),
        not_http(),
        answered(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The origin sends a body back as it came: each of these is planted in both directions.
fn post(kind: &str, body: &[u8]) -> Vec<u8> {
    request("POST", "/crm/api/contacts", &[("Content-Type", kind)], body)
}

fn bodies() -> Vec<Plant> {
    let person = json!({ "email": MAIL, "mobile_number": PHONE, "last_name": NAME, "address": STREET, "id": 70042991177u64,
        "custom_field": { "cf_iban": "FR76 3000 6000 0112 3456 7890 189", "cf_card": 4111111111111111u64 },
        "mobile": 33699887766u64, "notes": [{ "body": format!("{NAME} ({PHONE}) wrote from {MAIL}") }] });
    let deep = (0..40).fold(person.clone(), |inner, n| if n % 2 == 0 { json!([inner]) } else { json!({ "a": inner }) });
    let in_text = json!({ "payload": json!({ "inner": person.to_string() }).to_string() });
    let safe = json!({ "contact": { "status": MAIL, "created_at": PHONE, "amount": 33699887766u64, "currency": KEY,
        "lifecycle_stage_id": MAIL, "deal_stage": NAME, "type": jwt(), "time_zone": format!("Basic {}", basic()) } });
    let shaped = json!({ "created_at": NAME, "updated_at": "Quibblewick", "due_date": "2025-10-24 Quibblewick", "amount": "Quibblewick",
        "probability": NAME, "page": "Quibblewick", "is_active": "Quibblewick", "completed": NAME, "sort": "Quibblewick",
        "include": "owner,Quibblewick", "entities": ["contact", "Quibblewick"], "attribute": { "x": "Quibblewick" } });
    let custom = json!({ "cf_Zoe-Quibblewick": 1, "custom_field": { "cf_Quibblewick": "open", "CF_QUIBBLEWICK": 2 } });
    let keys = json!({ MAIL: 1, NAME: "open", "x": { PHONE: [{ KEY: true }] }, ID: null, (percent(MAIL, 2)): 1 });
    let secrets = json!({ "password": KEY, "token": KEY, "api_key": KEY, "access_token": jwt(), "auth": { "x": KEY } });
    let by_escape = format!(
        r#"{{"email":"{m}","{m}":1,"last_name":"{n}","status":"{p}"}}"#,
        m = escaped(MAIL),
        n = escaped(NAME),
        p = escaped(PHONE)
    );
    let broken = format!(r#"{{"contact":{{"email":"{MAIL}","last_name":"{NAME}""#);
    let percents = json!({ "email": percent(MAIL, 1), "status": percent(MAIL, 2), "note": percent(NAME, 3) });
    let twice = format!("{person}{person}");
    let list = json!([MAIL, [NAME], PHONE, person]);
    let coded = json!({ "status": STANDARD.encode(MAIL), "description": hex::encode(NAME) });
    [
        ("a person", person.to_string()),
        ("forty levels deep", deep.to_string()),
        ("JSON in JSON in JSON", in_text.to_string()),
        ("fields that are safe", safe.to_string()),
        ("dates, numbers, flags and names", shaped.to_string()),
        ("names of custom fields", custom.to_string()),
        ("keys", keys.to_string()),
        ("secrets", secrets.to_string()),
        ("escapes", by_escape),
        ("broken JSON", broken),
        ("percent in JSON", percents.to_string()),
        ("two documents", twice),
        ("a bare list", list.to_string()),
        ("base64 and hex in JSON", coded.to_string()),
        ("a bare string", json!(MAIL).to_string()),
    ]
    .into_iter()
    .map(|(what, body)| plant(format!("body: {what}"), post("application/json", body.as_bytes())))
    .collect()
}

fn basic() -> String {
    STANDARD.encode(format!("{MAIL}:{KEY}"))
}

fn typed_bodies() -> Vec<Plant> {
    let form = format!(
        "email={}&last_name={}&status={}&{}=1&payload={}&mobile_number={}&token={KEY}&x={MAIL}\
         &password[a][b][c][status]=quibblewick&token.a.b.c.status=quibblewick",
        percent(MAIL, 1),
        NAME.replace(' ', "+"),
        percent(MAIL, 2),
        percent(MAIL, 1),
        percent(&json!({ "email": MAIL, "name": NAME }).to_string(), 1),
        PHONE.replace(' ', "+").replace("+33", "%2B33")
    );
    let part =
        |head: &str, content: &str| format!("--zz\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n");
    let multipart = [
        part("name=\"email\"", MAIL),
        part(&format!("name=\"{MAIL}\""), "open"),
        part("name=\"status\"", PHONE),
        part(&format!("name=\"file\"; filename=\"{NAME}.csv\"\r\nContent-Type: text/csv"), &format!("{NAME};{MAIL}\n")),
        part(&format!("name=\"file\"; filename*=UTF-8''{}", percent(NAME, 1)), NAME),
        part("name=\"password[a][b][c][status]\"", "quibblewick"),
        part("name=\"token.a.b.c.d.e.f.status\"", "quibblewick"),
        part("name=\"json\"\r\nContent-Type: application/json", &json!({ "email": MAIL }).to_string()),
    ]
    .concat();
    let open = multipart.clone();
    let closed = format!("{multipart}--zz--\r\n");
    let named = closed.replace("--zz", "--Quibblewick");
    let json = json!({ "email": MAIL, "last_name": NAME, "token": KEY }).to_string();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(json.as_bytes()).expect("writing to memory");
    let gzip = gzip.finish().expect("writing to memory");
    let coded = |coding: &str, body: &[u8]| {
        request(
            "POST",
            "/crm/api/contacts",
            &[("Content-Type", "application/json"), ("Content-Encoding", coding)],
            body,
        )
    };
    let form_type = "application/x-www-form-urlencoded";
    vec![
        plant("form", post(form_type, form.as_bytes())),
        plant("form with a strange charset", post(&format!("{form_type}; charset=\"{MAIL}\""), form.as_bytes())),
        plant("multipart", post("multipart/form-data; boundary=zz", closed.as_bytes())),
        plant("multipart without an end", post("multipart/form-data; boundary=zz", open.as_bytes())),
        plant("multipart by name", post("multipart/form-data; boundary=\"Quibblewick\"", named.as_bytes())),
        plant("multipart without a boundary", post("multipart/form-data", closed.as_bytes())),
        plant("JSON as form", post(form_type, json.as_bytes())),
        plant("form as JSON", post("application/json", form.as_bytes())),
        plant("JSON as text", post("text/plain", json.as_bytes())),
        plant("JSON of a type by name", post(&format!("application/{KEY}+json; name={MAIL}"), json.as_bytes())),
        plant("a type by name", post(&format!("text/quibblewick; x=\"{NAME}\""), json.as_bytes())),
        plant("a type that is none", post(MAIL, json.as_bytes())),
        plant("XML", post("application/xml", format!("<mail>{MAIL}</mail><n>{NAME}</n>").as_bytes())),
        plant("gzip", coded("gzip", &gzip)),
        plant("not gzip", coded("gzip", json.as_bytes())),
        plant("a coding by name", coded(&format!("quibblewick, {KEY}"), json.as_bytes())),
    ]
}

/// Framing that has room for text: chunk extensions, and fields behind the body.
fn framed() -> Vec<Plant> {
    let json = json!({ "email": MAIL, "last_name": NAME }).to_string();
    let chunked = format!(
        "POST /crm/api/contacts HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\
         Trailer: X-Quibblewick\r\nConnection: close\r\n\r\n\
         {:x};owner=quibblewick\r\n{json}\r\n0\r\nX-Quibblewick: {KEY}\r\n\r\n",
        json.len()
    );
    let upgrade = [("Connection", "upgrade"), ("Upgrade", "quibblewick")];
    vec![
        plant("chunks with extensions and trailers", chunked.into()),
        plant("an upgrade by name", request("GET", "/crm/api/deals", &upgrade, b"")),
    ]
}

fn queries() -> Vec<Plant> {
    let phone = PHONE.replace(' ', "+").replace("+33", "%2B33");
    let json = percent(&json!({ "email": MAIL, "q": [NAME] }).to_string(), 1);
    let raw = [
        format!("email={MAIL}"),
        format!("email={}&page=1", percent(MAIL, 1)),
        format!("email={}", percent(MAIL, 2)),
        format!("q={}&f={}&name={}", percent(NAME, 1), percent(MAIL, 3), percent(NAME, 3)),
        "q=Quibblewick+Zoe".to_owned(),
        format!("{}=1&Quibblewick", percent(MAIL, 1)),
        format!("phone={phone}&status={phone}&page={phone}"),
        format!("access_token={KEY}&api_key={KEY}&sort={KEY}"),
        format!("filter={json}"),
        format!("a[email]={MAIL}&a%5Bname%5D=Quibblewick"),
        format!("sort=email%3AQuibblewick;page={MAIL}&&=&per_page={ID}"),
        format!("status={}", STANDARD.encode(MAIL).replace('=', "%3D")),
        format!("id={ID}&ids[]={ID},{ID}"),
        "page=Quibblewick&per_page=Quibblewick&created_at=Quibblewick&amount=Quibblewick&is_active=Quibblewick"
            .to_owned(),
        "sort=Quibblewick&include=Zoe%2BQuibblewick&filter=Zoe%2BQuibblewick&cf_Zoe-Quibblewick=1".to_owned(),
        "password[a][b][c][status]=quibblewick&token.a.b.c.status=quibblewick".to_owned(),
        "api_key%5Ba%5D%5Bb%5D%5Bc%5D%5Bd%5D%5Bstatus%5D=quibblewick".to_owned(),
    ];
    let target = |query: &str| request("GET", &format!("/crm/api/contacts?{query}"), &[], b"");
    raw.iter().map(|query| plant(format!("query {query}"), target(query))).collect()
}

fn paths() -> Vec<Plant> {
    let phone = percent(PHONE, 1);
    let mail =
        [MAIL.to_owned(), percent(MAIL, 1), percent(MAIL, 2), MAIL.replace('@', "%40"), MAIL.replace('@', "%2540")];
    let mut paths: Vec<String> = mail.iter().map(|m| format!("/crm/api/contacts/{m}")).collect();
    paths.extend([
        format!("/crm/api/contacts/{ID}"),
        format!("/crm/api/contacts/{ID}/tasks"),
        format!("/crm/api/contacts/{}", ID.bytes().map(|b| format!("%{b:02X}")).collect::<String>()),
        format!("/crm/api/contacts/{phone}/notes"),
        "/crm/api/contacts/0699887766".to_owned(),
        "/crm/api/contacts/Quibblewick".to_owned(),
        "/crm/api/quibblewick/search/quibblewick_quibblewick".to_owned(),
        "/crm/Quibblewick/api/deals;owner=Quibblewick".to_owned(),
        format!("/crm/api/selector/{}", MAIL.replace('@', "%40")),
        format!("/crm/api/{KEY}/deals/{KEY}"),
        format!("/crm//api//contacts//{MAIL}"),
        format!("/crm/../{MAIL}"),
        format!("/gen/v1/{}/orders/{ID}", percent(NAME, 1)),
        format!("/gen/quibblewick/{MAIL}/Quibblewick-Zoe"),
        format!("/gen/a/b/c/d/e/f/g/h/{MAIL}/i/{KEY}"),
    ]);
    let methods = ["GET", "DELETE"];
    let one = |method: &str, path: &str| plant(format!("{method} {path}"), request(method, path, &[], b""));
    paths.iter().flat_map(|path| methods.map(|method| one(method, path))).collect()
}

fn credentials() -> Vec<Plant> {
    let values = [
        ("Authorization", format!("Basic {}", basic())),
        ("Authorization", format!("Token token={KEY}")),
        ("Authorization", format!("Bearer {}", jwt())),
        ("Authorization", KEY.to_owned()),
        ("Authorization", format!("Digest username=\"{MAIL}\", response=\"{KEY}\"")),
        ("Proxy-Authorization", format!("Basic {}", basic())),
        ("Cookie", format!("session={KEY}; user={}", percent(MAIL, 1))),
        ("X-Api-Key", KEY.to_owned()),
        ("X-Vigie-Token", KEY.to_owned()),
        ("X-Integration", MAIL.to_owned()),
    ];
    values.into_iter().map(|(name, value)| with_header(name, &value)).collect()
}

fn with_header(name: &str, value: &str) -> Plant {
    plant(format!("{name}: {value}"), request("GET", "/crm/api/deals", &[(name, value)], b""))
}

fn headers() -> Vec<Plant> {
    let digits = format!("00-{:0>32}-{:0>16}-01", "33699887766", "b7ad6b7169203331");
    let mut plants: Vec<Plant> = [
        ("X-Correlation-ID", MAIL),
        ("X-Correlation-ID", "Zoe.Quibblewick%40example.org"),
        ("X-Correlation-ID", "06.99.88.77.66"),
        ("X-Correlation-ID", "call-33699887766"),
        ("X-Correlation-ID", KEY),
        ("X-Correlation-ID", "Zm9vIFF1aWJibGV3aWNrQGV4YW1wbGUub3Jn"),
        ("X-Correlation-ID", NAME),
        ("traceparent", &digits),
        ("traceparent", MAIL),
        ("tracestate", "quibblewick=Quibblewick,zoe@quibblewick=1"),
        ("baggage", "user=Zoe.Quibblewick%40example.org"),
        ("User-Agent", "Quibblewick/1.0 (Zoe.Quibblewick@example.org)"),
        ("Host", "quibblewick.example"),
        ("Host", "zoe@quibblewick.example"),
        ("Referer", "https://crm.example/contacts?email=Zoe.Quibblewick@example.org"),
        ("X-Forwarded-For", "203.0.113.9, quibblewick"),
        ("X-Forwarded-Host", "quibblewick.example"),
        ("X-Quibblewick", NAME),
        ("Accept", "application/quibblewick+json"),
        ("Connection", "keep-alive, quibblewick"),
        ("Expect", "quibblewick"),
        ("Content-Type", "application/json; boundary=Quibblewick"),
    ]
    .iter()
    .map(|(name, value)| with_header(name, value))
    .collect();
    for method in ["QUIBBLEWICK", "zoe-quibblewick", KEY] {
        plants.push(plant(format!("method {method}"), request(method, "/crm/api/deals", &[], b"")));
    }
    plants
}

/// Answers of the CRM's: a number picks one of the origin's.
fn answered() -> Vec<Plant> {
    let ask = |(number, what): (usize, &str)| {
        let number = number.to_string();
        plant(format!("answer: {what}"), request("PUT", "/crm/api/contacts/7", &[("X-Answer", &number)], b""))
    };
    answers::names().into_iter().enumerate().map(ask).collect()
}

/// Upstreams that fail, each in its way, with text of their own.
fn failures() -> Vec<Plant> {
    let target = format!("/api/contacts/{MAIL}?email={MAIL}");
    ["dead", "garbage", "half", "reason", "tls", "h2", "silent"]
        .map(|upstream| plant(upstream, request("GET", &format!("/{upstream}{target}"), &[], b"")))
        .into()
}

/// What Vigie refuses itself.
fn refusals() -> Vec<Plant> {
    let long = format!("/crm/{}/{MAIL}", "x".repeat(17 << 10));
    vec![
        plant("no upstream", request("GET", &format!("/{MAIL}?email={MAIL}"), &[], b"")),
        plant("no upstream by name", request("POST", "/quibblewick/api", &[], NAME.as_bytes())),
        plant("CONNECT", request("CONNECT", "quibblewick.example:443", &[("Host", "quibblewick.example:443")], b"")),
        plant("a target elsewhere", request("GET", "http://quibblewick.example/api", &[], b"")),
        plant("a target with credentials", request("GET", &format!("http://zoe:{KEY}@quibblewick.example/"), &[], b"")),
        plant("OPTIONS *", request("OPTIONS", "*", &[("X-Name", "Quibblewick")], b"")),
        plant("too long", request("GET", &long, &[], b"")),
        plant(
            "two hosts",
            format!("GET /crm/{MAIL} HTTP/1.1\r\nHost: a\r\nHost: quibblewick\r\nConnection: close\r\n\r\n").into(),
        ),
        plant("HTTP/1.0", format!("GET /crm/{} HTTP/1.0\r\n\r\n", percent(MAIL, 1)).into()),
    ]
}

fn not_http() -> Vec<Plant> {
    let raw = [
        format!("{MAIL}\r\n\r\n"),
        format!("GET /crm/{NAME} HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("GET /crm/api HTTP/1.1\r\nHost: a\r\nX-{NAME}: 1\r\n\r\n"),
        format!("GET /crm/api HTTP/9.9 {MAIL}\r\nHost: a\r\n\r\n"),
        format!("POST /crm/api HTTP/1.1\r\nHost: a\r\nContent-Length: {MAIL}\r\n\r\n{NAME}"),
        format!("GET http://[{MAIL}/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("GET /crm/api HTTP/1.1\r\nHost: a\r\n {MAIL}\r\n\r\n"),
    ];
    raw.into_iter().map(|bytes| plant(bytes.clone(), bytes.into())).collect()
}
