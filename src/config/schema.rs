//! The JSON Schema of the file, and how to walk it. Subschemas are inlined, so a path in the file is a path in it.

use super::raw::File;
use schemars::transform::transform_subschemas;
use schemars::{Schema, generate::SchemaSettings};
use serde_json::{Map, Value};

/// The schema, draft 2020-12, with descriptions and defaults.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true).with_transform(tidy);
    settings.into_generator().into_root_schema_for::<File>().to_value()
}

/// Takes out what a file need not know: `null` for absent keys, integer widths, line breaks in descriptions.
fn tidy(schema: &mut Schema) {
    transform_subschemas(&mut tidy, schema);
    let Some(object) = schema.as_object_mut() else { return };
    unwrap_nullable(object);
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    if object.get("format").and_then(Value::as_str).is_some_and(|f| !f.starts_with("vigie-")) {
        object.remove("format");
    }
    if let Some(Value::String(text)) = object.get_mut("description") {
        *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
}

/// `T or null` becomes `T`: an absent key says the same, and an empty one is more likely a mistake.
fn unwrap_nullable(object: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|t| t != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            object.insert("type".to_owned(), one);
        }
    }
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.retain(|v| !v.is_null());
    }
    let Some(Value::Array(choices)) = object.get_mut("anyOf") else { return };
    choices.retain(|c| c.get("type").is_none_or(|t| t != "null"));
    if let [Value::Object(one)] = choices.as_mut_slice() {
        let one = std::mem::take(one);
        object.remove("anyOf");
        for (key, value) in one {
            object.entry(key).or_insert(value);
        }
    }
}

/// The schema of `step` inside what `schema` describes.
pub fn child<'a>(schema: &'a Value, step: &str) -> Option<&'a Value> {
    let property = schema.get("properties").and_then(|p| p.get(step));
    property.or_else(|| schema.get("additionalProperties").filter(|s| s.is_object())).or_else(|| schema.get("items"))
}

/// The schema at `steps`.
pub fn at<'a>(schema: &'a Value, steps: &[String]) -> Option<&'a Value> {
    steps.iter().try_fold(schema, |s, step| child(s, step))
}

/// True when the schema's `type` is, or holds, `name`.
pub fn allows(schema: &Value, name: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(one)) => one == name,
        Some(Value::Array(several)) => several.iter().any(|t| t == name),
        _ => false,
    }
}

/// True when a secret can stand at or below `schema`: then nothing that was found there is shown.
pub fn holds_secret(schema: &Value) -> bool {
    let inside = |key| schema.get(key).is_some_and(holds_secret);
    // What identifies a caller is hidden as well, though writing it into the file is fine.
    schema.get("writeOnly") == Some(&Value::Bool(true))
        || schema.get("x-vigie-hidden") == Some(&Value::Bool(true))
        || inside("items")
        || inside("additionalProperties")
        || properties(schema).any(|(_, s)| holds_secret(s))
}

/// The fixed keys that `schema` knows, and their schemas.
pub fn properties(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten().map(|(k, v)| (k.as_str(), v))
}
