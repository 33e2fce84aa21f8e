//! The corpora: each case a name, its rule, raw bytes, and what must become of them.

use serde_json::Value;

/// One case.
pub struct Case {
    pub name: String,
    pub raw: Vec<u8>,
    pub json: Value,
}

/// What a caller may send.
pub fn requests() -> Vec<Case> {
    read(include_str!("requests.json"))
}

/// What an upstream may answer.
pub fn answers() -> Vec<Case> {
    read(include_str!("answers.json"))
}

fn read(text: &str) -> Vec<Case> {
    let cases: Vec<Value> = serde_json::from_str(text).expect("a list of cases");
    let named = |json: &Value| json["name"].as_str().expect("a name").to_owned();
    cases.into_iter().map(|json| Case { name: named(&json), raw: raw(&json["raw"]), json }).collect()
}

/// Each character is a byte; a part may be repeated.
fn raw(value: &Value) -> Vec<u8> {
    let bytes = |text: &str| text.chars().map(|c| u8::try_from(u32::from(c)).expect("a byte")).collect::<Vec<_>>();
    match value {
        Value::String(text) => bytes(text),
        Value::Array(parts) => parts.iter().flat_map(raw).collect(),
        part => bytes(part["repeat"].as_str().expect("text")).repeat(part["times"].as_u64().expect("a count") as usize),
    }
}

#[test]
fn every_case_has_its_own_name_and_names_its_rule() {
    for cases in [requests(), answers()] {
        let mut names = std::collections::BTreeSet::new();
        for case in &cases {
            assert!(names.insert(&case.name), "{} is there twice", case.name);
            assert!(case.json["rule"].as_str().is_some_and(|rule| rule.starts_with("RFC ")), "{}", case.name);
        }
        assert!(cases.len() > 50, "{}", cases.len());
    }
}
