//! What is fuzzed: one function a target, which panics when a promise is broken. The fuzz targets and the bounded tests in
//! `tests/it/fuzz.rs` both call these.

use http::Method;
use std::sync::{Arc, OnceLock};
use vigie::exchange::redact::{MAX_MASKED_BYTES, MaskKey, Masker};
use vigie::proxy::framing::{Fed, Limits, Requests};
use vigie::recorder::Knowledge;
use vigie::secret::Secret;
use vigie::vendors::{Answer, Profile, classify};

/// Takes one input.
pub type Entry = fn(&[u8]);

/// Every target's name and function.
pub const TARGETS: [(&str, Entry); 5] = [
    ("template", template),
    ("redaction", redaction),
    ("classification", classification),
    ("config", config),
    ("requests", requests),
];

/// A person's address that no output may hold.
const CANARY: &str = "camille.durand@canary.example";
/// A secret that no message about a configuration may hold.
const SECRET: &str = "s3cret-value-of-a-variable";
/// Digits in a row that only an id has: a template keeps none.
const ID_DIGITS: usize = 5;

fn profiles() -> impl Iterator<Item = Arc<Profile>> {
    Profile::builtin_names().iter().filter_map(|name| Profile::builtin(name))
}

fn masker() -> &'static Masker {
    static MASKER: OnceLock<Masker> = OnceLock::new();
    MASKER.get_or_init(|| {
        let secret = Secret::new("a fuzzing key of thirty-two characters".to_owned());
        Masker::new(MaskKey::from_secret(1, &secret).expect("a long key"))
    })
}

/// The first byte, as a choice, and the rest.
fn choice(data: &[u8]) -> (usize, &[u8]) {
    data.split_first().map_or((0, data), |(first, rest)| (usize::from(*first), rest))
}

/// Path -> route: bounded, and no id in it.
pub fn template(data: &[u8]) {
    let (choice, rest) = choice(data);
    let methods = [Method::GET, Method::POST, Method::PUT, Method::DELETE];
    let method = &methods[choice % methods.len()];
    let Ok(path) = std::str::from_utf8(rest) else { return };
    for profile in profiles() {
        let route = profile.route(method, path);
        let template = route.template();
        assert!(template.starts_with('/'), "{template:?}");
        assert!(template.split('/').count() <= 16, "{template:?}");
        let digits = template.split(|c: char| !c.is_ascii_digit()).map(str::len).max();
        assert!(digits < Some(ID_DIGITS), "{template:?}");
        assert!(!template.contains('@') && !template.chars().any(char::is_control), "{template:?}");
        for (_, id) in profile.path_ids(path) {
            assert!(path.contains(id));
        }
    }
}

/// Body and query -> masked text: bounded, and a person's address planted anywhere is not in it.
pub fn redaction(data: &[u8]) {
    let (choice, rest) = choice(data);
    let types =
        ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"];
    let at = rest.len() * choice / 256;
    let planted = [&rest[..at], CANARY.as_bytes(), &rest[at..]].concat();
    for profile in profiles() {
        let knowledge = Knowledge::new(profile).unwrap_or_else(|_| panic!("a builtin profile"));
        for media in types {
            let masked = masker().body(&knowledge.policy, Some(media), &planted, choice % 7 == 0);
            assert!(!masked.as_str().contains(CANARY), "{masked:?}");
            assert!(masked.as_str().len() <= MAX_MASKED_BYTES + 1024);
        }
        if let Ok(query) = std::str::from_utf8(&planted) {
            let masked = masker().query(&knowledge.policy, query);
            assert!(!masked.as_str().contains(CANARY), "{masked:?}");
        }
    }
}

/// Answer -> meaning: the same answer always means the same, and what is not whole is never a failure the vendor did not name.
pub fn classification(data: &[u8]) {
    let (choice, body) = choice(data);
    let statuses = [200, 201, 204, 207, 304, 400, 401, 403, 404, 409, 422, 429, 500, 502, 503];
    let (method, path) = (Method::POST, "/crm/sales/api/deals/bulk_upsert");
    for profile in profiles() {
        let route = profile.route(&method, path);
        let answer = Answer {
            method: &method,
            route: route.known(),
            path,
            status: statuses[choice % statuses.len()],
            content_type: Some("application/json"),
            body,
            truncated: choice % 5 == 0,
            readable: choice % 11 != 0,
        };
        let (first, second) = (classify(&profile, &answer), classify(&profile, &answer));
        assert_eq!(first.outcome, second.outcome);
        assert_eq!(first.items, second.items);
        assert!(first.outcome != vigie::exchange::Outcome::Ok || answer.status < 400);
    }
}

/// File -> configuration: every error has its place, and none shows a secret.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let env = [("TOKEN", SECRET), ("VIGIE_LOG_STDOUT", "")].into_iter().collect();
    if let Err(errors) = vigie::config::parse(text, "fuzz.yaml", &env) {
        let told = errors.to_string();
        assert!(told.starts_with("fuzz.yaml"), "{told}");
        assert!(!told.contains(SECRET), "{told}");
    }
}

/// A caller's bytes: judged alike however they are cut, and what passes can be read by the parser behind.
pub fn requests(data: &[u8]) {
    let (choice, bytes) = choice(data);
    let mut requests = Requests::new(Limits::default());
    let whole = run(&mut |bytes: &[u8]| requests.feed(bytes), &[bytes]);
    let (first, second) = bytes.split_at(bytes.len() * choice / 256);
    assert_eq!(run(&mut request_judge(), &[first, second]), whole, "cut at {}", first.len());
    let mut headers = [httparse::EMPTY_HEADER; 128];
    let mut parsed = httparse::Request::new(&mut headers);
    if requests.heads > 0 {
        assert!(parsed.parse(bytes).is_ok(), "passed, and cannot be parsed: {}", bytes.escape_ascii());
    }
}

fn request_judge() -> impl FnMut(&[u8]) -> Fed {
    let mut requests = Requests::new(Limits::default());
    move |bytes| requests.feed(bytes)
}

/// How many bytes passed, and whether the rest was refused.
fn run(judge: &mut impl FnMut(&[u8]) -> Fed, pieces: &[&[u8]]) -> (usize, bool) {
    let (mut back, mut passed) = (Vec::new(), 0);
    for piece in pieces {
        back.extend_from_slice(piece);
        let fed = judge(&back);
        passed += fed.pass;
        if fed.refused.is_some() {
            return (passed, true);
        }
        back.drain(..fed.pass);
    }
    (passed, false)
}
