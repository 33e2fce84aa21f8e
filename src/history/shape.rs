//! What filters look at in a record, but for times and ids: a few words and numbers from closed or configured sets.
//!
//! Traffic has few shapes (some hundred for millions of records), so a segment keeps each once, a row names its shape by
//! number, and a filter is decided once a shape instead of once a row.

use super::codec::{Input, put_text, put_varint};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::HashMap;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Shapes in one segment; beyond it the segment ends early, so that its list stays small.
pub(super) const MAX_SHAPES: usize = 16_384;

/// One shape. Read from a record's JSON line, of which it takes what it knows.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Shape {
    pub(super) endpoint: String,
    pub(super) method: String,
    pub(super) outcome: String,
    #[serde(default)]
    pub(super) error_kind: Option<String>,
    pub(super) kind: String,
    pub(super) integration: String,
    pub(super) upstream: String,
    pub(super) status_code: u16,
    #[serde(default)]
    pub(super) inner_status: Option<u16>,
}

/// What a line tells beside its shape.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Told<'a> {
    #[serde(borrow)]
    pub(super) correlation_id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) trace_id: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) vendor_request_id: Option<Cow<'a, str>>,
}

impl Shape {
    /// The hash of a shape's words (endpoint, method, outcome, error kind or empty, kind, integration, upstream) and
    /// statuses. None of them is a caller's to choose, so nobody can make two collide.
    pub(super) fn hash(words: [&str; 7], status: u16, inner: Option<u16>) -> u64 {
        let seed = u64::from(status) | u64::from(inner.map_or(0, |s| s.saturating_add(1))) << 16;
        words.iter().fold(seed, |seed, word| xxh3_64_with_seed(word.as_bytes(), seed))
    }

    /// Its own hash.
    pub(super) fn own_hash(&self) -> u64 {
        let error = self.error_kind.as_deref().unwrap_or("");
        let words = [&self.endpoint, &self.method, &self.outcome, error, &self.kind, &self.integration, &self.upstream];
        Self::hash(words, self.status_code, self.inner_status)
    }

    /// The shape of a record's JSON line; `None` if it is no such line.
    pub(super) fn of_line(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for word in [&self.endpoint, &self.method, &self.outcome, &self.kind, &self.integration, &self.upstream] {
            put_text(out, word);
        }
        put_text(out, self.error_kind.as_deref().unwrap_or(""));
        put_varint(out, self.status_code.into());
        put_varint(out, self.inner_status.map_or(0, |s| u64::from(s) + 1));
    }

    pub(super) fn read(input: &mut Input<'_>) -> Option<Self> {
        let mut word = || input.text().map(str::to_owned);
        let (endpoint, method, outcome) = (word()?, word()?, word()?);
        let (kind, integration, upstream, error) = (word()?, word()?, word()?, word()?);
        let status_code = u16::try_from(input.varint()?).ok()?;
        let inner = u16::try_from(input.varint()?).ok()?;
        let error_kind = (!error.is_empty()).then_some(error);
        let inner_status = inner.checked_sub(1);
        Some(Self { endpoint, method, outcome, error_kind, kind, integration, upstream, status_code, inner_status })
    }
}

/// The shapes of a segment that is being written, by their hash.
#[derive(Default)]
pub(super) struct Shapes {
    pub(super) list: Vec<Shape>,
    numbers: HashMap<u64, u32>,
}

impl Shapes {
    pub(super) fn of(list: Vec<Shape>) -> Self {
        let numbers = list.iter().zip(0..).map(|(shape, number)| (shape.own_hash(), number)).collect();
        Self { list, numbers }
    }

    /// The number of the shape with this hash, read from the line when it is new; `None` if the line cannot be read.
    pub(super) fn number(&mut self, hash: u64, line: &[u8]) -> Option<u32> {
        if let Some(number) = self.numbers.get(&hash) {
            return Some(*number);
        }
        let number = u32::try_from(self.list.len()).ok()?;
        self.list.push(Shape::of_line(line)?);
        self.numbers.insert(hash, number);
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Entry;
    use crate::history::testing::record;
    use serde_json::json;

    #[test]
    fn a_line_a_record_and_the_file_tell_the_same_shape() {
        for changes in [
            json!({}),
            json!({ "status_code": 502, "inner_status": 0, "error_kind": "connect", "outcome": "network" }),
            json!({ "endpoint": "/api/\"q\"/{id}", "integration": "", "trace_id": "" }),
        ] {
            let record = record(changes);
            let line = serde_json::to_vec(&record).unwrap();
            let shape = Shape::of_line(&line).unwrap();
            assert_eq!(shape.own_hash(), Entry::of(&record, 0, None, 0..line.len()).shape);
            let mut bytes = Vec::new();
            shape.write(&mut bytes);
            assert_eq!(Shape::read(&mut Input(&bytes)).as_ref(), Some(&shape));
            let told: Told<'_> = serde_json::from_slice(&line).unwrap();
            assert_eq!(told.correlation_id, record.correlation_id.as_str());
        }
    }

    #[test]
    fn what_stands_in_another_field_is_another_shape() {
        let base = record(json!({}));
        let hash = |changes| Entry::of(&record(changes), 0, None, 0..0).shape;
        let own = Entry::of(&base, 0, None, 0..0).shape;
        assert_eq!(hash(json!({ "correlation_id": "other", "duration_ms": 1.0 })), own);
        for changes in [
            json!({ "status_code": 200 }),
            json!({ "inner_status": 201 }),
            json!({ "integration": "freshsales", "upstream": "erp" }),
            json!({ "error_kind": "tls" }),
        ] {
            assert_ne!(hash(changes.clone()), own, "{changes}");
        }
    }
}
