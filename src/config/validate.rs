//! The schema's verdict in plain words, all of it at once.

use super::json;
use super::report::{Report, quoted, suggestion};
use super::scalar;
use super::schema;
use super::tree::{Node, Origin, Path, Value as Tree};
use super::verdict::{self, Breach, Kind};
use crate::exchange::redact::{Detector, detect};
use serde_json::Value;

/// Rounds of taking out what is wrong; each takes out at least one value, and nesting is bounded.
const MAX_ROUNDS: usize = 16;

/// Reports every way in which `value` (made from `root`) breaks `schema`, then takes the broken parts out of `value`, so
/// that the rest can still be checked. False when nothing usable is left.
pub fn validate(value: &mut Value, root: &Node, schema: &Value, failed: &[Path], report: &mut Report) -> bool {
    let found = verdict::breaches(value, schema);
    for Breach { path, .. } in found.iter().filter(|breach| is_key(breach)) {
        let parent = root.at(&path.parent());
        let key = parent.zip(path.steps().last()).and_then(|(p, key)| p.entry(key));
        let pos = key.map_or_else(|| root.pos_of(path), |e| e.pos.clone());
        let message = wrong_key(path, schema);
        report.error(pos, path.clone(), message);
    }
    for breach in found.iter().filter(|breach| !is_key(breach) && !failed.contains(&breach.path)) {
        let message = explain(breach, value, root, schema);
        report.error(root.pos_of(&breach.path), breach.path.clone(), message);
    }
    prune(value, schema)
}

/// True when it is the key that is refused, whatever it holds.
fn is_key(breach: &Breach) -> bool {
    matches!(breach.kind, Kind::UnknownKey | Kind::KeyForm)
}

/// Why the last step of `path` cannot be a key, and what could.
fn wrong_key(path: &Path, schema: &Value) -> String {
    let key = path.steps().last().map(String::as_str).unwrap_or_default();
    let Some(parent) = schema::at(schema, path.parent().steps()) else { return "unknown key".to_owned() };
    match parent.get("propertyNames") {
        Some(names) => match names.get("format").and_then(Value::as_str) {
            Some(format) => format!("the key {}", scalar::check(format, key).err().unwrap_or_default()),
            None => "not a name; use 1 to 40 of a-z, 0-9, _ and -".to_owned(),
        },
        None => format!("unknown key; {}", suggestion(key, schema::properties(parent).map(|(k, _)| k))),
    }
}

/// What `breach` says in words; it is not about a key's name.
fn explain(breach: &Breach, value: &Value, root: &Node, schema: &Value) -> String {
    let here = schema::at(schema, breach.path.steps()).unwrap_or(&Value::Null);
    let node = root.at(&breach.path);
    match &breach.kind {
        Kind::Missing => {
            let what = here.get("description").and_then(Value::as_str).unwrap_or_default();
            format!("missing; {}", lower_first_sentence(what))
        }
        Kind::Type => format!("expected {}, found {}", expected(here), shown(node, here)),
        Kind::Choice => not_a_choice(node, here),
        Kind::Format(format) => {
            let text = breach.path.steps().iter().try_fold(value, |value, step| step_into(value, step));
            let wrong = text.and_then(Value::as_str).and_then(|text| scalar::check(format, text).err());
            format!("{} {}", subject(node, here), wrong.unwrap_or_default())
        }
        Kind::Range => format!("{} is out of range; use {}", subject(node, here), expected(here)),
        Kind::TooShort(1) => "is empty; give a value or remove the key".to_owned(),
        Kind::TooShort(least) => format!("is too short; use at least {least} characters"),
        Kind::TooLong(most) => format!("is too long; use at most {most} characters"),
        Kind::TooFew(least) => format!("has too few entries; give at least {least}"),
        Kind::TooMany(most) => format!("has too many entries; {most} at most"),
        Kind::Pattern | Kind::UnknownKey | Kind::KeyForm => "is not of the form wanted here".to_owned(),
    }
}

fn step_into<'a>(value: &'a Value, step: &str) -> Option<&'a Value> {
    match value {
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => value.get(step),
    }
}

