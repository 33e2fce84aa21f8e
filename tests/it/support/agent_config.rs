//! The agent's configuration for a test: a base that works, and whatever the test changes.

use serde_json::{Value, json};
use std::path::Path;

/// A configuration with one Freshsales upstream, ports of the system's choice, and all files below `home`.
pub fn base(home: &Path, upstream: &str) -> Value {
    json!({
        "data_dir": home.join("data"),
        "proxy": { "listeners": [{ "address": "127.0.0.1:0" }], "workers": 2 },
        "upstreams": { "freshsales": { "vendor": "freshsales", "url": upstream } },
        "integrations": { "erp": { "system": "ERP", "header": { "name": "X-Integration", "value": "erp" } } },
        "log": { "stdout": true, "file": { "path": home.join("exchanges.log") } },
        "history": { "enabled": true },
        "admin": { "address": "127.0.0.1:0" },
    })
}

/// Lays `changes` over `target` (RFC 7386: objects merge, null removes, all else replaces).
pub fn merge(target: &mut Value, changes: Value) {
    let Value::Object(changes) = changes else {
        *target = changes;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let object = target.as_object_mut().expect("made an object above");
    for (key, change) in changes {
        if change.is_null() {
            object.remove(&key);
        } else {
            merge(object.entry(key).or_insert(Value::Null), change);
        }
    }
}

#[test]
fn changes_are_merged() {
    let mut config = json!({ "a": { "b": 1, "c": 2 }, "d": [1, 2] });
    merge(&mut config, json!({ "a": { "b": null, "e": { "f": 3 } }, "d": [4] }));
    assert_eq!(config, json!({ "a": { "c": 2, "e": { "f": 3 } }, "d": [4] }));
}
