//! A vendor's error message: only words that are known to say nothing about anyone are kept.
//!
//! Detectors cannot know a name, so the rule is turned round: a word is shown if it is common in API errors
//! ([`words`]), a field of the profile, or one of the profile's words. Quoted text is a value, unless it is a field's
//! name. Numbers of five digits and more, however grouped, are hidden, and shorter ones where they name a record: behind a
//! word for one (`contact 1234`, `id: 7`, `# 7`), and behind a word that is hidden itself.

use super::policy::Policy;
use super::value::is_unprintable;
use super::{MAX_MESSAGE_CHARS, Masked, Masker, decode, words};

/// What is read of a message; the rest could not be shown anyway.
const MAX_INPUT_BYTES: usize = 2 * 1024;

/// From this many digits on, a number may name a record or a person.
const HIDDEN_DIGITS: usize = 5;

const HIDDEN: &str = "[masked]";

impl Masker {
    /// The message as it may be logged, at most 200 characters on one line. Call it only for fields that the profile
    /// says hold messages. E-mail addresses become tokens; other unknown words, quoted values and long numbers are
    /// replaced; a message without a known word gives only its length.
    pub fn message(&self, policy: &Policy, text: &str) -> Masked {
        let decoded = decode::percent_fully(beginning(text));
        let plain: String = decode::fold(&decoded).chars().map(|c| if is_unprintable(c) { ' ' } else { c }).collect();
        let (out, number, before) = (String::new(), Pending::default(), Before::default());
        let mut message = Message { masker: self, policy, out, number, before, kept: 0 };
        message.read(&plain);
        message.flush_number();
        if message.kept == 0 && !plain.trim().is_empty() {
            return Masked::from_masked_text(format!("[message {} chars]", text.chars().count()));
        }
        Masked::from_masked_text(shorten(message.out.trim()))
    }
}

/// A number that may go on behind a separator.
#[derive(Default)]
struct Pending {
    text: String,
    digits: usize,
    /// Bytes of `text` up to the last digit.
    end: usize,
    /// It names a record.
    names: bool,
}

/// What a number would stand behind.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Before {
    #[default]
    Other,
    /// A word for a record or its number; punctuation may follow.
    Record,
    /// A hidden word, and nothing but spaces.
    Hidden,
}

/// Words that announce a record's number in any API.
const ANNOUNCERS: [&str; 11] =
    ["#", "id", "ids", "key", "nr", "num", "number", "record", "records", "ref", "reference"];

/// Words that may stand between the announcement and the number.
const BETWEEN: [&str; 3] = ["and", "is", "or"];

struct Message<'a> {
    masker: &'a Masker,
    policy: &'a Policy,
    out: String,
    number: Pending,
    before: Before,
    /// Words shown.
    kept: usize,
}

