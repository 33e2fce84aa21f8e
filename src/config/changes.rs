//! What differs between two configurations, key by key, and whether the agent must be restarted for it. Values are never
//! shown: they may be secrets.

use super::schema;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt;

/// Marks the schema of keys that take effect at the start only; everything below such a key is so as well.
const RESTART: &str = "x-vigie-restart";

/// One configuration with everything expanded, to be compared with another. It holds secrets and shows nothing.
#[derive(Clone)]
pub struct Document(pub(super) Value);

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Document")
    }
}

/// A key whose value differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// E.g. `upstreams.freshsales.url`; the name alone for an entry that is new or gone.
    pub key: String,
    /// It takes effect after a restart only.
    pub restart: bool,
}

impl Document {
    /// Every key that differs from `old`, by name. An absent key is its default.
    pub fn changes(&self, old: &Self) -> Vec<Change> {
        let mut found = Vec::new();
        compare(&old.0, &self.0, &schema::schema(), "", false, &mut found);
        found
    }

    /// Takes over what a reload puts in force: the rest stays as the process was started with.
    pub fn adopt(&mut self, new: Self) {
        let started = std::mem::replace(&mut self.0, new.0);
        for key in restart_keys() {
            let pointer = format!("/{}", key.replace('.', "/"));
            put(&mut self.0, &pointer, started.pointer(&pointer).cloned());
        }
    }
}

/// Every key that needs a restart, by path.
pub fn restart_keys() -> Vec<String> {
    fn collect(node: &Value, path: &str, found: &mut Vec<String>) {
        for (key, child) in schema::properties(node) {
            let here = join(path, key);
            if needs_restart(child) { found.push(here) } else { collect(child, &here, found) }
        }
    }
    let mut found = Vec::new();
    collect(&schema::schema(), "", &mut found);
    found
}

/// True when the key with this schema takes effect at the start only.
pub fn needs_restart(schema: &Value) -> bool {
    schema.get(RESTART) == Some(&Value::Bool(true))
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Sets or removes what `pointer` points at; sections on the way are made as needed.
fn put(root: &mut Value, pointer: &str, value: Option<Value>) {
    let Some((parent, key)) = pointer.rsplit_once('/') else { return };
    if value.is_some() && root.pointer(parent).is_none() {
        put(root, parent, Some(Value::Object(Map::new())));
    }
    let Some(Value::Object(section)) = root.pointer_mut(parent) else { return };
    match value {
        Some(value) => drop(section.insert(key.to_owned(), value)),
        None => drop(section.remove(key)),
    }
}

fn compare(old: &Value, new: &Value, schema: &Value, path: &str, restart: bool, found: &mut Vec<Change>) {
    if old == new {
        return;
    }
    let (Value::Object(a), Value::Object(b)) = (old, new) else {
        return found.push(Change { key: path.to_owned(), restart });
    };
    let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    for key in keys {
        let here = join(path, key);
        let Some(child) = schema::child(schema, key) else { continue };
        let restart = restart || needs_restart(child);
        match (value(a, key, child), value(b, key, child)) {
            (Some(old), Some(new)) => compare(&old, &new, child, &here, restart, found),
            (None, None) => {}
            _ => found.push(Change { key: here, restart }),
        }
    }
}

/// What stands at `key`, or its default; a section that is absent is an empty one.
fn value(object: &Map<String, Value>, key: &str, schema: &Value) -> Option<Value> {
    let section = || schema.get("properties").filter(|_| schema.get("required").is_none());
    let default = || schema.get("default").cloned().or_else(|| section().map(|_| Value::Object(Map::new())));
    object.get(key).cloned().or_else(default)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn changes(old: Value, new: Value) -> Vec<(String, bool)> {
        Document(new).changes(&Document(old)).into_iter().map(|c| (c.key, c.restart)).collect()
    }

    #[test]
    fn keys_are_named_and_values_are_not() {
        let found = changes(
            json!({ "upstreams": { "crm": { "url": "https://a" }, "old": { "url": "https://b" } }, "data_dir": "a" }),
            json!({ "upstreams": { "crm": { "url": "https://c" } }, "data_dir": "b", "admin": { "tokens": ["x"] } }),
        );
        let keys: Vec<_> = found.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["admin.tokens", "data_dir", "upstreams.crm.url", "upstreams.old"]);
        assert!(found.contains(&("data_dir".to_owned(), true)));
        assert!(found.contains(&("upstreams.crm.url".to_owned(), false)));
        assert_eq!(format!("{:?}", Document(json!("s3cret"))), "Document");
    }

    #[test]
    fn a_default_written_out_is_no_change() {
        assert_eq!(changes(json!({}), json!({ "proxy": { "workers": "auto" }, "history": { "days": 30 } })), []);
        assert_eq!(changes(json!({}), json!({ "history": { "days": 31 } })), [("history.days".to_owned(), true)]);
    }

    #[test]
    fn what_needs_a_restart_stays_a_change_until_there_was_one() {
        let mut in_force = Document(json!({ "data_dir": "a", "recorder": { "queue": 16 } }));
        let new = Document(json!({ "data_dir": "b", "recorder": { "capture": "all" }, "traces": { "ratio": 1.0 } }));
        in_force.adopt(new.clone());
        let again: Vec<_> = new.changes(&in_force).into_iter().map(|c| c.key).collect();
        assert_eq!(again, ["data_dir", "recorder.queue"]);
    }

    #[test]
    fn what_needs_a_restart_is_marked() {
        let keys = restart_keys();
        for key in ["data_dir", "masking", "proxy.workers", "history"] {
            assert!(keys.iter().any(|k| k == key), "{key} in {keys:?}");
        }
        assert!(!keys.iter().any(|k| k.starts_with("upstreams") || k.starts_with("integrations")), "{keys:?}");
    }
}
