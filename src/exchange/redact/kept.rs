//! What a value may look like that is kept as it came, by what its field holds. What looks otherwise is masked as the value of
//! an unknown field is: a name in a date's place is no date.

use super::policy::{Policy, Shown};
use super::value::Number;
use super::{MAX_SAFE_CHARS, detect, shapes};

/// Most digits of a whole number: eight are too few for a phone number with its area, and enough for counts, pages and
/// amounts without cents.
const MAX_DIGITS: usize = 8;
const MAX_WHOLE: u64 = 99_999_999;

/// An amount with decimals may be larger than that; this is what twelve digits before the point can say.
const MAX_AMOUNT: f64 = 1e12;

/// Most digits of an enumeration's value without a letter: codes are short.
const MAX_CODE_DIGITS: usize = 4;

/// Longest list of names.
const MAX_NAMES_BYTES: usize = 256;

/// Points in time as numbers, from September 2001 to the end of 2034: what is longer or shorter may be a phone number.
const SECONDS: std::ops::RangeInclusive<u64> = 1_000_000_000..=2_051_222_399;
const MILLISECONDS: std::ops::RangeInclusive<u64> = 1_000_000_000_000..=2_051_222_399_999;

/// What a field that may be shown holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A day or a point in time.
    Date,
    /// An amount, a count, a rate.
    Number,
    /// Yes or no.
    Flag,
    /// A word of a closed set.
    Enum,
    /// Names of the vendor's own fields and objects.
    Names,
}

impl Shape {
    /// Whether a text has it.
    pub(super) fn fits(self, policy: &Policy, text: &str) -> bool {
        match self {
            Self::Date => shapes::is_moment(text) || text.parse().is_ok_and(is_epoch),
            Self::Number => is_number(text),
            Self::Flag => is_flag(text),
            Self::Enum => is_enumeration(text),
            Self::Names => are_names(policy, text),
        }
    }

    /// Whether a number has it.
    pub(super) fn fits_number(self, number: Number) -> bool {
        let whole = match number {
            Number::Unsigned(n) => n,
            Number::Signed(n) => n.unsigned_abs(),
            Number::Float(n) => return self == Self::Number && is_float(n),
        };
        match self {
            Self::Date => is_epoch(whole) && matches!(number, Number::Unsigned(_)),
            Self::Number => whole <= MAX_WHOLE,
            Self::Flag => whole <= 1,
            Self::Enum => whole < 10_u64.pow(MAX_CODE_DIGITS as u32),
            Self::Names => false,
        }
    }
}

fn is_epoch(number: u64) -> bool {
    SECONDS.contains(&number) || MILLISECONDS.contains(&number)
}

/// `12`, `-12`, `1234567.50`.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let whole = (1..=MAX_DIGITS).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    // A zero before more digits begins a phone number.
    whole && (digits.len() == 1 || digits[0] != b'0') || shapes::is_amount(text)
}

/// Computed rates have more decimals than can be told from a number written behind a zero.
fn is_float(number: f64) -> bool {
    number.abs() < MAX_AMOUNT && is_number(&number.to_string())
}