impl Message<'_> {
    fn read(&mut self, mut rest: &str) {
        let mut before = ' ';
        // Every round takes at least one character; when enough is written the rest cannot be seen.
        while let Some(c) = rest.chars().next() {
            if self.out.len() > MAX_MESSAGE_CHARS * 4 {
                return;
            }
            let taken = if let Some(close) = closing_quote(c).filter(|_| !before.is_alphanumeric()) {
                self.quoted(rest, c, close)
            } else if is_mark(c) || c == ' ' {
                self.mark(c);
                c.len_utf8()
            } else {
                let end = rest.find(|c| is_mark(c) || c == ' ' || is_double_quote(c)).unwrap_or(rest.len());
                // A double quote inside a word opens a value as well.
                let end = if end == 0 { c.len_utf8() } else { end };
                self.core(&rest[..end]);
                end
            };
            before = rest[..taken].chars().next_back().unwrap_or(' ');
            rest = &rest[taken..];
        }
    }

    /// Writes what stands in quotes; tells how many bytes it takes. Without a closing quote it is all the rest.
    fn quoted(&mut self, rest: &str, open: char, close: char) -> usize {
        self.flush_number();
        let inner = &rest[open.len_utf8()..];
        let end = closing_at(inner, close);
        let value = end.map_or(inner, |end| &inner[..end]);
        match end.and(self.policy.word(value)) {
            Some(literal) => {
                self.out.push(open);
                self.out.push_str(literal.as_str());
                self.out.push(close);
                self.kept += 1;
                self.before = self.behind(value, "");
            }
            None => self.hide(),
        }
        open.len_utf8() + end.map_or(inner.len(), |end| end + close.len_utf8())
    }

    fn core(&mut self, core: &str) {
        let word = core.trim_end_matches(['.', '-', '\'', '*']);
        let tail = &core[word.len()..];
        if word.bytes().any(|b| b.is_ascii_digit()) && word.bytes().all(|b| b.is_ascii_digit() || b"+.-%".contains(&b))
        {
            self.number.names |= self.before != Before::Other;
            self.number.text.push_str(core);
            self.number.digits += word.bytes().filter(u8::is_ascii_digit).count();
            self.number.end = self.number.text.len();
            return;
        }
        self.flush_number();
        if self.is_known(word) {
            self.out.push_str(word);
            self.kept += 1;
            self.before = self.behind(word, tail);
        } else if word.contains('@') {
            let token = self.masker.email_token(word);
            self.out.push_str(token.as_str());
            self.before = Before::Other;
        } else if !word.is_empty() {
            self.hide();
        }
        self.out.push_str(tail);
    }

    fn is_known(&self, word: &str) -> bool {
        if self.policy.knows(word) {
            return true;
        }
        let lower = word.to_ascii_lowercase();
        words::is_common(&lower) || self.policy.has_word(&lower)
    }

    /// What a number behind a word that is shown stands behind.
    fn behind(&self, word: &str, tail: &str) -> Before {
        let lower = word.to_ascii_lowercase();
        let abbreviated = lower == "no" && tail.starts_with('.');
        if abbreviated || ANNOUNCERS.contains(&lower.as_str()) || self.policy.is_record(&lower) {
            Before::Record
        } else if BETWEEN.contains(&lower.as_str()) {
            self.before
        } else {
            Before::Other
        }
    }

    fn mark(&mut self, c: char) {
        if c != ' ' && self.before == Before::Hidden {
            self.before = Before::Other;
        }
        if self.number.digits > 0 {
            self.number.text.push(c);
            return;
        }
        if c != ' ' || !self.out.ends_with(' ') {
            self.out.push(c);
        }
    }

    /// Two hidden words in a row are shown as one.
    fn hide(&mut self) {
        self.before = Before::Hidden;
        if self.out.trim_end().ends_with(HIDDEN) {
            self.out.truncate(self.out.trim_end().len());
        } else {
            self.out.push_str(HIDDEN);
        }
    }

    fn flush_number(&mut self) {
        let Pending { text, digits, end, names } = std::mem::take(&mut self.number);
        if digits == 0 {
            return;
        }
        if names || digits >= HIDDEN_DIGITS {
            self.out.push_str("[number]");
        } else {
            self.out.push_str(&text[..end]);
        }
        self.out.push_str(&text[end..]);
    }
}

