//! Exchange -> Record: classify, then mask. Pure but for the masking key; every string of the record is masked or the
//! program's own.

use super::decode::{Decoded, decode};
use super::{Capture, Knowledge, bypass};
use crate::exchange::record::{METHODS, Record, Word};
use crate::exchange::redact::{self, Masked, MaskedBuilder, Masker};
use crate::exchange::{Bypass, Exchange, Outcome};
use crate::vendors::{Answer, Judgement, RouteDef, Summary, classify};
use http::Method;
use std::borrow::Cow;
use std::sync::Arc;

/// What one exchange came to.
pub struct Digest {
    /// The masked record.
    pub record: Record,
    /// Its outcome.
    pub outcome: Outcome,
    /// The vendor hid a 5xx in the body of an answer that was none by status.
    pub inner_server_error: bool,
    /// Links in the answer that lead past the agent.
    pub bypass: Vec<Bypass>,
}

/// Judges and masks one exchange. `remaining` is the least quota its answer told.
pub fn digest(
    exchange: &Exchange,
    known: &Knowledge,
    masker: &Masker,
    capture: Capture,
    remaining: Option<u64>,
) -> Digest {
    let route = exchange.route.and_then(|index| known.profile.routes().get(usize::from(index)));
    let reply = &exchange.response.body;
    let body = decode(exchange.response.header_lines("content-encoding"), &reply.bytes, reply.truncated);
    let judged = judge(exchange, known, route, &body);
    let outcome = outcome(exchange, judged.as_ref());
    let bypass = bypass::links(exchange, known, judged.as_ref());
    let mut record = Recording { exchange, known, masker, route, outcome, judged: judged.as_ref() }.record(remaining);
    record.bypass_links = bypass::told(&bypass);
    let inner_server_error = inner_server_error(exchange, judged.as_ref());
    let mut digest = Digest { record, outcome, inner_server_error, bypass };
    if capture == Capture::All || (capture == Capture::Errors && outcome != Outcome::Ok) {
        add_bodies(&mut digest.record, exchange, known, masker, &body);
    }
    digest
}

fn inner_server_error(exchange: &Exchange, judged: Option<&Judgement>) -> bool {
    let by_status = (500..600).contains(&exchange.status);
    !by_status && judged.and_then(|j| j.inner_status).is_some_and(|s| (500..600).contains(&s))
}

/// Classifies what the vendor answered; `None` when it answered nothing.
fn judge(exchange: &Exchange, known: &Knowledge, route: Option<&RouteDef>, body: &Decoded<'_>) -> Option<Judgement> {
    let status = exchange.attempts.last()?.status?;
    let cut = body.truncated || !exchange.response.body.complete;
    let answer = Answer {
        method: &exchange.method,
        route,
        path: exchange.target.path(),
        status,
        content_type: exchange.response.header("content-type"),
        body: &body.bytes,
        truncated: cut,
        readable: body.readable,
    };
    Some(classify(&known.profile, &answer))
}

/// The exchange's end: a failure of Vigie or the network first, then the caller's leaving, then the answer's meaning.
fn outcome(exchange: &Exchange, judged: Option<&Judgement>) -> Outcome {
    match (exchange.error, judged) {
        (Some(error), _) => error.outcome(),
        (None, None) => Outcome::ClientClosed,
        // A write whose answer was read on after its caller left is judged by that answer.
        (None, Some(_)) if exchange.client_closed && exchange.method.is_safe() => Outcome::ClientClosed,
        (None, Some(judgement)) => judgement.outcome,
    }
}

fn add_bodies(record: &mut Record, exchange: &Exchange, known: &Knowledge, masker: &Masker, reply: &Decoded<'_>) {
    let request = &exchange.request;
    if request.body_bytes > 0 {
        let cut = request.body.truncated || !request.body.complete;
        let decoded = decode(request.header_lines("content-encoding"), &request.body.bytes, cut);
        let kind = request.header("content-type");
        record.request_body = Some(masker.body(&known.policy, kind, &decoded.bytes, decoded.truncated));
    }
    if exchange.response.body_bytes > 0 {
        let kind = exchange.response.header("content-type");
        let cut = reply.truncated || !exchange.response.body.complete;
        record.response_body = Some(masker.body(&known.policy, kind, &reply.bytes, cut));
    }
}

