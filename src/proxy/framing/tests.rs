use super::*;
use crate::exchange::AgentError;

const REQUESTS: &str = include_str!("../../../tests/it/framing/requests.json");

/// Kinds that are told further on, from the parsed request.
const LATER: [&str; 3] = ["bad_host", "upgrade_refused", "unsupported_target"];

struct Case {
    name: String,
    raw: Vec<u8>,
    json: serde_json::Value,
}

fn cases(text: &str) -> Vec<Case> {
    let cases: Vec<serde_json::Value> = serde_json::from_str(text).expect("a list of cases");
    cases.into_iter().map(|json| Case { name: json["name"].to_string(), raw: raw(&json["raw"]), json }).collect()
}

/// Each character is a byte.
fn raw(value: &serde_json::Value) -> Vec<u8> {
    let bytes = |text: &str| text.chars().map(|c| u8::try_from(u32::from(c)).expect("a byte")).collect::<Vec<_>>();
    match value {
        serde_json::Value::String(text) => bytes(text),
        serde_json::Value::Array(parts) => parts.iter().flat_map(raw).collect(),
        part => {
            let times = part["times"].as_u64().expect("a count") as usize;
            bytes(part["repeat"].as_str().expect("text")).repeat(times)
        }
    }
}

/// Feeds the bytes in pieces as a connection would bring them, keeping back what may not pass yet.
fn feed(mut judge: impl FnMut(&[u8]) -> Fed, pieces: &[&[u8]]) -> Option<Reason> {
    let mut back = Vec::new();
    for piece in pieces {
        back.extend_from_slice(piece);
        let fed = judge(&back);
        if fed.refused.is_some() {
            return fed.refused;
        }
        back.drain(..fed.pass);
    }
    None
}

fn judge_request(pieces: &[&[u8]]) -> Option<AgentError> {
    let mut requests = Requests::new(Limits::default());
    feed(|bytes| requests.feed(bytes), pieces).map(Reason::of_request)
}

/// Where to cut a message in two: everywhere, or where it is long, at some places.
fn cuts(length: usize) -> impl Iterator<Item = usize> {
    (0..=length).step_by(if length > 2_000 { 997 } else { 1 })
}

#[test]
fn requests_are_judged_as_the_corpus_says_however_they_come() {
    for Case { name, raw, json } in cases(REQUESTS) {
        let told = json["refused"]["kind"].as_str().or(json["then"]["kind"].as_str());
        let wanted = told.filter(|kind| !LATER.contains(kind));
        let of = |error: Option<AgentError>| error.map(AgentError::as_str);
        let whole = of(judge_request(&[&raw]));
        assert!(whole == wanted || whole == told, "{name}: {whole:?} and not {wanted:?}");
        for cut in cuts(raw.len()) {
            let (first, second) = raw.split_at(cut);
            assert_eq!(of(judge_request(&[first, second])), whole, "{name}, cut at {cut}");
        }
        if raw.len() <= 2_000 {
            let bytes: Vec<&[u8]> = raw.chunks(1).collect();
            assert_eq!(of(judge_request(&bytes)), whole, "{name}, byte by byte");
        }
    }
}

#[test]
fn a_stand_in_holds_nothing_of_what_was_refused_but_method_and_id() {
    let refused =
        b"DELETE /api/secret HTTP/1.1\nx-correlation-id: a b\r\nX-Correlation-ID: order.7\r\nx: secret\r\n\r\n";
    let text = String::from_utf8(stand_in(refused)).expect("text");
    assert_eq!(text, "DELETE /- HTTP/1.1\r\nhost: -\r\nx-correlation-id: order.7\r\n\r\n");
    assert_eq!(stand_in(b"\x16\x03\x01"), b"UNKNOWN /- HTTP/1.1\r\nhost: -\r\n\r\n");
    assert_eq!(judge_request(&[&stand_in(refused)]), None);
}
