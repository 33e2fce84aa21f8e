//! Correlation id and W3C trace context of one exchange: continued from the caller, or begun.

use super::headers::{CORRELATION_ID, TRACEPARENT};
use super::present::{Asked, Present};
use crate::exchange::Trace;
use crate::exchange::redact::{self, Masked};
use http::HeaderMap;
use std::cell::Cell;
use uuid::Uuid;

/// A small fast generator for span ids: they must be unique, not unguessable.
pub struct SpanIds(Cell<u64>);

impl SpanIds {
    /// Seeds from the operating system by way of a random UUID.
    pub fn new(worker: usize) -> Self {
        let (high, low) = Uuid::now_v7().as_u64_pair();
        Self(Cell::new(high.rotate_left(17) ^ low ^ ((worker as u64) << 56)))
    }

    /// The next id, never zero (splitmix64: every 64-bit value once a period).
    pub fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.0.set(state);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)).max(1)
    }
}

/// Bits of the trace flags (W3C Trace Context level 2, section 3.2.2.5); the others have no meaning yet and are not sent on.
const SAMPLED: u8 = 1;
const RANDOM: u8 = 2;

/// Reads the caller's context and decides on sampling: the parent's decision, else the ratio over the trace id.
pub fn trace(headers: &HeaderMap, present: Present, ids: &SpanIds, ratio: f64) -> Trace {
    let server_span = ids.next();
    match present.has(Asked::TRACEPARENT).then(|| parent(headers)).flatten() {
        Some((trace_id, parent, flags)) => {
            let (sampled, random) = (flags & SAMPLED != 0, flags & RANDOM != 0);
            Trace { trace_id, parent: Some(parent), server_span, sampled, random }
        }
        None => {
            let trace_id = (u128::from(ids.next()) << 64) | u128::from(ids.next());
            // The last 56 bits are random by the W3C's level 2; a threshold on them agrees with other samplers' use.
            let share = (trace_id as u64 >> 8) as f64 / (1u64 << 56) as f64;
            Trace { trace_id, parent: None, server_span, sampled: share < ratio, random: true }
        }
    }
}

/// The caller's context, if it sent exactly one (W3C Trace Context level 2, section 3.2.1).
fn parent(headers: &HeaderMap) -> Option<(u128, u64, u8)> {
    let mut sent = headers.get_all(TRACEPARENT).iter();
    let only = sent.next().filter(|_| sent.next().is_none())?;
    parse_traceparent(only.as_bytes())
}

/// `00-<32 hex>-<16 hex>-<2 hex>` (W3C Trace Context section 3.2); `None` when invalid: then a new trace begins.
///
/// So it does for a trace id of decimal digits alone: that is a number somebody put there, a phone number perhaps, and
/// trace ids are logged as they are. Of random ids 3 in ten million look so, of 64-bit ones 1 in 2,000.
fn parse_traceparent(value: &[u8]) -> Option<(u128, u64, u8)> {
    let exact = value.len() == 55 || (value.len() > 55 && value[55] == b'-' && &value[..2] != b"00");
    if !exact || value[2] != b'-' || value[35] != b'-' || value[52] != b'-' || &value[..2] == b"ff" {
        return None;
    }
    hex(&value[..2])?;
    let trace_id = hex(&value[3..35])?;
    let parent = hex(&value[36..52])? as u64;
    let flags = hex(&value[53..55])? as u8;
    if value[3..35].iter().all(u8::is_ascii_digit) {
        return None;
    }
    (trace_id != 0 && parent != 0).then_some((trace_id, parent, flags))
}

fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0u128, |acc, b| {
        let digit = match b {
            b'0'..=b'9' => b - b'0',
            b'a'..=b'f' => b - b'a' + 10,
            _ => return None,
        };
        Some((acc << 4) | u128::from(digit))
    })
}

/// Bytes of a `traceparent`.
pub const TRACEPARENT_BYTES: usize = 55;

/// The `traceparent` sent on, naming `span` as the parent.
pub fn traceparent(trace: &Trace, span: u64) -> [u8; TRACEPARENT_BYTES] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
    for (i, at) in (3..35).rev().enumerate() {
        text[at] = HEX[(trace.trace_id >> (4 * i)) as usize & 15];
    }
    for (i, at) in (36..52).rev().enumerate() {
        text[at] = HEX[(span >> (4 * i)) as usize & 15];
    }
    text[54] = b'0' + if trace.sampled { SAMPLED } else { 0 } + if trace.random { RANDOM } else { 0 };
    text
}