struct Recording<'a> {
    exchange: &'a Exchange,
    known: &'a Knowledge,
    masker: &'a Masker,
    route: Option<&'a RouteDef>,
    outcome: Outcome,
    judged: Option<&'a Judgement>,
}

impl Recording<'_> {
    fn record(&self, remaining: Option<u64>) -> Record {
        let Exchange { place, request, response, attempts, .. } = self.exchange;
        let connect = attempts.last().and_then(|a| a.connect);
        let intent = self.known.profile.intent(&self.exchange.method, self.route);
        Record {
            timestamp: timestamp(self.exchange.started_us),
            system: Arc::clone(&place.system),
            direction: Cow::Borrowed(self.exchange.direction.as_str()),
            endpoint: Arc::clone(&place.route),
            method: method_word(&self.exchange.method),
            status_code: self.exchange.status,
            duration_ms: ms(self.exchange.total_us),
            payload_size: human(request.body_bytes),
            payload_size_bytes: request.body_bytes,
            response_size_bytes: response.body_bytes,
            response: self.response(),
            correlation_id: self.exchange.correlation_id.clone(),
            integration: Arc::clone(&place.integration),
            upstream: Arc::clone(&place.upstream),
            kind: Cow::Borrowed(self.exchange.kind.as_str()),
            outcome: Cow::Borrowed(self.outcome.as_str()),
            intent: Cow::Borrowed(intent.as_str()),
            object: self.route.map_or_else(|| Arc::from(""), |r| Arc::clone(&r.object)),
            upstream_ms: attempts.last().filter(|a| a.is_timed()).map(|a| ms(a.upstream_us)),
            overhead_ms: ms(self.exchange.overhead_us),
            dns_ms: connect.map(|c| ms(c.dns_us.into())),
            connect_ms: connect.map(|c| ms(c.tcp_us.into())),
            tunnel_ms: connect.filter(|c| c.tunnel_us > 0).map(|c| ms(c.tunnel_us.into())),
            tls_ms: connect.filter(|c| c.tls_us > 0).map(|c| ms(c.tls_us.into())),
            inner_status: self.inner_status(),
            vendor_request_id: self.vendor_request_id(),
            trace_id: hex(self.exchange.trace.trace_id),
            attempts: attempts.iter().filter(|a| a.was_sent()).count() as u32,
            client_closed: self.exchange.client_closed,
            error_kind: self.exchange.error.map(|e| Cow::Borrowed(e.as_str())),
            query: self.exchange.target.query().map(|q| self.masker.query(&self.known.policy, q)),
            items_ok: self.judged.and_then(|j| j.items).map(|(ok, _)| ok),
            items_failed: self.judged.and_then(|j| j.items).map(|(_, failed)| failed),
            quota_remaining: remaining,
            bypass_links: Vec::new(),
            request_body: None,
            response_body: None,
        }
    }

    /// The vendor's own status: hidden in the body, or answered to a caller that got one of Vigie's.
    fn inner_status(&self) -> Option<u16> {
        let hidden = self.judged.and_then(|j| j.inner_status);
        let answered = self.exchange.attempts.last().and_then(|a| a.status);
        hidden.or(answered.filter(|s| *s != self.exchange.status))
    }

    fn vendor_request_id(&self) -> Option<Masked> {
        let id = self.known.profile.vendor_request_id(|name| self.exchange.response.header(name))?;
        // The same bounds and detectors as for a caller's id: it is quoted to the vendor, so it must stay readable. No
        // vendor makes ids without a digit; a word alone may be a name.
        let plain = redact::correlation_id(id).filter(|_| id.bytes().any(|b| b.is_ascii_digit()));
        Some(plain.unwrap_or_else(|| self.masker.id("request", id)))
    }

    /// The vendor's message where it may be shown, else what was done, in words.
    fn response(&self) -> Masked {
        let intended;
        let (summary, message) = match self.judged {
            Some(judgement) => (&judgement.summary, judgement.message.as_deref()),
            None => {
                let Exchange { method, target, .. } = self.exchange;
                intended = Summary::intended(&self.known.profile, method, self.route, target.path());
                (&intended, None)
            }
        };
        let token = summary.id.as_ref().map(|(kind, raw)| self.masker.id(kind, raw));
        let done = Masked::of_profile(&summary.text(self.outcome, token.as_ref().map(Masked::as_str)));
        match message {
            None => done,
            Some(message) => {
                let message = self.masker.message(&self.known.policy, message);
                MaskedBuilder::new().push(&done).glue().push_word(": ").glue().push(&message).finish()
            }
        }
    }
}

