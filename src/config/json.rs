//! The tree as JSON, typed by what the schema expects: `012` is text where text is asked for and a number where a number
//! is. So a value from the environment, and a token that looks like a number, need no quotes.

use super::schema;
use super::tree::{Node, Origin, Path, Scalar, Value as Tree};
use serde_json::{Map, Number, Value};

/// Converts `node`, leaving out what stands at a path in `failed`.
pub fn convert(node: &Node, schema: &Value, failed: &[Path]) -> Value {
    typed(node, Some(schema), &Path::default(), failed)
}

fn typed(node: &Node, schema: Option<&Value>, path: &Path, failed: &[Path]) -> Value {
    let next = |step: &str, node: &Node| {
        let here = path.join(step);
        (!failed.contains(&here)).then(|| typed(node, schema.and_then(|s| schema::child(s, step)), &here, failed))
    };
    match &node.value {
        Tree::Scalar(scalar) => typed_scalar(scalar, schema),
        Tree::Sequence(items) => {
            // A hole stays, so that the other items keep their indices.
            Value::Array(items.iter().enumerate().map(|(i, n)| next(&i.to_string(), n).unwrap_or_default()).collect())
        }
        Tree::Mapping(entries) => {
            Value::Object(entries.iter().filter_map(|e| Some((e.key.clone(), next(&e.key, &e.node)?))).collect())
        }
    }
}

/// True for what YAML reads as nothing.
pub fn is_null(scalar: &Scalar) -> bool {
    let word = matches!(scalar.text.as_str(), "" | "~" | "null" | "Null" | "NULL");
    scalar.plain && scalar.origin == Origin::Literal && word
}

fn typed_scalar(scalar: &Scalar, schema: Option<&Value>) -> Value {
    let allows = |name| schema.is_some_and(|s| schema::allows(s, name));
    let text = scalar.text.as_str();
    // A section whose keys are all commented out is an empty section.
    if is_null(scalar) {
        return match () {
            () if allows("object") => Value::Object(Map::new()),
            () if allows("array") => Value::Array(Vec::new()),
            () => Value::Null,
        };
    }
    // A quoted literal is text, whatever it looks like.
    let resolves = scalar.plain || scalar.origin != Origin::Literal;
    let number = match () {
        () if allows("string") || !resolves => None,
        () if allows("boolean") => return boolean(text).map_or_else(|| Value::from(text), Value::Bool),
        () if allows("integer") => {
            text.parse::<u64>().ok().map(Number::from).or_else(|| text.parse::<i64>().ok().map(Number::from))
        }
        () if allows("number") => text.parse::<f64>().ok().and_then(Number::from_f64),
        () => None,
    };
    number.map_or_else(|| Value::from(text), Value::Number)
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}
