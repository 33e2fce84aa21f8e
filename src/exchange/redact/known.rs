//! The third net: credentials whose value the agent knows. Wherever one would appear in a record, it does not.
//!
//! Masking hides by what a field is and by what a value looks like; a key may look like an ordinary word and an upstream may
//! repeat it anywhere. These values need no guess. Keys that a reload replaced stay known, since answers to calls made with
//! them are still to come.

use super::Masked;
use crate::exchange::record::Record;
use crate::secret::Secret;
use aho_corasick::AhoCorasick;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Shorter values are not looked for: they would be found inside ordinary words.
pub const MIN_KNOWN_BYTES: usize = 8;

/// Values kept, those in force included: rotating a key each day for years stays below it. The oldest go first.
const MAX_KNOWN: usize = 4_096;

const HIDDEN: &str = "[secret]";

/// What masked text encodes in a query or a form.
const ENCODED: &AsciiSet = &percent_encoding::CONTROLS.add(b' ').add(b'%').add(b'&').add(b'+').add(b'#');

/// Values to be hidden. Neither shown nor compared: only looked for.
#[derive(Default)]
pub struct Known {
    values: Vec<Secret>,
    search: Option<AhoCorasick>,
}

impl Known {
    /// Knows `values` and, after them, what `before` knew. The search holds copies that are not wiped, as header values are
    /// not: both live as long as the configuration.
    pub fn new(values: impl IntoIterator<Item = Secret>, before: &Self) -> Self {
        let mut kept: Vec<Secret> = Vec::new();
        for value in values.into_iter().chain(before.values.iter().cloned()) {
            let bytes = value.expose().as_bytes();
            if bytes.len() >= MIN_KNOWN_BYTES && kept.len() < MAX_KNOWN && !kept.iter().any(|k| k.matches(bytes)) {
                kept.push(value);
            }
        }
        let spellings: Vec<Secret> = kept.iter().flat_map(spellings).collect();
        let patterns = spellings.iter().map(|s| s.expose().as_bytes());
        let search = (!spellings.is_empty()).then(|| AhoCorasick::new(patterns).ok()).flatten();
        Self { values: kept, search }
    }

    /// True if one of the values is in `bytes`, in one of the spellings that masked text or JSON has.
    pub fn is_in(&self, bytes: &[u8]) -> bool {
        self.search.as_ref().is_some_and(|search| search.is_match(bytes))
    }

    /// Hides every value that a record holds.
    pub fn hide(&self, record: &mut Record) {
        if self.search.is_none() {
            return;
        }
        let Record { response, correlation_id, vendor_request_id, query, request_body, response_body, .. } = record;
        let optional = [vendor_request_id, query, request_body, response_body];
        let texts = [response, correlation_id].into_iter().chain(optional.into_iter().flatten());
        for text in texts.filter(|text| self.is_in(text.as_str().as_bytes())) {
            self.hide_in(text);
        }
    }

    fn hide_in(&self, text: &mut Masked) {
        let Some(search) = &self.search else { return };
        let mut hidden = String::with_capacity(text.as_str().len());
        search.replace_all_with(text.as_str(), &mut hidden, |_, _, out| {
            out.push_str(HIDDEN);
            true
        });
        *text = Masked::from_masked_text(hidden);
    }
}

/// A value as it is, as queries and forms write it, and as JSON does.
fn spellings(value: &Secret) -> Vec<Secret> {
    let plain = value.expose();
    let mut all = vec![value.clone()];
    let written = [
        utf8_percent_encode(plain, ENCODED).to_string(),
        utf8_percent_encode(plain, NON_ALPHANUMERIC).to_string(),
        plain.replace('\\', "\\\\").replace('"', "\\\""),
        plain.replace('/', "\\/"),
    ];
    for text in written.map(Secret::new) {
        if !all.iter().any(|other| other.matches(text.expose().as_bytes())) {
            all.push(text);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(values: &[&str]) -> Known {
        Known::new(values.iter().map(|v| Secret::new(*v)), &Known::default())
    }

    fn hidden(known: &Known, text: &str) -> String {
        let mut masked = Masked::from_masked_text(text.to_owned());
        known.hide_in(&mut masked);
        masked.to_string()
    }

    #[test]
    fn a_known_value_is_hidden_in_every_spelling() {
        let known = known(&["pass word/1", "open sesame"]);
        for (text, want) in [
            ("status=pass word/1;x", "status=[secret];x"),
            ("q=pass%20word/1&r=pass%20word%2F1", "q=[secret]&r=[secret]"),
            (r#"{"a":"pass word\/1","b":"open sesame"}"#, r#"{"a":"[secret]","b":"[secret]"}"#),
            ("pass word/2", "pass word/2"),
        ] {
            assert_eq!(hidden(&known, text), want);
            assert_eq!(known.is_in(text.as_bytes()), text != want);
        }
    }

    #[test]
    fn a_replaced_value_stays_known_and_a_short_one_never_is() {
        let first = known(&["the-first-key"]);
        let second = Known::new([Secret::new("the-second-key"), Secret::new("short")], &first);
        assert!(second.is_in(b"the-first-key") && second.is_in(b"the-second-key") && !second.is_in(b"short"));
        let many = Known::new((0..MAX_KNOWN).map(|n| Secret::new(format!("key-number-{n}"))), &second);
        assert!(!many.is_in(b"the-first-key") && many.is_in(b"key-number-4095"));
        assert!(!Known::default().is_in(b"anything"));
    }
}
