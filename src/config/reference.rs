//! The README's table of keys, drawn from the schema.

use super::{changes, schema};
use serde_json::Value;
use std::fmt::Write;

/// A Markdown table of every key: its path, type, default and meaning.
pub fn reference() -> String {
    let mut table = String::from("| key | type | default | meaning |\n|---|---|---|---|\n");
    for (key, child) in schema::properties(&schema::schema()) {
        row(key, child, false, &mut table);
    }
    table
}

fn row(path: &str, node: &Value, required: bool, table: &mut String) {
    let text = |key: &str| node.get(key).and_then(Value::as_str).unwrap_or_default().replace('|', "\\|");
    let default = match node.get("default") {
        Some(Value::String(word)) => format!("`{word}`"),
        Some(other) => format!("`{other}`"),
        None if required => "required".to_owned(),
        None => String::new(),
    };
    // Writing to a String cannot fail.
    let restart = if changes::needs_restart(node) { " *Needs a restart.*" } else { "" };
    let _ = writeln!(table, "| `{path}` | {} | {default} | {}{restart} |", kind(node), text("description"));
    let below = |node: &Value, path: &str, table: &mut String| {
        for (key, child) in schema::properties(node) {
            row(&format!("{path}.{key}"), child, self::required(node, key), table);
        }
    };
    below(node, path, table);
    if let Some(entry) = node.get("additionalProperties") {
        below(entry, &format!("{path}.<name>"), table);
    }
    if let Some(item) = node.get("items") {
        below(item, &format!("{path}[]"), table);
    }
}

fn required(node: &Value, key: &str) -> bool {
    node.get("required").and_then(Value::as_array).is_some_and(|r| r.iter().any(|k| k == key))
}

fn kind(node: &Value) -> String {
    if let Some(choices) = node.get("enum").and_then(Value::as_array) {
        let words: Vec<_> = choices.iter().filter_map(Value::as_str).map(|c| format!("`{c}`")).collect();
        return words.join(", ");
    }
    if node.get("writeOnly").is_some() {
        return "secret".to_owned();
    }
    if let Some(format) = node.get("format").and_then(Value::as_str) {
        // A collector's differs in the example alone that messages give.
        return format.trim_start_matches("vigie-").replace("collector", "url").replace('-', " ");
    }
    let inner = |key: &str| node.get(key).filter(|s| s.is_object()).map(kind);
    match (inner("additionalProperties"), inner("items")) {
        (Some(entry), _) => format!("mapping of name to {entry}"),
        (_, Some(item)) => format!("list of {item}"),
        _ => match node.get("type").and_then(Value::as_str) {
            Some("object") => "mapping".to_owned(),
            _ => super::validate::expected(node).trim_start_matches("a ").to_owned(),
        },
    }
}