/// The caller's correlation id if it is harmless, else the caller's trace id, else a new UUIDv7.
pub fn correlation_id(headers: &HeaderMap, present: Present, trace: &Trace, (ids, now_us): (&SpanIds, i64)) -> Masked {
    let given = present.has(Asked::CORRELATION_ID).then(|| headers.get(CORRELATION_ID)).flatten();
    let given = given.and_then(|v| v.to_str().ok());
    given.and_then(redact::correlation_id).unwrap_or_else(|| match trace.parent {
        Some(_) => Masked::from_trace_id(trace.trace_id),
        None => Masked::from_uuid(uuid(ids, now_us)),
    })
}

/// A UUIDv7 (RFC 9562 section 5.7) from the clock reading that the exchange has anyway; its random part must be unique, not
/// unguessable, so the operating system is not asked.
fn uuid(ids: &SpanIds, now_us: i64) -> Uuid {
    let mut random = [0; 10];
    random[..8].copy_from_slice(&ids.next().to_be_bytes());
    random[8..].copy_from_slice(&ids.next().to_be_bytes()[..2]);
    let ms = u64::try_from(now_us / 1000).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const VALID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(value: &str) -> HeaderMap {
        let value = HeaderValue::from_str(value).expect("a header value");
        HeaderMap::from_iter([(TRACEPARENT, value)])
    }

    fn traced(headers: &HeaderMap, ids: &SpanIds, ratio: f64) -> Trace {
        trace(headers, Present::of(headers), ids, ratio)
    }

    #[test]
    fn a_valid_parent_is_continued_with_its_decision() {
        let trace = traced(&headers(VALID), &SpanIds::new(0), 0.0);
        assert_eq!(trace.trace_id, 0x0af7651916cd43dd8448eb211c80319c);
        assert_eq!((trace.parent, trace.sampled), (Some(0xb7ad6b7169203331), true));
        let sent = traceparent(&trace, 0x1234);
        assert_eq!(&sent, b"00-0af7651916cd43dd8448eb211c80319c-0000000000001234-01");
    }

    #[test]
    fn the_random_flag_is_passed_on_and_set_where_the_id_is_ours() {
        for (sent, passed_on) in [("00", "00"), ("01", "01"), ("02", "02"), ("03", "03"), ("ff", "03"), ("0c", "00")] {
            let trace = traced(&headers(&format!("{}{sent}", &VALID[..53])), &SpanIds::new(0), 1.0);
            let on = traceparent(&trace, 1);
            assert_eq!(&on[53..], passed_on.as_bytes(), "{sent}");
        }
        for (ratio, flags) in [(0.0, "02"), (1.0, "03")] {
            let on = traceparent(&traced(&HeaderMap::new(), &SpanIds::new(0), ratio), 1);
            assert_eq!(&on[53..], flags.as_bytes());
        }
    }

    #[test]
    fn our_ids_are_random_in_every_bit() {
        let ids = SpanIds::new(3);
        let mut ones = [0u32; 128];
        for _ in 0..4096 {
            let id = traced(&HeaderMap::new(), &ids, 0.0).trace_id;
            ones.iter_mut().enumerate().for_each(|(bit, ones)| *ones += (id >> bit) as u32 & 1);
        }
        // Eight standard deviations (32 each) about the middle.
        assert!(ones.iter().all(|ones| (1792..2304).contains(ones)), "{ones:?}");
    }

    #[test]
    fn two_parents_are_none() {
        let mut two = headers(VALID);
        two.append(TRACEPARENT, HeaderValue::from_static(VALID));
        let begun = traced(&two, &SpanIds::new(0), 0.0);
        assert!(begun.parent.is_none() && begun.random && begun.trace_id != 0x0af7651916cd43dd8448eb211c80319c);
    }

    #[test]
    fn an_invalid_parent_begins_a_new_trace() {
        let bad = [
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-extra",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-00000000000000000000033699887766-b7ad6b7169203331-01",
            "",
        ];
        for value in bad {
            assert_eq!(traced(&headers(value), &SpanIds::new(0), 1.0).parent, None, "{value}");
        }
        let future = format!("01{}-extra", &VALID[2..]);
        assert!(traced(&headers(&future), &SpanIds::new(0), 0.0).parent.is_some(), "later versions may be longer");
    }

    #[test]
    fn the_ratio_decides_only_where_no_parent_did() {
        let ids = SpanIds::new(0);
        let kept = (0..10_000).filter(|_| traced(&HeaderMap::new(), &ids, 0.1).sampled).count();
        assert!((800..1200).contains(&kept), "{kept} of 10000 at a ratio of 0.1");
        assert!(!traced(&HeaderMap::new(), &ids, 0.0).sampled);
        assert!(traced(&HeaderMap::new(), &ids, 1.0).sampled);
    }
}
