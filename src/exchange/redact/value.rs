//! One value under one rule: the leaf of every format.

use super::fields::Path;
use super::policy::{Field, Policy, Rule, Shown};
use super::policy_spec::Pii;
use super::{MAX_MASKED_BYTES, Masker, decode, detect, json};
use std::fmt::Write as _;

/// Deepest chain of documents inside strings: honest payloads have one or two; each may be read as often as it is deep.
const MAX_NESTED_DOCUMENTS: u8 = 4;

/// How values are delimited.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Json,
    /// `name=value&name=value`
    Form,
}

/// A number as a document holds it.
#[derive(Clone, Copy)]
pub(super) enum Number {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
}

/// Writes masked values one after the other. What it has written so far may be shown at any time.
pub(super) struct Writer<'a> {
    pub(super) masker: &'a Masker,
    pub(super) policy: &'a Policy,
    pub(super) out: String,
    style: Style,
    nested: u8,
}

impl<'a> Writer<'a> {
    /// `expected` is the length of the input, a good guess of the output's.
    pub(super) fn new(masker: &'a Masker, policy: &'a Policy, style: Style, expected: usize) -> Self {
        let out = String::with_capacity((expected + expected / 2).min(MAX_MASKED_BYTES + 1024));
        Self { masker, policy, out, style, nested: 0 }
    }

    /// True when no further field may be begun.
    pub(super) fn is_full(&self) -> bool {
        self.out.len() >= MAX_MASKED_BYTES
    }

    /// Writes a field's name as the policy allows, and tells the rule of its value.
    pub(super) fn name(&mut self, name: &str, parent: Option<&Path<'_>>) -> Rule {
        let Field { name: shown, rule } = self.policy.field(name, parent);
        match shown {
            Some(Shown::Literal(literal)) => self.out.push_str(literal),
            Some(Shown::AsIs) if detect::detect(name).is_none() => self.out.push_str(name),
            _ => self.masker.write_token(&mut self.out, "key", name),
        }
        rule
    }

    /// Writes a string. `path` is where it stands, for documents inside it; `depth` how deep.
    pub(super) fn text(&mut self, rule: Rule, value: &str, path: Option<&Path<'_>>, depth: u8) {
        match rule {
            Rule::Secret => self.quoted(|w| w.out.push_str("[secret]")),
            _ if value.is_empty() => self.quoted(|_| ()),
            Rule::Safe(shape) if shape.fits(self.policy, value) => self.quoted(|w| w.kept(value)),
            Rule::Safe(_) | Rule::Denied | Rule::Pii(Pii::Text) => self.document_or_length(value, path, depth),
            Rule::Id(kind) => self.quoted(|w| {
                let policy = w.policy;
                w.masker.write_token(&mut w.out, policy.kind(kind), decode::percent_fully(value).trim());
            }),
            Rule::Pii(pii) => self.quoted(|w| w.masker.write_person(&mut w.out, pii, value)),
        }
    }

    /// Writes a number.
    pub(super) fn number(&mut self, rule: Rule, number: Number) {
        match rule {
            Rule::Safe(shape) if shape.fits_number(number) => number.write(&mut self.out),
            Rule::Safe(_) | Rule::Denied | Rule::Pii(Pii::Text) => self.quoted(|w| w.out.push_str("[number]")),
            Rule::Secret | Rule::Id(_) | Rule::Pii(_) => {
                let mut digits = String::with_capacity(24);
                number.write(&mut digits);
                self.text(rule, &digits, None, 0);
            }
        }
    }

    /// Writes `true`, `false` or `null`: they say nothing about anyone.
    pub(super) fn literal(&mut self, rule: Rule, word: &'static str) {
        if rule == Rule::Secret {
            return self.quoted(|w| w.out.push_str("[secret]"));
        }
        self.out.push_str(word);
    }

    /// Writes a placeholder of the program's own.
    pub(super) fn placeholder(&mut self, word: &'static str) {
        self.quoted(|w| w.out.push_str(word));
    }

    /// Writes `[what <count> <unit>]`.
    pub(super) fn measure(&mut self, what: &'static str, count: usize, unit: &'static str) {
        self.quoted(|w| {
            w.out.push('[');
            w.out.push_str(what);
            w.out.push(' ');
            push_decimal(&mut w.out, count as u64);
            w.out.push(' ');
            w.out.push_str(unit);
            w.out.push(']');
        });
    }

    #[inline]
    fn quoted(&mut self, write: impl FnOnce(&mut Self)) {
        let quote = self.style == Style::Json;
        if quote {
            self.out.push('"');
        }
        write(self);
        if quote {
            self.out.push('"');
        }
    }

    /// A document inside the string is masked in its place, without the quotes around it; other text is its length.
    fn document_or_length(&mut self, value: &str, path: Option<&Path<'_>>, depth: u8) {
        let (start, style) = (self.out.len(), self.style);
        if json::looks_like_document(value) && self.nested < MAX_NESTED_DOCUMENTS && !self.is_full() {
            self.nested += 1;
            self.style = Style::Json;
            let masked = json::mask(self, value, path, depth);
            self.style = style;
            self.nested -= 1;
            if masked.is_ok() {
                return;
            }
            // Half a document was written; what it meant is unknown.
            self.out.truncate(start);
        }
        self.measure("text", value.chars().count(), "chars");
    }

    /// A value that may be shown: no shape has anything to escape in JSON.
    fn kept(&mut self, value: &str) {
        let needs_code = |c: char| matches!(c, ' ' | '%' | '&' | '+' | '#');
        if self.style == Style::Json || !value.contains(needs_code) {
            return self.out.push_str(value);
        }
        for c in value.chars() {
            if needs_code(c) {
                // Writing into a String cannot fail, here and below.
                let _ = write!(self.out, "%{:02X}", u32::from(c));
            } else {
                self.out.push(c);
            }
        }
    }
}

impl Number {
    fn write(self, out: &mut String) {
        match self {
            Self::Unsigned(n) => push_decimal(out, n),
            Self::Signed(n) => {
                let _ = write!(out, "{n}");
            }
            Self::Float(n) => {
                let _ = write!(out, "{n}");
            }
        }
    }
}

/// As `write!` does, in a third of the time: lengths and ids are most of what is written.
fn push_decimal(out: &mut String, mut number: u64) {
    // The longest u64 has 20 digits.
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] += (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.push_str(std::str::from_utf8(&digits[start..]).unwrap_or_default());
}

/// Control characters, line separators and marks that change the order of what is read.
pub(super) fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{2069}' | '\u{feff}')
}
