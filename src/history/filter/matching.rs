//! A filter as tests: on a row's shape, on the numbers beside its line, on the line itself. The cheap ones come first.

use super::value::Words;
use super::{Filter, StatusRange};
use crate::history::block::Row;
use crate::history::keys::{self, KeyKind};
use crate::history::shape::{Shape, Told};
use memchr::memmem::Finder;

/// A filter, made ready to be asked many times.
pub(in crate::history) struct Matcher<'a> {
    filter: &'a Filter,
    ids: Vec<Id<'a>>,
    text: Option<Finder<'a>>,
}

/// An id that a row must have.
struct Id<'a> {
    kind: KeyKind,
    id: &'a str,
    /// Finds lines that may have it, as JSON writes it, without reading them.
    finder: Finder<'static>,
}

impl<'a> Matcher<'a> {
    pub(in crate::history) fn new(filter: &'a Filter) -> Self {
        let ids = [
            (KeyKind::Correlation, &filter.correlation_id),
            (KeyKind::VendorRequest, &filter.vendor_request_id),
            (KeyKind::Trace, &filter.trace_id),
        ];
        let ids = ids.into_iter().filter_map(|(kind, id)| {
            let id = id.as_deref()?;
            let json = serde_json::Value::from(id).to_string();
            Some(Id { kind, id, finder: Finder::new(json.as_bytes()).into_owned() })
        });
        Self { filter, ids: ids.collect(), text: filter.text.as_deref().map(Finder::new) }
    }

    /// The key that leads to the fewest blocks, if the filter has one: its kind and hash.
    pub(in crate::history) fn key(&self) -> Option<(KeyKind, u64)> {
        self.ids.first().map(|id| (id.kind, keys::hash(id.kind, id.id)))
    }

    /// Whether rows between these ids and times can match.
    pub(in crate::history) fn may_span(&self, last_id: i64, min_ts: i64, max_ts: i64) -> bool {
        let Filter { since_us, until_us, after, .. } = self.filter;
        // Nothing is recorded before it started, so the id bounds the search too; the time decides.
        after.is_none_or(|after| last_id > after)
            && since_us.is_none_or(|since| last_id >= since && max_ts >= since)
            && until_us.is_none_or(|until| min_ts < until)
    }

    /// Whether rows of this shape can match.
    pub(in crate::history) fn shape(&self, shape: &Shape) -> bool {
        let Filter { route, integration, upstream, method, outcome, kind, status, .. } = self.filter;
        let named = |pattern: &Option<String>, text: &str| pattern.as_deref().is_none_or(|p| matches(p, text));
        let word = |words: &Option<Words>, text: &str| {
            words.as_ref().is_none_or(|words| words.list.contains(&text) != words.not)
        };
        let within = |range: &StatusRange| (range.from..=range.to).contains(&shape.status_code);
        named(route, &shape.endpoint)
            && named(integration, &shape.integration)
            && named(upstream, &shape.upstream)
            && method.as_ref().is_none_or(|method| *method == shape.method)
            && word(outcome, &shape.outcome)
            && word(kind, &shape.kind)
            && status.as_ref().is_none_or(|ranges| ranges.iter().any(within))
    }

    /// Whether a row of an accepted shape can match.
    pub(in crate::history) fn row(&self, row: &Row) -> bool {
        let Filter { since_us, until_us, after, .. } = self.filter;
        after.is_none_or(|after| row.id > after)
            && since_us.is_none_or(|since| row.ts_us >= since)
            && until_us.is_none_or(|until| row.ts_us < until)
    }

    /// Whether the row's line matches as well.
    pub(in crate::history) fn line(&self, line: &[u8]) -> bool {
        let has = |id: &Id<'_>| id.finder.find(line).is_some() && id.is_told_by(line);
        self.text.as_ref().is_none_or(|text| text.find(line).is_some()) && self.ids.iter().all(has)
    }
}

impl Id<'_> {
    fn is_told_by(&self, line: &[u8]) -> bool {
        let Ok(told) = serde_json::from_slice::<Told<'_>>(line) else { return false };
        match self.kind {
            KeyKind::Correlation => told.correlation_id == self.id,
            KeyKind::Trace => told.trace_id == self.id,
            KeyKind::VendorRequest => told.vendor_request_id.as_deref() == Some(self.id),
        }
    }
}

/// Whether the text is the pattern, in which `*` stands for any characters and nothing else has a meaning.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    // Each part as early as it can be: what is left for the next ones is then the longest.
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_the_only_wildcard() {
        assert!(matches("/api/*", "/api/deals/{id}"));
        assert!(matches("*/{id}", "/api/deals/{id}"));
        assert!(matches("/api/*/{id}", "/api/deals/{id}") && matches("*", "") && matches("a**b", "ab"));
        assert!(!matches("/api/*", "/API/deals") && !matches("/api", "/api/") && !matches("*b*b", "ab"));
        assert!(matches("*ab*ab", "abxabxab") && !matches("ab*ba", "aba"));
        for (pattern, itself, other) in
            [("a%*", "a%b", "axb"), ("a_*", "a_b", "axb"), ("a?*", "a?b", "axb"), ("[a]*", "[a]b", "ab")]
        {
            assert!(matches(pattern, itself), "{pattern}");
            assert!(!matches(pattern, other), "{pattern}");
        }
    }

    #[test]
    fn an_id_in_another_field_is_none() {
        let filter = Filter { correlation_id: Some("a\"b".into()), ..Filter::default() };
        let matcher = Matcher::new(&filter);
        assert!(matcher.line(br#"{"correlation_id":"a\"b","trace_id":""}"#));
        assert!(!matcher.line(br#"{"correlation_id":"c","trace_id":"a\"b"}"#));
        let filter = Filter { vendor_request_id: Some("r-1".into()), ..Filter::default() };
        let matcher = Matcher::new(&filter);
        assert!(matcher.line(br#"{"correlation_id":"c","trace_id":"","vendor_request_id":"r-1"}"#));
        assert!(!matcher.line(br#"{"correlation_id":"r-1","trace_id":""}"#));
    }
}
