//! Undoing the disguises a value may travel in: percent-encoding (also twice), full-width forms, invisible characters.

use percent_encoding::percent_decode;
use std::borrow::Cow;

/// How often a value is percent-decoded. Twice happens between honest systems; one more round shows that it is over.
const MAX_ROUNDS: usize = 3;

/// Percent-decodes until nothing changes, at most [`MAX_ROUNDS`] times; bytes that are no UTF-8 are replaced.
pub(super) fn percent_fully(text: &str) -> Cow<'_, str> {
    let mut current = Cow::Borrowed(text);
    for _ in 0..MAX_ROUNDS {
        if !has_percent_code(current.as_bytes()) {
            break;
        }
        current = Cow::Owned(percent_decode(current.as_bytes()).decode_utf8_lossy().into_owned());
    }
    current
}

/// Decodes one component of a query or form: `+` is a space, then [`percent_fully`].
pub(super) fn form_component(raw: &str) -> Cow<'_, str> {
    if !raw.bytes().any(|b| b == b'+' || b == b'%') {
        return Cow::Borrowed(raw);
    }
    // A plus that was itself encoded must survive: a phone number starts with one.
    Cow::Owned(percent_fully(&raw.replace('+', " ")).into_owned())
}

/// True when `%` and two hex digits stand somewhere.
pub(super) fn has_percent_code(bytes: &[u8]) -> bool {
    memchr::memchr_iter(b'%', bytes).any(|at| {
        let digit = |i: usize| bytes.get(at + i).is_some_and(u8::is_ascii_hexdigit);
        digit(1) && digit(2)
    })
}

/// Full-width forms and the decimal digits of the commonest scripts become ASCII; invisible characters are dropped.
pub(super) fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter_map(fold_char).collect())
}

fn fold_char(c: char) -> Option<char> {
    let shifted = |from: u32, to: char| char::from_u32(u32::from(c) - from + u32::from(to));
    match c {
        // Soft hyphen, zero-width and direction marks, joiners, byte order mark.
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => None,
        '\u{ff01}'..='\u{ff5e}' => shifted(0xff01, '!'),
        '\u{fe6b}' => Some('@'),
        '\u{660}'..='\u{669}' => shifted(0x660, '0'),
        '\u{6f0}'..='\u{6f9}' => shifted(0x6f0, '0'),
        '\u{966}'..='\u{96f}' => shifted(0x966, '0'),
        '\u{a0}' | '\u{2007}' | '\u{2009}' | '\u{202f}' | '\u{3000}' => Some(' '),
        '\u{2010}'..='\u{2015}' | '\u{2212}' => Some('-'),
        other => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_codes_are_undone_up_to_three_times() {
        for text in ["jean@x.fr", "jean%40x.fr", "jean%2540x.fr", "jean%252540x.fr"] {
            assert_eq!(percent_fully(text), "jean@x.fr", "{text}");
        }
        assert_eq!(percent_fully("100% of 5%"), "100% of 5%");
        assert_eq!(percent_fully("%ff"), "\u{fffd}");
    }

    #[test]
    fn plus_is_a_space_unless_it_was_encoded() {
        assert_eq!(form_component("a+b%2Bc"), "a b+c");
        assert_eq!(form_component("%252B33"), "+33");
    }

    #[test]
    fn look_alikes_become_ascii() {
        assert_eq!(fold("jean\u{ff20}x.fr"), "jean@x.fr");
        assert_eq!(fold("\u{ff10}\u{661}\u{6f2}\u{969}"), "0123");
        assert_eq!(fold("06\u{200b}12\u{a0}34\u{2011}56"), "0612 34-56");
    }
}
