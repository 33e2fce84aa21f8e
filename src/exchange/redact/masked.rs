//! Text that may leave memory, and the way to compose more of it.

use super::token;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// Text that may leave memory: made only by masking, or from words that the program itself defines.
///
/// `Deserialize` is there for records read back from the exchange log, which were masked when they were written;
/// nothing else may be deserialised into it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Masked(Cow<'static, str>);

impl Masked {
    /// A word of the program's own.
    pub const fn word(word: &'static str) -> Self {
        Self(Cow::Borrowed(word))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True when there is no text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A summary such as `Failed to update deal deal:1k3f9…`, made of a profile's words, counts and tokens.
    ///
    /// It is checked word by word: what is not letters, a number of up to 7 digits or a token is hidden, so a mistake
    /// in composing it cannot show an address, a phone number or a record's id.
    pub fn of_profile(summary: &str) -> Self {
        let shown = |word: &str| is_plain_word(word) || is_count(word) || is_token(word);
        // Split by bytes: the general search for a character costs more than the checks.
        let words = summary.as_bytes().split(|b| *b == b' ').map(|w| std::str::from_utf8(w).unwrap_or("\0"));
        if words.into_iter().all(shown) {
            return Self::from_masked_text(summary.to_owned());
        }
        let words: Vec<&str> = summary.split(' ').map(|w| if shown(w) { w } else { "[masked]" }).collect();
        Self::from_masked_text(words.join(" "))
    }

    /// An identifier that Vigie made itself, in the usual form with hyphens.
    pub fn from_uuid(id: uuid::Uuid) -> Self {
        let mut text = uuid::Uuid::encode_buffer();
        Self::from_masked_text(id.hyphenated().encode_lower(&mut text).to_owned())
    }

    /// A trace id, as 32 lower-case hex digits.
    pub fn from_trace_id(id: u128) -> Self {
        Self::from_masked_text(format!("{id:032x}"))
    }

    /// The one way in for text built at run time. Only masking may call it, with text it has masked.
    pub(super) fn from_masked_text(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

fn is_plain_word(word: &str) -> bool {
    let word = word.trim_end_matches([':', ',', '.']);
    word.len() <= 32 && word.bytes().all(|b| b.is_ascii_alphabetic() || matches!(b, b'-' | b'_'))
}

fn is_count(word: &str) -> bool {
    (1..=7).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_digit())
}

fn is_token(word: &str) -> bool {
    let Some(colon) = word.bytes().position(|b| b == b':') else { return false };
    token::is_kind(&word[..colon]) && token::is_hash(&word[colon + 1..])
}

impl fmt::Display for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Composes a sentence from literal words, numbers and masked parts: `Created deal deal:1k3f9…`.
///
/// Parts are joined by one space, except after [`MaskedBuilder::glue`].
#[derive(Default)]
pub struct MaskedBuilder {
    text: String,
    glued: bool,
}

impl MaskedBuilder {
    /// An empty sentence.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds words of the program's own.
    pub fn push_word(mut self, word: &'static str) -> Self {
        self.separate();
        self.text.push_str(word);
        self
    }

    /// Adds a count or a status. Never an id: a number from the wire that names a record goes through `Masker::id`.
    pub fn push_number(mut self, number: u64) -> Self {
        self.separate();
        // Writing into a String cannot fail.
        let _ = write!(self.text, "{number}");
        self
    }

    /// Adds what is already masked.
    pub fn push(mut self, part: &Masked) -> Self {
        self.separate();
        self.text.push_str(part.as_str());
        self
    }

    /// The next part follows without a space.
    pub fn glue(mut self) -> Self {
        self.glued = true;
        self
    }

    /// The sentence.
    pub fn finish(self) -> Masked {
        Masked::from_masked_text(self.text)
    }

    fn separate(&mut self) {
        if !self.text.is_empty() && !self.glued {
            self.text.push(' ');
        }
        self.glued = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_composed_of_words_numbers_and_masked_parts() {
        let deal = Masked::word("deal:1abc");
        let text = MaskedBuilder::new().push_word("Created").push(&deal).glue().push_word(",").push_number(2).finish();
        assert_eq!(text.to_string(), "Created deal:1abc, 2");
    }

    #[test]
    fn a_summary_shows_words_counts_and_tokens_only() {
        let deal = super::super::fixture::masker().token("deal", "42");
        let good = format!("Failed to update deal {deal}");
        assert_eq!(Masked::of_profile(&good).as_str(), good);
        assert_eq!(
            Masked::of_profile("Listed 25 of 1234567 sales_accounts").as_str(),
            "Listed 25 of 1234567 sales_accounts"
        );
        for raw in
            ["70042006456", "deal:70042006456", "deal:70042006456789", "a@example.com", "deal:Dupont", "x%40y", "06-12"]
        {
            assert_eq!(Masked::of_profile(&format!("Read {raw}")).as_str(), "Read [masked]", "{raw}");
        }
    }

    #[test]
    fn own_ids_have_their_usual_forms() {
        assert_eq!(Masked::from_trace_id(0xab).as_str(), "000000000000000000000000000000ab");
        assert_eq!(Masked::from_uuid(uuid::Uuid::nil()).as_str(), "00000000-0000-0000-0000-000000000000");
    }
}
