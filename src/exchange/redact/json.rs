//! JSON masked in one pass, without a tree: what the parser reads is written masked, or not at all.
//!
//! The parser is serde_json's. A caller must throw the output away when it fails: half a document may have been
//! misread.

use super::fields::Path;
use super::policy::Rule;
use super::value::{Number, Writer};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Deepest container shown; CRM payloads have less than ten. It also bounds the stack (serde_json itself stops at 128).
const MAX_DEPTH: u8 = 32;

/// Writes `text`, a JSON document that stands at `path` and `depth`.
pub(super) fn mask(
    writer: &mut Writer<'_>,
    text: &str,
    path: Option<&Path<'_>>,
    depth: u8,
) -> Result<(), serde_json::Error> {
    let mut parser = serde_json::Deserializer::from_str(text);
    Value { writer, rule: Rule::Denied, path, depth }.deserialize(&mut parser)?;
    parser.end()
}

/// True when the text begins and ends like an object or an array.
pub(super) fn looks_like_document(text: &str) -> bool {
    let bytes = text.trim_ascii().as_bytes();
    matches!((bytes.first(), bytes.last()), (Some(b'{'), Some(b'}')) | (Some(b'['), Some(b']'))) && bytes.len() >= 2
}

/// One value of the document, to be written under `rule`.
struct Value<'w, 'a, 'p> {
    writer: &'w mut Writer<'a>,
    rule: Rule,
    path: Option<&'p Path<'p>>,
    depth: u8,
}

impl<'de> DeserializeSeed<'de> for Value<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, parser: D) -> Result<(), D::Error> {
        let instead = match (self.rule, self.depth) {
            // Whole containers too: a safe name inside a secret is still secret.
            (Rule::Secret, _) => "[secret]",
            (_, depth) if depth > MAX_DEPTH => "[deep]",
            _ => return parser.deserialize_any(self),
        };
        self.writer.placeholder(instead);
        parser.deserialize_ignored_any(IgnoredAny).map(drop)
    }
}

impl<'de> Visitor<'de> for Value<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.writer.literal(self.rule, if value { "true" } else { "false" });
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.writer.literal(self.rule, "null");
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.writer.number(self.rule, Number::Unsigned(value));
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.writer.number(self.rule, Number::Signed(value));
        Ok(())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.writer.number(self.rule, Number::Float(value));
        Ok(())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.writer.text(self.rule, value, self.path, self.depth + 1);
        Ok(())
    }

    /// Elements stand under the array's own name.
    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        let Self { writer, rule, path, depth } = self;
        writer.out.push('[');
        let mut separator = "";
        loop {
            if writer.is_full() {
                if array.next_element::<IgnoredAny>()?.is_some() {
                    writer.out.push_str(separator);
                    writer.out.push_str("\"[cut]\"");
                    while array.next_element::<IgnoredAny>()?.is_some() {}
                }
                break;
            }
            let (before, started) = (writer.out.len(), separator);
            writer.out.push_str(started);
            if array.next_element_seed(Value { writer: &mut *writer, rule, path, depth: depth + 1 })?.is_none() {
                writer.out.truncate(before);
                break;
            }
            separator = ",";
        }
        writer.out.push(']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let Self { writer, path, depth, .. } = self;
        writer.out.push('{');
        let mut separator = "";
        loop {
            if writer.is_full() {
                if object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
                    writer.out.push_str(separator);
                    writer.out.push_str("\"[cut]\":true");
                    while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                }
                break;
            }
            let Some(name) = object.next_key_seed(Name)? else { break };
            writer.out.push_str(separator);
            separator = ",";
            writer.out.push('"');
            let rule = writer.name(&name, path);
            writer.out.push_str("\":");
            let here = Path { name: &name, parent: path };
            object.next_value_seed(Value { writer: &mut *writer, rule, path: Some(&here), depth: depth + 1 })?;
        }
        writer.out.push('}');
        Ok(())
    }
}

/// A field's name, borrowed from the document unless it has escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, parser: D) -> Result<Self::Value, D::Error> {
        parser.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}
