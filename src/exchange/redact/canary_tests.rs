//! Canaries: personal data and credentials planted in every place and encoding that a call has, never seen again.

use super::fixture::{masker, masker_of, policy};
use super::{Masker, Policy, correlation_id, decode};
use base64::Engine as _;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Field names of each kind: known, unknown, secret, and those whose values have a shape.
const FIELDS: [&str; 13] = [
    "email",
    "mobile_number",
    "last_name",
    "description",
    "password",
    "contact_id",
    "unknown",
    "message",
    "cf_other",
    "amount",
    "created_at",
    "is_active",
    "sort",
];

/// Enumerations show words that no detector finds, so only data that has a look of its own is planted there.
const SAFE_FIELDS: [&str; 3] = ["status", "cf_tier", "deal_stage"];

#[derive(Clone, Debug)]
struct Canary {
    text: String,
    /// A detector knows its looks.
    has_looks: bool,
}

fn looks() -> impl Strategy<Value = Canary> {
    let text = prop_oneof![
        "[a-z]{6,10}\\.[a-z]{6,10}@[a-z]{5,8}\\.(com|fr|example)",
        "\\+33 [67]( [0-9]{2}){4}",
        "0[1-9][0-9]{8}",
        "\\([2-9][0-9]{2}\\) [0-9]{3}-[0-9]{4}",
        "eyJ[A-Za-z0-9]{20,30}\\.eyJ[A-Za-z0-9]{20,30}\\.[A-Za-z0-9_-]{20,30}",
        "sk_live_[A-Za-z0-9]{24}",
        "Token token=[A-Za-z0-9]{18,22}",
        "Bearer [a-z0-9]{20}",
        "[a-z]{6}:[a-z0-9]{10}".prop_map(|p| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(p))),
    ];
    text.prop_map(|text| Canary { text, has_looks: true })
}

fn canary() -> impl Strategy<Value = Canary> {
    // Names of eight letters and more are in no vocabulary and, by chance, in no token.
    let name = "[BDFGZ][a-z]{7,9} [BDFGZ][a-zé]{7,9}".prop_map(|text| Canary { text, has_looks: false });
    prop_oneof![3 => looks(), 1 => name]
}

fn field(canary: &Canary, pick: prop::sample::Index) -> &'static str {
    if canary.has_looks && pick.index(4) == 0 { SAFE_FIELDS[pick.index(3)] } else { FIELDS[pick.index(13)] }
}

/// Wraps `value` in containers and in documents inside strings.
fn wrapped(mut value: Value, layers: &[u8], key: &str) -> Value {
    for layer in layers {
        value = match layer % 5 {
            0 => json!({ "contact": value }),
            1 => json!([1, value]),
            2 => json!({ "payload": value.to_string() }),
            3 => json!({ key: value, "status": "open" }),
            _ => json!({ "errors": [{ "message": value }] }),
        };
    }
    value
}

/// Every character as `\u` escape.
fn escaped(text: &str) -> String {
    text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect()
}

/// The parts of a canary that would already say too much.
fn pieces(canary: &str) -> Vec<String> {
    let mut pieces = vec![canary.to_lowercase()];
    pieces.extend(canary.to_lowercase().split(['@', ' ', '=', '.']).filter(|p| p.len() >= 8).map(str::to_owned));
    let digits: String = canary.chars().filter(char::is_ascii_digit).collect();
    if digits.len() >= 9 && !canary.contains(|c: char| c.is_ascii_alphabetic()) {
        pieces.push(digits);
    }
    pieces
}

/// Fails if the canary shows, raw, in lower case, decoded, or with its digits brought together.
fn assert_hidden(masked: &str, canary: &Canary) -> Result<(), TestCaseError> {
    let decoded = decode::percent_fully(masked).into_owned();
    let unescaped = serde_json::from_str::<Value>(masked).map(|v| v.to_string()).unwrap_or_default();
    let joined: String = masked.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')')).collect();
    for shown in [masked, &decoded, &unescaped, &joined] {
        let shown = shown.to_lowercase();
        for piece in pieces(&canary.text) {
            prop_assert!(!shown.contains(&piece), "{piece} in {shown}");
        }
    }
    Ok(())
}

fn json_body(masker: &Masker, policy: &Policy, body: &str) -> String {
    masker.body(policy, Some("application/json"), body.as_bytes(), false).to_string()
}

fn percent(text: &str, rounds: u8) -> String {
    (0..rounds).fold(text.to_owned(), |text, _| utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string())
}