/// Punctuation that parts words and is shown as it is.
fn is_mark(c: char) -> bool {
    matches!(c, ',' | ':' | ';' | '!' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>' | '=' | '/' | '|')
}

fn is_double_quote(c: char) -> bool {
    matches!(c, '"' | '\u{ab}' | '\u{201c}' | '\u{201e}' | '`')
}

fn closing_quote(open: char) -> Option<char> {
    match open {
        '"' | '\'' | '`' => Some(open),
        '\u{ab}' => Some('\u{bb}'),
        '\u{2018}' => Some('\u{2019}'),
        '\u{201c}' | '\u{201e}' => Some('\u{201d}'),
        _ => None,
    }
}

/// Where the quote closes: at the first closing sign that no letter follows, if such signs pair up in what remains.
/// If they do not, one of them belongs to the value: it ends at the last.
fn closing_at(inner: &str, close: char) -> Option<usize> {
    let closes = |at: usize| !inner[at + close.len_utf8()..].starts_with(char::is_alphanumeric);
    let opens = |at: usize| !inner[..at].ends_with(char::is_alphanumeric) && !closes(at);
    let signs: Vec<usize> =
        inner.match_indices(close).map(|(at, _)| at).filter(|at| closes(*at) || opens(*at)).collect();
    let mut closing = signs.iter().copied().filter(|at| closes(*at));
    if signs.len() % 2 == 1 { closing.next() } else { closing.next_back() }
}

fn beginning(text: &str) -> &str {
    let cut = (0..=MAX_INPUT_BYTES.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    &text[..cut.unwrap_or(0)]
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(MAX_MESSAGE_CHARS - 1) {
        Some((at, c)) if at + c.len_utf8() < text.len() => format!("{}\u{2026}", &text[..at]),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{masker, policy};
    use super::*;

    fn message(text: &str) -> String {
        masker().message(&policy(), text).to_string()
    }

    #[test]
    fn known_words_stay_and_everything_else_goes() {
        let email = masker().email_token("jean@example.com");
        for (raw, masked) in [
            ("Name has already been taken", "Name has already been taken".into()),
            ("The 'email' is invalid", "The 'email' is invalid".into()),
            ("Contact Jean Dupont already exists.", "Contact [masked] already exists.".into()),
            ("jean@example.com is not unique", format!("{email} is not unique")),
            ("jean%2540example.com is not unique", format!("{email} is not unique")),
            ("Value 'Jean O'Brien' is invalid", "Value [masked] is invalid".into()),
            ("Value 'l'ami d' enfance' is invalid", "Value [masked] is invalid".into()),
            ("Value \"status open", "Value [masked]".into()),
            ("call 06 12 34 56 78 failed", "call [number] failed".into()),
            ("limit of 1000 per hour", "limit of 1000 per hour".into()),
            ("record 70042006456 not found", "record [number] not found".into()),
            ("record 1234 not found", "record [number] not found".into()),
            ("Contact with id: 1234 not found", "Contact with id: [number] not found".into()),
            ("deal 12, 13 and 14 not found", "deal [number] and [number] not found".into()),
            ("opportunity (12) and 13 is invalid", "opportunity ([number]) and [number] is invalid".into()),
            ("contact_id=7 is invalid", "contact_id=[number] is invalid".into()),
            ("contact no. 7 is invalid", "contact no. [number] is invalid".into()),
            ("contact # 7 is invalid", "contact [masked] [number] is invalid".into()),
            ("contact #7 is invalid", "contact [masked] is invalid".into()),
            ("'contact_id' 7 is invalid", "'contact_id' [number] is invalid".into()),
            ("Dupont 7 is invalid", "[masked] [number] is invalid".into()),
            ("there are no 7 fields", "there are no 7 fields".into()),
            ("status 500, page 2 of 7", "status 500, page 2 of 7".into()),
            (
                "UCR contact fetch failure :: response_code :: 429",
                "[masked] contact fetch failure :: [masked] :: 429".into(),
            ),
            ("error\r\n2025 forged line", "error 2025 [masked]".into()),
            ("invalid token=abcdef", "invalid token=[masked]".into()),
            ("can't be blank", "can't be blank".into()),
            ("pipeline is missing", "pipeline is missing".into()),
            ("Jean Dupont", "[message 11 chars]".into()),
            ("", String::new()),
        ] {
            assert_eq!(message(raw), masked, "{raw:?}");
        }
    }

    #[test]
    fn the_length_is_bounded_in_characters() {
        let long = message(&"invalid value ".repeat(1000));
        assert_eq!(long.chars().count(), MAX_MESSAGE_CHARS);
        assert!(long.ends_with('\u{2026}'));
    }
}
