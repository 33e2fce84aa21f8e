//! `VIGIE_<PATH>`: environment variables in place of scalar keys, e.g. `VIGIE_ADMIN_ADDRESS` for `admin.address`.
//!
//! Only keys that every file has can be named so: those below `upstreams`, `integrations` and in lists cannot.

use super::env::Env;
use super::expand;
use super::json;
use super::report::{Problem, Report};
use super::schema;
use super::tree::{Entry, Node, Origin, Path, Pos, Scalar, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use zeroize::Zeroizing;

/// What the variables' names start with.
const PREFIX: &str = "VIGIE_";

/// Every variable that overrides a key, and the key's path.
pub fn names(schema: &serde_json::Value) -> BTreeMap<String, Path> {
    let mut names = BTreeMap::new();
    collect(schema, &Path::default(), &mut names);
    names
}

fn collect(node: &serde_json::Value, path: &Path, names: &mut BTreeMap<String, Path>) {
    for (key, child) in schema::properties(node) {
        let here = path.join(key);
        if child.get("properties").is_some() {
            collect(child, &here, names);
        } else if !schema::allows(child, "array") && !schema::allows(child, "object") {
            names.insert(format!("{PREFIX}{}", here.steps().join("_").to_uppercase()), here);
        }
    }
}

/// Puts the variables that are set, and not empty, into the tree. Returns the paths of those that could not be read.
pub fn apply(root: &mut Node, schema: &serde_json::Value, env: &Env, report: &mut Report) -> Vec<Path> {
    let mut failed = Vec::new();
    for (name, path) in names(schema) {
        let Some(text) = env.get(&name).filter(|text| !text.is_empty()) else { continue };
        let pos = Pos::Env(Arc::from(name.as_str()));
        let text = Zeroizing::new(text.to_owned());
        let mut scalar = Scalar { text, plain: false, origin: Origin::Expanded(name) };
        // `file:` is read, but `${…}` is not: the shell has had its turn.
        if let Some(file) = scalar.text.strip_prefix("file:") {
            match expand::read_secret(file, "the file it names") {
                Ok(text) => scalar.text = text,
                Err(message) => {
                    report.error(pos.clone(), path.clone(), message);
                    failed.push(path.clone());
                }
            }
        }
        put(root, path.steps(), Node { pos, value: Value::Scalar(scalar) });
    }
    failed
}

/// Sets `steps`, adding mappings on the way. A parent that is no mapping is left alone: it is an error of its own.
fn put(node: &mut Node, steps: &[String], value: Node) {
    let Some((key, rest)) = steps.split_first() else {
        *node = value;
        return;
    };
    if matches!(&node.value, Value::Scalar(s) if json::is_null(s)) {
        node.value = Value::Mapping(Vec::new());
    }
    let Value::Mapping(entries) = &mut node.value else { return };
    let index = entries.iter().position(|e| e.key == *key).unwrap_or_else(|| {
        let empty = Node { pos: value.pos.clone(), value: Value::Mapping(Vec::new()) };
        entries.push(Entry { key: key.clone(), pos: value.pos.clone(), node: empty });
        entries.len() - 1
    });
    put(&mut entries[index].node, rest, value);
}

/// Warns of variables whose names are nearly, but not quite, one that is read.
pub fn warn_of_slips(schema: &serde_json::Value, text: &str, env: &Env, source: &str) -> Vec<Problem> {
    let known = names(schema);
    let nearly = |name: &str| {
        known.keys().find(|k| strsim::damerau_levenshtein(name, k) <= 2).map(|k| format!("not read; did you mean {k}?"))
    };
    let unknown = env.names(PREFIX).filter(|name| !known.contains_key(*name) && !text.contains(name));
    unknown.filter_map(|name| Some(Problem::of_variable(source, name, nearly(name)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_paths_and_are_unlike_what_clusters_inject() {
        let names = names(&schema::schema());
        for (name, path) in [
            ("VIGIE_DATA_DIR", "data_dir"),
            ("VIGIE_PROXY_ADDRESS", "proxy.address"),
            ("VIGIE_ADMIN_ADDRESS", "admin.address"),
            ("VIGIE_LOG_FILE_PATH", "log.file.path"),
            ("VIGIE_MASKING_KEY", "masking.key"),
            ("VIGIE_METRICS_CAPS_SERIES", "metrics.caps.series"),
        ] {
            assert_eq!(names.get(name).map(ToString::to_string).as_deref(), Some(path), "{name}");
        }
        // Kubernetes sets VIGIE_PORT, VIGIE_SERVICE_HOST, VIGIE_ADMIN_PORT_9464_TCP … in every pod beside such a service.
        let injected = |name: &&String| name.contains("_PORT") || name.contains("_SERVICE_HOST");
        assert_eq!(names.keys().find(injected), None);
        let paths: std::collections::BTreeSet<_> = names.values().map(ToString::to_string).collect();
        assert_eq!(paths.len(), names.len(), "two paths share a variable");
    }
}
