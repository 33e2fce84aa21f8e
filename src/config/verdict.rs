//! What in a document breaks its schema: JSON Schema, draft 2020-12, as far as the schema of this file goes.
//!
//! A validator for all of JSON Schema would be a tenth of the program, and all of it would run, and stay mapped, at every
//! start. [`KEYWORDS`] is what is read; a test finds any other in the schema, and a property test holds this to such a
//! validator.

use super::scalar;
use super::schema;
use super::tree::Path;
use serde_json::{Map, Value};

#[cfg(test)]
mod oracle;

/// The keywords that are understood, and those that only tell people something.
#[cfg(test)]
pub const KEYWORDS: [&str; 24] = [
    "$schema",
    "additionalProperties",
    "default",
    "description",
    "enum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "pattern",
    "properties",
    "propertyNames",
    "required",
    "title",
    "type",
    "writeOnly",
    "x-vigie-hidden",
    "x-vigie-restart",
];

/// One way in which a document breaks its schema.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Breach {
    /// The value that is wrong; of a wrong or missing key, the key itself.
    pub path: Path,
    /// What is wrong.
    pub kind: Kind,
}

/// What is wrong; numbers are what the schema allows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// No such key.
    UnknownKey,
    /// A key of free choice that is not of the form wanted.
    KeyForm,
    /// A key that must be there.
    Missing,
    /// Another type is asked for.
    Type,
    /// Not one of the words.
    Choice,
    /// Not of the format of this name.
    Format(String),
    /// Not of the pattern.
    Pattern,
    /// Below the minimum or above the maximum.
    Range,
    /// Fewer characters than this.
    TooShort(u64),
    /// More characters than this.
    TooLong(u64),
    /// Fewer entries than this.
    TooFew(u64),
    /// More entries than this.
    TooMany(u64),
}

/// Everything in `value` that breaks `schema`, depth first.
pub fn breaches(value: &Value, schema: &Value) -> Vec<Breach> {
    let mut found = Vec::new();
    judge(value, schema, &Path::default(), &mut found);
    found
}

fn judge(value: &Value, schema: &Value, path: &Path, found: &mut Vec<Breach>) {
    let mut breach = |kind| found.push(Breach { path: path.clone(), kind });
    if schema.get("type").is_some() && !names(value).any(|name| schema::allows(schema, name)) {
        breach(Kind::Type);
    }
    if schema.get("enum").and_then(Value::as_array).is_some_and(|choices| !choices.contains(value)) {
        breach(Kind::Choice);
    }
    match value {
        Value::String(text) => judge_text(text, schema).into_iter().for_each(breach),
        Value::Number(number) if out_of_range(number, schema) => breach(Kind::Range),
        Value::Array(items) => {
            judge_count(items.len(), schema, ["minItems", "maxItems"]).into_iter().for_each(breach);
            let Some(of) = schema.get("items") else { return };
            items.iter().enumerate().for_each(|(i, item)| judge(item, of, &path.join(&i.to_string()), found));
        }
        Value::Object(map) => {
            judge_count(map.len(), schema, ["minProperties", "maxProperties"]).into_iter().for_each(breach);
            judge_keys(map, schema, path, found);
        }
        _ => {}
    }
}

/// The types that `value` is of.
fn names(value: &Value) -> impl Iterator<Item = &'static str> {
    let (first, second) = match value {
        Value::Null => ("null", None),
        Value::Bool(_) => ("boolean", None),
        Value::String(_) => ("string", None),
        Value::Array(_) => ("array", None),
        Value::Object(_) => ("object", None),
        Value::Number(n) => {
            ("number", (!n.is_f64() || n.as_f64().is_some_and(|n| n.fract() == 0.0)).then_some("integer"))
        }
    };
    std::iter::once(first).chain(second)
}

fn judge_text(text: &str, schema: &Value) -> Vec<Kind> {
    let word = |key| schema.get(key).and_then(Value::as_str);
    let format = word("format").filter(|format| scalar::check(format, text).is_err());
    let pattern = word("pattern").filter(|pattern| !matches(pattern, text));
    let length = text.chars().count() as u64;
    let short = bound(schema, "minLength").filter(|least| length < *least).map(Kind::TooShort);
    let long = bound(schema, "maxLength").filter(|most| length > *most).map(Kind::TooLong);
    let form = format.map(|name| Kind::Format(name.to_owned())).into_iter().chain(pattern.map(|_| Kind::Pattern));
    form.chain(short).chain(long).collect()
}

/// A pattern that is no regular expression matches nothing; a test compiles each of the schema's.
fn matches(pattern: &str, text: &str) -> bool {
    regex::bytes::Regex::new(pattern).is_ok_and(|regex| regex.is_match(text.as_bytes()))
}

fn judge_count(count: usize, schema: &Value, [least, most]: [&str; 2]) -> Option<Kind> {
    let count = count as u64;
    let few = bound(schema, least).filter(|least| count < *least).map(Kind::TooFew);
    few.or_else(|| bound(schema, most).filter(|most| count > *most).map(Kind::TooMany))
}

fn bound(schema: &Value, key: &str) -> Option<u64> {
    schema.get(key)?.as_u64()
}

fn out_of_range(number: &serde_json::Number, schema: &Value) -> bool {
    let Some(number) = number.as_f64() else { return false };
    let limit = |key| schema.get(key).and_then(Value::as_f64);
    limit("minimum").is_some_and(|least| number < least) || limit("maximum").is_some_and(|most| number > most)
}

fn judge_keys(map: &Map<String, Value>, schema: &Value, path: &Path, found: &mut Vec<Breach>) {
    let known = schema.get("properties");
    let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
    let form = schema.get("propertyNames");
    for (key, value) in map {
        let here = path.join(key);
        if form.is_some_and(|form| !judge_text(key, form).is_empty()) {
            found.push(Breach { path: here.clone(), kind: Kind::KeyForm });
        }
        let own = known.and_then(|known| known.get(key));
        match own.or_else(|| schema.get("additionalProperties").filter(|of| of.is_object())) {
            Some(of) => judge(value, of, &here, found),
            None if closed => found.push(Breach { path: here, kind: Kind::UnknownKey }),
            None => {}
        }
    }
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let missing = required.filter(|key| !map.contains_key(*key));
    found.extend(missing.map(|key| Breach { path: path.join(key), kind: Kind::Missing }));
}
