//! Keyed tokens: the same value gives the same token under one key, and nothing leads back from it.
//!
//! Form: `kind:` + one character for the key's version + 13 characters of a keyed BLAKE3 hash (65 bits), both in
//! lower-case Crockford base32, e.g. `deal:1k3f9m2c8pw0xz`. The version's character is `version mod 32`, so tokens made
//! before and after a change of key can be told apart. Documentation shortens them to `deal:k3f9…`.

use super::{Masked, Masker, PhoneRegion, Pii, decode, phone};
use std::borrow::Cow;

/// Crockford's base32: no i, l, o, u, so a token read aloud or retyped stays the same.
const BASE32: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Whether a byte is one of them.
const IN_BASE32: [bool; 256] = {
    let mut table = [false; 256];
    let mut i = 0;
    while i < BASE32.len() {
        table[BASE32[i] as usize] = true;
        i += 1;
    }
    table
};

/// 13 characters are 65 bits: two among ten million values share a token with a chance of about 1 in 400,000.
const HASH_CHARS: usize = 13;

/// Values up to this length are hashed from the stack; all but freak ones are.
const STACK_BYTES: usize = 128;

/// Longest kind; kinds are the profile's words.
const MAX_KIND_BYTES: usize = 32;

impl Masker {
    /// The token of a value as it is. `kind` is a word of the program or of a profile (`deal`, `contact`), never data
    /// from the wire; anything but `[a-z0-9_]{1,32}` is replaced by `id`.
    pub fn token(&self, kind: &str, value: &str) -> Masked {
        let mut text = String::with_capacity(kind.len() + HASH_CHARS + 2);
        self.write_token(&mut text, kind, value);
        Masked::from_masked_text(text)
    }

    /// The token of an e-mail address, whatever its case and surroundings: found again when searching by address.
    pub fn email_token(&self, address: &str) -> Masked {
        self.person_token(Pii::Email, address)
    }

    /// The token of a phone number, however it is punctuated; a leading `00` is read as `+`, and a national number as one
    /// of the configured region.
    pub fn phone_token(&self, number: &str) -> Masked {
        self.person_token(Pii::Phone, number)
    }

    /// The token that a personal field's value gets in bodies and queries: percent-decoded and normalised first.
    /// [`Pii::Text`] has no tokens in bodies; here it is treated as a name.
    pub fn person_token(&self, pii: Pii, value: &str) -> Masked {
        let mut text = String::with_capacity(HASH_CHARS + 10);
        self.write_person(&mut text, pii, value);
        Masked::from_masked_text(text)
    }

    /// The token of a record's id as it stands in a path, a body or a header: percent-decoded and trimmed first, so
    /// that the number 7 and the strings `7` and `%37` are one record.
    pub fn id(&self, kind: &str, raw: &str) -> Masked {
        let decoded = decode::percent_fully(raw);
        self.token(kind, decoded.trim())
    }

    pub(super) fn write_person(&self, out: &mut String, pii: Pii, value: &str) {
        let decoded = decode::percent_fully(value);
        let (kind, normal) = match pii {
            Pii::Email => ("email", normal_email(&decoded)),
            Pii::Phone => ("phone", normal_phone(&decoded, self.phone_region)),
            Pii::Address => ("address", normal_words(&decoded)),
            Pii::Name | Pii::Text => ("name", normal_words(&decoded)),
        };
        self.write_token(out, kind, &normal);
    }

    pub(super) fn write_token(&self, out: &mut String, kind: &str, value: &str) {
        let kind = if is_kind(kind) { kind } else { "id" };
        out.push_str(kind);
        out.push(':');
        out.push(char::from(BASE32[usize::from(self.key.version() % 32)]));
        let hash = self.hash(kind, value);
        let [a, b, c, d, e, f, g, h, i, ..] = *hash.as_bytes();
        // 72 bits, of which the upper 65 are written.
        let mut bits = u128::from_be_bytes([0, 0, 0, 0, 0, 0, 0, a, b, c, d, e, f, g, h, i]) >> 7;
        let mut text = [0; HASH_CHARS];
        for slot in text.iter_mut().rev() {
            *slot = BASE32[(bits & 31) as usize];
            bits >>= 5;
        }
        out.push_str(std::str::from_utf8(&text).unwrap_or_default());
    }

    /// The kind and a separator that no kind contains come first: the same value of two kinds has two tokens.
    fn hash(&self, kind: &str, value: &str) -> blake3::Hash {
        let length = kind.len() + 1 + value.len();
        let fill = |to: &mut [u8]| {
            to[..kind.len()].copy_from_slice(kind.as_bytes());
            to[kind.len()] = 0;
            to[kind.len() + 1..].copy_from_slice(value.as_bytes());
        };
        if length <= STACK_BYTES {
            let mut buffer = [0; STACK_BYTES];
            fill(&mut buffer[..length]);
            blake3::keyed_hash(self.key.bytes(), &buffer[..length])
        } else {
            let mut buffer = vec![0; length];
            fill(&mut buffer);
            blake3::keyed_hash(self.key.bytes(), &buffer)
        }
    }
}

impl Masker {
    /// Whether the text is itself a token that this installation may have made. Many a name looks like a hash; few begin
    /// with the character of this key's version or of one before it.
    pub fn is_token(&self, text: &str) -> bool {
        let newest = usize::from(self.key.version()).min(BASE32.len() - 1);
        let version = |hash: &str| BASE32[..=newest].contains(&hash.as_bytes()[0]);
        text.split_once(':').is_some_and(|(kind, hash)| is_kind(kind) && is_hash(hash) && version(hash))
    }
}

