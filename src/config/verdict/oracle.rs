//! The same verdict by a validator for all of JSON Schema, to hold the one that is used to.

use super::{Breach, KEYWORDS, Kind, breaches};
use crate::config::tree::Path;
use crate::config::{scalar, schema};
use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

static SCHEMA: LazyLock<Value> = LazyLock::new(schema::schema);
static ORACLE: LazyLock<Validator> = LazyLock::new(|| {
    let options = jsonschema::options().should_validate_formats(true);
    let check = |name: &'static str| move |text: &str| scalar::check(name, text).is_ok();
    scalar::FORMATS.into_iter().fold(options, |o, name| o.with_format(name, check(name))).build(&SCHEMA).expect("valid")
});

#[test]
fn the_schema_holds_nothing_that_is_not_understood() {
    let mut seen = 0;
    each_schema(&SCHEMA, &mut |schema| {
        seen += 1;
        for (key, value) in schema {
            assert!(KEYWORDS.contains(&key.as_str()), "{key} in {schema:?}");
            let known = |format: &Value| scalar::FORMATS.iter().any(|known| format == known);
            assert!(key != "format" || known(value), "{value} is not a format");
            let compiles = |pattern: &Value| regex::bytes::Regex::new(pattern.as_str().unwrap_or("(")).is_ok();
            assert!(key != "pattern" || compiles(value), "{value} is not a pattern");
            let whole = value.is_u64() || !["min", "max"].iter().any(|p| key.starts_with(p)) || key.ends_with("imum");
            assert!(whole, "{key} is not a whole number");
        }
    });
    assert!(seen > 100, "{seen} schemas");
}

fn each_schema(schema: &Value, seen: &mut impl FnMut(&Map<String, Value>)) {
    let Value::Object(map) = schema else { return };
    seen(map);
    schema::properties(schema).for_each(|(_, below)| each_schema(below, seen));
    ["items", "additionalProperties", "propertyNames"]
        .iter()
        .filter_map(|k| map.get(*k))
        .for_each(|b| each_schema(b, seen));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn finds_what_a_general_validator_finds(document in document(&SCHEMA)) {
        let mut ours = breaches(&document, &SCHEMA);
        let mut theirs: Vec<Breach> = ORACLE.iter_errors(&document).flat_map(|e| translated(&e)).collect();
        ours.sort();
        theirs.sort();
        prop_assert_eq!(ours, theirs, "{}", document);
    }
}

/// Documents that mostly follow `schema`, with a slip here and there.
fn document(schema: &Value) -> BoxedStrategy<Value> {
    prop_oneof![12 => following(schema), 1 => slip()].boxed()
}

fn following(schema: &Value) -> BoxedStrategy<Value> {
    if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
        return proptest::sample::select(choices.clone()).boxed();
    }
    match schema {
        _ if schema::allows(schema, "object") => mapping(schema),
        _ if schema::allows(schema, "array") => {
            prop::collection::vec(document(&schema["items"]), 0..4).prop_map(Value::Array).boxed()
        }
        _ if schema::allows(schema, "boolean") => any::<bool>().prop_map(Value::Bool).boxed(),
        _ if schema::allows(schema, "integer") => (0_u64..2000).prop_map(Value::from).boxed(),
        _ if schema::allows(schema, "number") => (-2.0..2.0).prop_map(Value::from).boxed(),
        _ => text(),
    }
}

fn mapping(schema: &Value) -> BoxedStrategy<Value> {
    let known = schema::properties(schema).map(|(key, of)| {
        prop::option::weighted(
            0.4,
            document(of).prop_map({
                let key = key.to_owned();
                move |value| (key.clone(), value)
            }),
        )
        .boxed()
    });
    let known: Vec<_> = known.collect();
    let entry = schema.get("additionalProperties").filter(|of| of.is_object()).map_or_else(slip, document);
    // Where keys are free there are some, elsewhere they are a slip.
    let most = if schema.get("additionalProperties").is_some_and(Value::is_object) { 4 } else { 1 };
    let free = prop::collection::vec(("[a-zA-Z_-]{0,6}", entry), 0..=most);
    let whole = (known, free, prop::bool::weighted(if most > 1 { 1.0 } else { 0.1 }));
    whole
        .prop_map(|(known, free, with)| known.into_iter().flatten().chain(free.into_iter().filter(|_| with)).collect())
        .boxed()
}

fn text() -> BoxedStrategy<Value> {
    let words =
        ["", "5s", "64KiB", "127.0.0.1:80", "https://a.example", "/erp", "auto", "X-A", "0123456789abcdef0123", "é"];
    prop_oneof![proptest::sample::select(words.to_vec()).prop_map(Value::from), ".{0,50}".prop_map(Value::from)].boxed()
}

fn slip() -> BoxedStrategy<Value> {
    let fixed = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1.0),
        json!(1e9),
        json!({}),
        json!([]),
        json!(["a", {}]),
        json!({"a": 1}),
    ];
    prop_oneof![proptest::sample::select(fixed.to_vec()), text()].boxed()
}

fn translated(error: &ValidationError<'_>) -> Vec<Breach> {
    let path = of_pointer(error.instance_path().as_str());
    let kind = match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            return unexpected.iter().map(|key| Breach { path: path.join(key), kind: Kind::UnknownKey }).collect();
        }
        ValidationErrorKind::PropertyNames { error } => {
            let key = error.instance().as_str().unwrap_or_default();
            return vec![Breach { path: path.join(key), kind: Kind::KeyForm }];
        }
        ValidationErrorKind::Required { property } => {
            return vec![Breach { path: path.join(property.as_str().unwrap_or_default()), kind: Kind::Missing }];
        }
        ValidationErrorKind::Type { .. } => Kind::Type,
        ValidationErrorKind::Enum { .. } => Kind::Choice,
        ValidationErrorKind::Format { format } => Kind::Format(format.clone()),
        ValidationErrorKind::Pattern { .. } => Kind::Pattern,
        ValidationErrorKind::Minimum { .. } | ValidationErrorKind::Maximum { .. } => Kind::Range,
        ValidationErrorKind::MinLength { limit } => Kind::TooShort(*limit),
        ValidationErrorKind::MaxLength { limit } => Kind::TooLong(*limit),
        ValidationErrorKind::MinItems { limit } | ValidationErrorKind::MinProperties { limit } => Kind::TooFew(*limit),
        ValidationErrorKind::MaxItems { limit } | ValidationErrorKind::MaxProperties { limit } => Kind::TooMany(*limit),
        other => panic!("not in the schema: {other:?}"),
    };
    vec![Breach { path, kind }]
}

/// From a JSON pointer, where `/` and `~` in keys are escaped.
fn of_pointer(pointer: &str) -> Path {
    let steps = pointer.split('/').skip(1).map(|s| s.replace("~1", "/").replace("~0", "~"));
    steps.fold(Path::default(), |path, step| path.join(&step))
}