fn not_a_choice(node: Option<&Node>, schema: &Value) -> String {
    let choices = schema.get("enum").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let words = choices.iter().filter_map(Value::as_str);
    let text = match node.map(|n| &n.value) {
        Some(Tree::Scalar(s)) if s.origin == Origin::Literal => s.text.as_str(),
        _ => "",
    };
    format!("{} is not known here; {}", subject(node, schema), suggestion(text, words))
}

/// The first sentence, to stand after "missing; ".
fn lower_first_sentence(text: &str) -> String {
    let sentence = text.split_once(". ").map_or(text, |(first, _)| first).trim_end_matches('.');
    let mut chars = sentence.chars();
    let second_is_upper = sentence.chars().nth(1).is_some_and(char::is_uppercase);
    match chars.next() {
        Some(first) if !second_is_upper => first.to_lowercase().chain(chars).collect(),
        _ => sentence.to_owned(),
    }
}

/// What the schema asks for, in words.
pub fn expected(schema: &Value) -> String {
    let bound = |key| schema.get(key).map(ToString::to_string).map(|n| n.trim_end_matches(".0").to_owned());
    let number = |word: &str| match (bound("minimum"), bound("maximum")) {
        (Some(min), Some(max)) => format!("{word} from {min} to {max}"),
        (Some(min), None) => format!("{word} of {min} or more"),
        _ => word.to_owned(),
    };
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => "a mapping (key: value)".to_owned(),
        Some("array") => "a list".to_owned(),
        Some("boolean") => "true or false".to_owned(),
        Some("integer") => number("a whole number"),
        Some("number") => number("a number"),
        _ => "text".to_owned(),
    }
}

/// What was found, in words; its text only where no secret can be in it.
fn shown(node: Option<&Node>, schema: &Value) -> String {
    match node.map(|n| &n.value) {
        Some(Tree::Mapping(_)) => "a mapping".to_owned(),
        Some(Tree::Sequence(_)) => "a list".to_owned(),
        Some(Tree::Scalar(s)) if !json::is_null(s) => match subject(node, schema) {
            hidden if hidden == HIDDEN => "one value".to_owned(),
            text if s.origin == Origin::Literal && !s.plain => format!("the quoted text {text}"),
            text => text,
        },
        _ => "nothing".to_owned(),
    }
}

/// Stands for a value that may be a secret.
const HIDDEN: &str = "the value";

/// The value as the subject of a sentence.
pub fn subject(node: Option<&Node>, schema: &Value) -> String {
    match node.map(|n| &n.value) {
        Some(Tree::Scalar(s)) => match &s.origin {
            Origin::Expanded(from) => format!("the value of {from}"),
            Origin::Literal if schema::holds_secret(schema) || may_be_secret(&s.text) => HIDDEN.to_owned(),
            Origin::Literal if s.plain && s.text.starts_with(|c: char| c.is_ascii_digit()) => {
                quoted(&s.text).trim_matches('"').to_owned()
            }
            Origin::Literal => quoted(&s.text),
        },
        _ => HIDDEN.to_owned(),
    }
}

/// A URL, or what may be meant as one, may hold credentials that it should not; and a key may stand where none belongs.
fn may_be_secret(text: &str) -> bool {
    let looks = || matches!(detect(text), Some(Detector::Jwt | Detector::Credential | Detector::Key));
    text.contains("://") || text.contains('@') || looks()
}

/// Takes out what `schema` refuses until it refuses nothing. False when the whole file would have to go.
fn prune(value: &mut Value, schema: &Value) -> bool {
    for _ in 0..MAX_ROUNDS {
        let wrong = verdict::breaches(value, schema);
        if wrong.is_empty() {
            return true;
        }
        for breach in wrong {
            // What is missing takes the mapping that lacks it along.
            let path = if breach.kind == Kind::Missing { breach.path.parent() } else { breach.path };
            if !remove(value, path.steps()) {
                return false;
            }
        }
    }
    false
}

/// Removes what is at `steps`; with an item its whole list, so that the other items' indices never shift.
fn remove(value: &mut Value, steps: &[String]) -> bool {
    let Some((key, rest)) = steps.split_first() else { return false };
    let Value::Object(map) = value else { return true };
    match map.get_mut(key) {
        Some(Value::Object(_)) if !rest.is_empty() => map.get_mut(key).is_none_or(|child| remove(child, rest)),
        _ => {
            map.remove(key);
            true
        }
    }
}