fn is_flag(text: &str) -> bool {
    ["true", "false", "0", "1", "null", "yes", "no"].iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// A word, or several strung together by `_` and `-`, or a short code; and no detector.
fn is_enumeration(text: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ');
    // A character is at most four bytes: longer texts need no counting.
    let short = text.len() <= MAX_SAFE_CHARS * 4 && text.chars().count() <= MAX_SAFE_CHARS;
    let digits = || text.chars().filter(|c| c.is_numeric()).count();
    let coded = || text.contains(char::is_alphabetic) || digits() <= MAX_CODE_DIGITS;
    short && text.chars().all(plain) && coded() && !is_sentence(text) && detect::detect(text).is_none()
}

/// Two words or more, one of them of letters: free text, or a name. `In progress` is one too, which is the price of `Zoe
/// Quibblewick` not passing.
fn is_sentence(text: &str) -> bool {
    let is_word = |part: &str| part.chars().filter(|c| c.is_alphabetic()).count() > 1;
    text.split_whitespace().count() > 1 && text.split_whitespace().any(is_word)
}

/// `owner,deal_stage.name`, `-created_at`, `created_at:desc`: nothing but names that the policy shows as names.
fn are_names(policy: &Policy, text: &str) -> bool {
    text.len() <= MAX_NAMES_BYTES
        && text.split([',', '.', ':']).all(|part| {
            let name = part.trim_matches(' ');
            let name = name.strip_prefix(['-', '+']).unwrap_or(name);
            is_order(name)
                || match policy.field(name, None).name {
                    Some(Shown::Literal(_)) => true,
                    Some(Shown::AsIs) => detect::detect(name).is_none(),
                    None => false,
                }
        })
}

fn is_order(word: &str) -> bool {
    ["asc", "desc"].iter().any(|order| order.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::policy;
    use super::*;

    /// What is in every one of these places whoever fills in the wrong field.
    const WRONG: [&str; 12] = [
        "Quibblewick",
        "Zoe Quibblewick",
        "zoe@example.com",
        "+33 6 99 88 77 66",
        "0699887766",
        "699887766",
        "12 rue Foo",
        "Zoe+Quibblewick",
        "open;name=Dupont",
        "\"open\"",
        "a\nb",
        "\u{202e}open",
    ];

    fn check(shape: Shape, right: &[&str], wrong: &[&str]) {
        let policy = policy();
        for text in right {
            assert!(shape.fits(&policy, text), "{shape:?}: {text}");
        }
        // Of an enumeration's words nobody knows which there are.
        let all = WRONG.iter().filter(|text| shape != Shape::Enum || **text != "Quibblewick");
        for text in all.chain(wrong) {
            assert!(!shape.fits(&policy, text), "{shape:?}: {text}");
        }
    }

    #[test]
    fn texts_are_kept_by_their_shape() {
        let dates = [
            "2025-10-24",
            "2025-10-24T09:45:30Z",
            "2025-10-24T09:45:30.123+02:00",
            "2025-10-24 09:45 UTC",
            "2025-10-24T09:45:30-0400",
            "24/10/2025",
            "10/24/2025",
            "20251024",
            "20251024094530",
            "1761299130",
            "1761299130123",
        ];
        check(
            Shape::Date,
            &dates,
            &["2025-13-01", "2025-10-24 Quibblewick", "2025-10-24T09:45:30Z[Quibblewick]", "4155552671"],
        );
        let numbers = ["0", "12", "-12", "12345678", "1234567.50", "-12,5", "150000000.00"];
        check(Shape::Number, &numbers, &["123456789", "0123", "1e5", "--1", "", "-", "0612345678.0"]);
        check(Shape::Flag, &["true", "FALSE", "0", "1", "null", "Yes"], &["2", "on the phone"]);
        let words = ["open", "in-progress", "IN_PROGRESS", "Gagn\u{e9}", "Q1", "v 2", "404", "0"];
        check(Shape::Enum, &words, &["12345", "In progress", "a:b", "a,b", &"x".repeat(65)]);
        let names =
            ["contact", "Status", "-created_at", "created_at:desc", "contact,errors", "deal_stage.name", "cf_tier"];
        check(Shape::Names, &names, &["contact,Quibblewick", "contact:", "cf_Zoe", "", &"contact,".repeat(50)]);
    }

    #[test]
    fn numbers_are_kept_by_their_shape() {
        use Number::{Float, Signed, Unsigned};
        for (shape, number, fits) in [
            (Shape::Number, Unsigned(99_999_999), true),
            (Shape::Number, Unsigned(699_887_766), false),
            (Shape::Number, Signed(-12), true),
            (Shape::Number, Float(1_234_567_890.5), true),
            (Shape::Number, Float(699_887_766.0), false),
            (Shape::Number, Float(0.699_887_766), false),
            (Shape::Number, Float(f64::MAX), false),
            (Shape::Date, Unsigned(1_761_299_130), true),
            (Shape::Date, Unsigned(1_761_299_130_123), true),
            (Shape::Date, Unsigned(699_887_766), false),
            (Shape::Date, Unsigned(33_699_887_766), false),
            (Shape::Date, Signed(-1_761_299_130), false),
            (Shape::Flag, Unsigned(1), true),
            (Shape::Flag, Unsigned(2), false),
            (Shape::Enum, Unsigned(9_999), true),
            (Shape::Enum, Unsigned(10_000), false),
            (Shape::Enum, Float(1.5), false),
            (Shape::Names, Unsigned(1), false),
        ] {
            assert_eq!(shape.fits_number(number), fits, "{shape:?}");
        }
    }
}