proptest! {
    // A failure found becomes a row of a table test, not a file of seeds.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_json_values(c in canary(), pick: prop::sample::Index, layers in prop::collection::vec(any::<u8>(), 0..7)) {
        let value = wrapped(json!({ field(&c, pick): c.text }), &layers, "unknown");
        assert_hidden(&json_body(&masker(), &policy(), &value.to_string()), &c)?;
    }

    #[test]
    fn in_json_keys(c in canary(), layers in prop::collection::vec(any::<u8>(), 0..7)) {
        let value = wrapped(json!({ c.text.as_str(): "open" }), &layers, &c.text);
        assert_hidden(&json_body(&masker(), &policy(), &value.to_string()), &c)?;
    }

    #[test]
    fn behind_json_escapes(c in canary(), pick: prop::sample::Index, as_key: bool) {
        let text = escaped(&c.text);
        let body = if as_key { format!(r#"{{"{text}":1}}"#) } else { format!(r#"{{"{}":"{text}"}}"#, field(&c, pick)) };
        assert_hidden(&json_body(&masker(), &policy(), &body), &c)?;
    }

    #[test]
    fn percent_encoded_in_json(c in canary(), pick: prop::sample::Index, rounds in 1u8..4) {
        let body = json!({ field(&c, pick): percent(&c.text, rounds) }).to_string();
        assert_hidden(&json_body(&masker(), &policy(), &body), &c)?;
    }

    #[test]
    fn in_broken_json(c in canary(), cut in 0usize..200) {
        let body = json!({ "status": "open", "message": c.text, "x": [1, 2, 3] }).to_string();
        let begun = body.get(..cut).unwrap_or(&body);
        assert_hidden(&json_body(&masker(), &policy(), begun), &c)?;
        assert_hidden(masker().body(&policy(), None, body.as_bytes(), true).as_str(), &c)?;
    }

    #[test]
    fn in_queries_and_forms(c in canary(), pick: prop::sample::Index, rounds in 0u8..4, as_name: bool) {
        let text = percent(&c.text, rounds);
        let raw = if as_name { format!("{text}=1&page=2") } else { format!("page=2&{}={text}&x", field(&c, pick)) };
        assert_hidden(masker().query(&policy(), &raw).as_str(), &c)?;
        let form = masker().body(&policy(), Some("application/x-www-form-urlencoded"), raw.as_bytes(), false);
        assert_hidden(form.as_str(), &c)?;
    }

    #[test]
    fn in_multipart(c in canary(), pick: prop::sample::Index, place in 0u8..5) {
        let field = field(&c, pick);
        let part = |head: &str, content: &str| {
            format!("--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n--b--\r\n")
        };
        let body = match place {
            0 => part(&format!("name=\"{field}\""), &c.text),
            1 => part(&format!("name=\"{}\"", c.text), "open"),
            2 => part(&format!("name=\"{field}\"; filename=\"{}\"", c.text), &c.text),
            3 => part(&format!("name=\"{field}\""), &percent(&c.text, 1)),
            _ => part("name=\"payload\"", &json!({ field: c.text }).to_string()),
        };
        let masked = masker().body(&policy(), Some("multipart/form-data; boundary=b"), body.as_bytes(), false);
        prop_assert!(!masked.as_str().contains("unreadable"), "{masked}");
        assert_hidden(masked.as_str(), &c)?;
    }

    #[test]
    fn in_messages(c in canary(), before in "(Contact|The value|invalid|'|\"|email: |name=)", rounds in 0u8..3) {
        let text = format!("{before} {} has already been taken", percent(&c.text, rounds));
        assert_hidden(masker().message(&policy(), &text).as_str(), &c)?;
        let glued = format!("{before}{}' is invalid", c.text);
        assert_hidden(masker().message(&policy(), &glued).as_str(), &c)?;
    }

    #[test]
    fn in_ids(c in looks()) {
        prop_assert!(correlation_id(&c.text).is_none());
        let squeezed: String = c.text.chars().filter(|c| c.is_ascii_alphanumeric() || ".:_-".contains(*c)).collect();
        if squeezed == c.text || c.text.starts_with("+33") {
            prop_assert!(correlation_id(&squeezed).is_none(), "{squeezed}");
        }
        assert_hidden(masker().id("deal", &c.text).as_str(), &c)?;
    }

    #[test]
    fn other_formats_are_only_measured(c in canary(), kind in "(text/plain|text/html|text/csv|application/xml|x)") {
        let masked = masker().body(&policy(), Some(&kind), c.text.as_bytes(), false);
        assert_hidden(masked.as_str(), &c)?;
        prop_assert!(masked.as_str().ends_with(" B]"));
    }

    #[test]
    fn nothing_panics_and_output_is_bounded(bytes in prop::collection::vec(any::<u8>(), 0..400), text: String) {
        let (masker, policy) = (masker(), policy());
        for kind in ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=-"] {
            masker.body(&policy, Some(kind), &bytes, false);
            masker.body(&policy, Some(kind), text.as_bytes(), false);
        }
        masker.body(&policy, Some(&text), &bytes, false);
        prop_assert!(masker.message(&policy, &text).as_str().chars().count() <= super::MAX_MESSAGE_CHARS);
        masker.query(&policy, &text);
        masker.phone_token(&text);
        masker.email_token(&text);
        super::detect(&text);
        correlation_id(&text);
    }

    #[test]
    fn masked_json_is_json(value in prop_oneof!["[a-z{}\\[\\]\"\\\\]{0,12}", Just("{\"status\":\"open\"}".to_owned())],
                           layers in prop::collection::vec(any::<u8>(), 0..9)) {
        let body = wrapped(json!({ "status": value }), &layers, "cf_x").to_string();
        let masked = json_body(&masker(), &policy(), &body);
        prop_assert!(serde_json::from_str::<Value>(&masked).is_ok(), "{masked}");
    }

    #[test]
    fn tokens_follow_the_value_and_the_key(a in "[a-z0-9]{1,20}", b in "[a-z0-9]{1,20}") {
        let (one, other) = (masker(), masker_of(1, "some other secret"));
        prop_assert_eq!(one.id("deal", &a) == one.id("deal", &b), a == b);
        prop_assert_ne!(one.id("deal", &a), other.id("deal", &a));
    }
}