/// RFC 3339 in UTC with milliseconds. Written digit by digit: general formatting costs ten times as much, once an exchange.
fn timestamp(us: i64) -> String {
    let (days, in_day) = (us.div_euclid(86_400_000_000), us.rem_euclid(86_400_000_000));
    let (year, month, day) = civil(days);
    let ms = in_day / 1000;
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let mut put = |at: usize, value: i64| {
        text[at] = b'0' + (value / 10 % 10) as u8;
        text[at + 1] = b'0' + (value % 10) as u8;
    };
    put(0, year / 100);
    put(2, year);
    put(5, month);
    put(8, day);
    put(11, ms / 3_600_000);
    put(14, ms / 60_000 % 60);
    put(17, ms / 1000 % 60);
    put(20, ms / 10);
    text[22] = b'0' + (ms % 10) as u8;
    ascii(&text)
}

/// Digits and punctuation as text.
fn ascii(text: &[u8]) -> String {
    std::str::from_utf8(text).unwrap_or_default().to_owned()
}

/// 32 lower-case hex digits.
fn hex(id: u128) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 32];
    for (pair, byte) in text.chunks_exact_mut(2).zip(id.to_be_bytes()) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    ascii(&text)
}

/// Days since the Unix epoch to a date of the proleptic Gregorian calendar (Howard Hinnant's `civil_from_days`): a tenth
/// of the cost of a time library's general formatting, once an exchange.
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

fn ms(us: u64) -> f64 {
    us as f64 / 1000.0
}

/// `2.1KB`: 1 KB = 1000 B, one decimal below ten.
pub fn human(bytes: u64) -> String {
    if bytes == 0 {
        return String::from("0B");
    }
    const UNITS: [&str; 5] = ["B", "KB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit < UNITS.len() - 1 {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes}B") } else { format!("{value:.1}{}", UNITS[unit]) }
}

/// Registered methods by name; anything else may be content in disguise.
fn method_word(method: &Method) -> Word {
    Cow::Borrowed(METHODS.into_iter().find(|k| *k == method.as_str()).unwrap_or("OTHER"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_agree_with_a_time_library() {
        for us in [0, 951_782_400_123_000, 1_761_299_130_000_999, 4_102_444_799_999_000, 1_709_164_800_000_000] {
            let expected = jiff::Timestamp::from_microsecond(us).expect("in range");
            assert_eq!(timestamp(us), format!("{expected:.3}"), "{us}");
        }
    }

    #[test]
    fn sizes_for_people_count_in_thousands() {
        let cases =
            [(0, "0B"), (999, "999B"), (1000, "1.0KB"), (2_100, "2.1KB"), (999_960, "1.0MB"), (5_300_000, "5.3MB")];
        for (bytes, text) in cases {
            assert_eq!(human(bytes), text);
        }
    }

    #[test]
    fn an_unregistered_method_is_not_logged() {
        assert_eq!(method_word(&Method::from_bytes(b"ANNA@EXAMPLE").unwrap_or(Method::GET)), "GET");
        assert_eq!(method_word(&Method::from_bytes(b"JANE.DOE").expect("a token")), "OTHER");
    }
}
