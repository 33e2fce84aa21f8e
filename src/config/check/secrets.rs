//! Secrets that stand in the file itself, which is copied, diffed and mailed.

use super::Checker;
use crate::config::schema;
use crate::config::tree::{Node, Origin, Value};

/// Warns of every secret written out.
pub fn check(checker: &mut Checker<'_>, schema: &serde_json::Value) {
    let mut written = Vec::new();
    collect(checker.root, schema, "", &mut written);
    for path in written {
        checker.warn(&path, "a secret is written in the file; use ${NAME} or file:/path");
    }
    let traces = &checker.file.traces;
    let endpoint = traces.endpoint.as_ref().filter(|e| !e.0.tls && !e.0.is_loopback());
    if endpoint.is_some() && !traces.headers.is_empty() {
        checker.warn("traces/headers", "they reach the collector in plain text; use https");
    }
}

fn collect(node: &Node, schema: &serde_json::Value, path: &str, written: &mut Vec<String>) {
    let mut down = |step: &str, node: &Node| {
        if let Some(child) = schema::child(schema, step) {
            collect(node, child, &format!("{path}/{step}"), written);
        }
    };
    match &node.value {
        Value::Mapping(entries) => entries.iter().for_each(|e| down(&e.key, &e.node)),
        Value::Sequence(items) => items.iter().enumerate().for_each(|(i, n)| down(&i.to_string(), n)),
        Value::Scalar(s) => {
            let secret = schema.get("writeOnly").is_some() && s.origin == Origin::Literal;
            if secret && !s.text.starts_with("blake3:") {
                written.push(path.to_owned());
            }
        }
    }
}