/// True for a word that may stand before the colon.
pub(super) fn is_kind(kind: &str) -> bool {
    (1..=MAX_KIND_BYTES).contains(&kind.len())
        && kind.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// True for what stands behind the colon.
pub(super) fn is_hash(hash: &str) -> bool {
    // One without a letter would be a number; one token in ten million is.
    let has_letter = || hash.bytes().any(|b| b.is_ascii_lowercase());
    hash.len() == HASH_CHARS + 1 && has_letter() && hash.bytes().all(|b| IN_BASE32[usize::from(b)])
}

/// Trimmed, lower case; `mailto:` and `Name <address>` give the bare address.
fn normal_email(address: &str) -> Cow<'_, str> {
    let mut bare = address.trim();
    if let (Some(open), Some(close)) = (bare.rfind('<'), bare.rfind('>'))
        && open < close
    {
        bare = bare[open + 1..close].trim();
    }
    if bare.get(..7).is_some_and(|p| p.eq_ignore_ascii_case("mailto:")) {
        bare = &bare[7..];
    }
    lower(bare)
}

/// `+` and digits only; a text without digits is left trimmed and in lower case.
fn normal_phone(number: &str, region: Option<PhoneRegion>) -> Cow<'static, str> {
    let folded = decode::fold(number.trim());
    let has_digit = folded.bytes().any(|b| b.is_ascii_digit());
    Cow::Owned(if has_digit { phone::normal(&folded, region) } else { folded.to_lowercase() })
}

/// A name or an address: trimmed, lower case, single spaces.
fn normal_words(text: &str) -> Cow<'_, str> {
    let trimmed = text.trim();
    if trimmed.contains("  ") || trimmed.contains(|c: char| c.is_whitespace() && c != ' ') {
        let joined: Vec<&str> = trimmed.split_whitespace().collect();
        return Cow::Owned(joined.join(" ").to_lowercase());
    }
    lower(trimmed)
}

fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|b| b.is_ascii_uppercase() || !b.is_ascii()) {
        Cow::Owned(text.to_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{masker, masker_in, masker_of};
    use super::*;

    #[test]
    fn a_token_has_its_kind_the_key_version_and_65_bits() {
        let token = masker().token("deal", "42");
        let rest = token.as_str().strip_prefix("deal:1").unwrap();
        assert_eq!(rest.len(), HASH_CHARS);
        assert!(rest.bytes().all(|b| BASE32.contains(&b)));
    }

    #[test]
    fn tokens_depend_on_key_kind_and_value_alone() {
        let one = masker();
        assert_eq!(one.token("deal", "42"), masker().token("deal", "42"));
        assert_ne!(one.token("deal", "42"), one.token("deal", "43"));
        assert_ne!(one.token("deal", "42").as_str()[6..], one.token("task", "42").as_str()[6..]);
        assert_ne!(one.token("deal", "42"), masker_of(1, "another secret of 16").token("deal", "42"));
        assert!(masker_of(33, "another secret of 16").token("deal", "42").as_str().starts_with("deal:1"));
        let long = "x".repeat(STACK_BYTES);
        assert_ne!(one.token("deal", &long), one.token("deal", &long[1..]));
    }

    #[test]
    fn derived_keys_depend_on_key_and_purpose() {
        let masker = masker();
        assert_eq!(masker.derive_key("a"), masker.derive_key("a"));
        assert_ne!(masker.derive_key("a"), masker.derive_key("b"));
        assert_ne!(masker.derive_key("a"), masker_of(1, "another secret of 16").derive_key("a"));
        assert_ne!(&masker.derive_key("a"), masker.key.bytes());
    }

    #[test]
    fn a_kind_cannot_carry_data() {
        assert!(masker().token("Jean Dupont", "42").as_str().starts_with("id:1"));
        assert!(masker().token("", "42").as_str().starts_with("id:1"));
    }

    #[test]
    fn a_token_is_told_from_what_only_looks_like_one() {
        let masker = masker();
        assert!(masker.is_token(masker.email_token("jean@example.com").as_str()));
        assert!(masker_of(3, "another secret of 16").is_token(masker.token("deal", "42").as_str()));
        for text in ["phone:00491511234567", "name:stephanegarten", "name:zoe", "Name:1k3f9m2c8pw0xz", "", ":", "a:"] {
            assert!(!masker.is_token(text), "{text}");
        }
    }

    #[test]
    fn one_person_has_one_token() {
        let masker = masker();
        for same in [" Jean@Example.com ", "mailto:jean@example.com", "Jean D <JEAN@example.com>"] {
            assert_eq!(masker.email_token(same), masker.email_token("jean@example.com"), "{same}");
        }
        for same in ["+33 6 12 34 56 78", "0033-612-345-678", "+33 (6) 12.34.56.78", "+33612345678"] {
            assert_eq!(masker.phone_token(same), masker.phone_token("+33612345678"), "{same}");
        }
        let french = masker_in("FR");
        for same in ["+33 6 12 34 56 78", "06 12 34 56 78", "0033612345678", "%2B33 (0)6 12 34 56 78"] {
            assert_eq!(french.phone_token(same), masker.phone_token("+33612345678"), "{same}");
        }
        for same in ["7", " 7 ", "%37", "%2537"] {
            assert_eq!(masker.id("deal", same), masker.token("deal", "7"), "{same}");
        }
    }

    #[test]
    fn normal_forms_survive_odd_input() {
        assert_eq!(normal_email("é<"), "é<");
        assert_eq!(normal_email(">x<"), ">x<");
        assert_eq!(normal_phone("N/A", None), "n/a");
        assert_eq!(normal_words(" Jean \t DUPONT "), "jean dupont");
    }
}
