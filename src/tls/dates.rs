//! Until when a certificate is good: the one field of X.509 (RFC 5280 section 4.1.2.5) that the verifier keeps to itself.

use super::pem::{self, Role};
use std::path::Path;

/// Unix seconds after which the certificate, DER, is no longer good. `None` where it cannot be read.
pub fn not_after(certificate: &[u8]) -> Option<i64> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    let (_, certificate, _) = element(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, fields, _) = element(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (tag, _, mut rest) = element(fields)?;
    // Serial number, signature algorithm, issuer; the version before them may be left out.
    for _ in 0..if tag == VERSION { 3 } else { 2 } {
        (_, _, rest) = element(rest)?;
    }
    let (_, validity, _) = element(rest).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, _, rest) = element(validity)?;
    let (tag, text, _) = element(rest)?;
    time(tag, text)
}

/// [`not_after`] of the first certificate in a file.
pub fn file_not_after(path: &Path) -> Option<i64> {
    not_after(pem::certificates(Role::Certificate, path).ok()?.first()?)
}

/// Tag, content, and what comes behind (X.690 section 8.1), of lengths that certificates have.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match first {
        ..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// UTCTime, whose years 50 to 99 are of the last century, or GeneralizedTime; both to the second and in UTC.
fn time(tag: u8, text: &[u8]) -> Option<i64> {
    const UTC_TIME: u8 = 0x17;
    const GENERALIZED_TIME: u8 = 0x18;
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: i16 = number(year)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (number(year)?, rest)
        }
        _ => return None,
    };
    let two = |at: usize| number::<i8>(rest.get(at..at + 2)?);
    if rest.len() != 10 {
        return None;
    }
    let civil = jiff::civil::DateTime::new(year, two(0)?, two(2)?, two(4)?, two(6)?, two(8)?, 0).ok()?;
    Some(jiff::tz::TimeZone::UTC.to_timestamp(civil).ok()?.as_second())
}

fn number<N: std::str::FromStr>(digits: &str) -> Option<N> {
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    #[test]
    fn a_certificates_end_is_read() {
        let key = KeyPair::generate().expect("a key");
        // RFC 5280: UTCTime through 2049, GeneralizedTime from 2050.
        for (year, seconds) in
            [(2031, 1_927_065_600), (2049, 2_495_145_600), (2050, 2_526_681_600), (2120, 4_735_584_000)]
        {
            let mut params = CertificateParams::new(vec!["crm.example".to_owned()]).expect("valid names");
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(year, 1, 25);
            let der = params.self_signed(&key).expect("a certificate");
            assert_eq!(not_after(der.der()), Some(seconds), "{year}");
            for cut in 0..200 {
                assert_eq!(not_after(&der.der()[..cut]), None, "cut at {cut}");
            }
        }
    }

    #[test]
    fn times_that_are_none_are_refused() {
        assert_eq!(time(0x17, b"700101000000Z"), Some(0));
        for (tag, text) in [
            (0x17, "700101000000"),
            (0x17, "70010100000Z"),
            (0x17, "701301000000Z"),
            (0x18, "+9700101000000Z"),
            (0x16, "700101000000Z"),
        ] {
            assert_eq!(time(tag, text.as_bytes()), None, "{text}");
        }
    }
}
