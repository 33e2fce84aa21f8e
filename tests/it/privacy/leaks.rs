//! Finding what was planted, however it is written: raw, in any case, percent-encoded, escaped, in base64 or hex, or with
//! its digits apart.
//!
//! Every planted value holds one of a few stems that nothing else contains, so that one search finds them all.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// In every planted name, address and part of an e-mail address.
pub const NAME: &str = "quibblewick";
/// In every planted credential. Tokens of the masking hold no i, l or o, so they cannot spell it by chance.
pub const KEY: &str = "zqxvoil";
/// The digits of the planted phone number, with the country and without.
pub const PHONE: [&str; 2] = ["33699887766", "0699887766"];
/// The planted record id.
pub const ID: &str = "70042991177";
/// The planted IBAN and card number.
pub const NUMBERS: [&str; 2] = ["30006000011234567890189", "4111111111111111"];

/// Rounds of percent-decoding; one more than anything planted went through.
const ROUNDS: usize = 4;
/// Shortest run taken for base64 or hex: the stems' own length in it.
const RUN: usize = 9;

/// What stands in `bytes` that must not, each with what is around it.
pub fn leaks(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let mut views = vec![("as it is", text.to_string()), ("unescaped", unescaped(&text))];
    let mut decoded = text.to_string();
    for _ in 0..ROUNDS {
        decoded = percent_encoding::percent_decode_str(&decoded).decode_utf8_lossy().into_owned();
        views.push(("percent-decoded", decoded.clone()));
    }
    views.push(("from base64", runs(&text, is_base64).filter_map(from_base64).collect::<Vec<_>>().join("\n")));
    views
        .push(("from hex", runs(&text, |c| c.is_ascii_hexdigit()).filter_map(from_hex).collect::<Vec<_>>().join("\n")));
    let joined: Vec<_> = views.iter().map(|(_, view)| ("digits together", digits_together(view))).collect();
    views.extend(joined);
    let views: Vec<_> = views.into_iter().map(|(how, view)| (how, view.to_lowercase())).collect();
    let stems = [NAME, KEY, ID].into_iter().chain(PHONE).chain(NUMBERS);
    stems.filter_map(|stem| hit(&views, stem)).collect()
}

/// The first view that shows a stem: the others would only repeat it.
fn hit(views: &[(&str, String)], stem: &str) -> Option<String> {
    let (how, view, at) = views.iter().find_map(|(how, view)| Some((how, view, view.find(stem)?)))?;
    Some(format!("{how}: {stem} in …{}…", around(view, at)))
}

fn around(view: &str, at: usize) -> String {
    let from = view[..at].char_indices().rev().nth(150).map_or(0, |(i, _)| i);
    view[from..].chars().take(320).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// `\u0041`, and backslashes of nested JSON undone.
fn unescaped(text: &str) -> String {
    let mut text = text.replace("\\\\", "\\");
    while text.contains("\\\\") {
        text = text.replace("\\\\", "\\");
    }
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(c) = rest.chars().next() {
        let escape = rest.strip_prefix("\\u").and_then(|r| r.get(..4)).and_then(|h| u16::from_str_radix(h, 16).ok());
        match escape {
            Some(unit) => {
                units.push(unit);
                rest = &rest[6..];
            }
            None => {
                units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    String::from_utf16_lossy(&units)
}

fn is_base64(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+/-_".contains(c)
}

fn runs(text: &str, within: impl Fn(char) -> bool + Copy) -> impl Iterator<Item = &str> {
    text.split(move |c| !within(c)).filter(|run| run.len() >= RUN)
}

/// At every alignment: a value may stand behind a few other letters.
fn from_base64(run: &str) -> Option<String> {
    let decode = |text: &str| {
        let whole = &text[..text.len() - usize::from(text.len() % 4 == 1)];
        let lenient = base64::engine::DecodePaddingMode::Indifferent;
        let config = base64::engine::GeneralPurposeConfig::new()
            .with_decode_padding_mode(lenient)
            .with_decode_allow_trailing_bits(true);
        let engines = [&base64::alphabet::STANDARD, &base64::alphabet::URL_SAFE];
        engines.into_iter().find_map(|a| base64::engine::GeneralPurpose::new(a, config).decode(whole).ok())
    };
    let found: Vec<String> = (0..4)
        .filter_map(|skip| decode(run.get(skip..)?))
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .collect();
    (!found.is_empty()).then(|| found.join("\n"))
}

fn from_hex(run: &str) -> Option<String> {
    let even = &run[..run.len() & !1];
    hex::decode(even).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Digits without what people put between them.
fn digits_together(text: &str) -> String {
    text.chars().filter(|c| !" -.()/\u{a0}\u{202f}".contains(*c)).collect()
}

#[test]
fn each_way_of_writing_is_found() {
    let mail = "Zoe.Quibblewick@example.org";
    let percent = |text: &str| text.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
    let escaped = |text: &str| text.encode_utf16().map(|u| format!("\\u{u:04x}")).collect::<String>();
    let ways = [
        format!("before {mail} after"),
        mail.to_uppercase(),
        percent(mail),
        percent(&percent(&percent(mail))),
        format!("{{\"a\":\"{}\"}}", escaped(mail)),
        escaped(mail).replace('\\', "\\\\\\\\"),
        STANDARD_NO_PAD.encode(mail),
        format!("Basic {}", STANDARD_NO_PAD.encode(format!("{mail}:x"))),
        URL_SAFE_NO_PAD.encode(format!("??>{mail}")),
        format!("x{}", STANDARD_NO_PAD.encode(mail)),
        hex::encode(mail),
        "Token token=hX3JzQxvOil9".to_owned(),
        "+33 (0)6 99 88 77 66".replace("(0)", ""),
        "tel:06.99.88.77.66".to_owned(),
        "%2B33%206-99-88-77-66".to_owned(),
        format!("deal {ID}"),
        "FR76 3000 6000 0112 3456 7890 189".to_owned(),
        "4111-1111-1111-1111".to_owned(),
    ];
    for way in ways {
        assert!(!leaks(way.as_bytes()).is_empty(), "not found: {way}");
        let mut binary = vec![0, 0xff, 0xfe];
        binary.extend_from_slice(way.as_bytes());
        assert!(!leaks(&binary).is_empty(), "not found behind bytes that are no text: {way}");
    }
}

#[test]
fn masked_text_is_clean() {
    let clean = r#"{"endpoint":"/api/contacts/{email}","response":"Read contact contact:1k3f9m2c8pw0xz","n":428.1}"#;
    assert_eq!(leaks(clean.as_bytes()), [""; 0]);
}
