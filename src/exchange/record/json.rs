//! A record as one JSON line, written by hand: field by field what `serde_json` writes, at a third of the cost, once an
//! exchange. The test below holds the two together.

use super::{BypassLink, Record, Word};

/// Writes the record as one JSON object, without the line's end.
pub fn write(record: &Record, out: &mut Vec<u8>) {
    let mut line = Line { out };
    line.text("{\"timestamp\":", &record.timestamp);
    line.text(",\"system\":", &record.system);
    line.word(",\"direction\":", &record.direction);
    line.text(",\"endpoint\":", &record.endpoint);
    line.word(",\"method\":", &record.method);
    line.number(",\"status_code\":", record.status_code.into());
    line.ms(",\"duration_ms\":", record.duration_ms);
    line.text(",\"payload_size\":", &record.payload_size);
    line.number(",\"payload_size_bytes\":", record.payload_size_bytes);
    line.number(",\"response_size_bytes\":", record.response_size_bytes);
    line.text(",\"response\":", record.response.as_str());
    line.text(",\"correlation_id\":", record.correlation_id.as_str());
    line.text(",\"integration\":", &record.integration);
    line.text(",\"upstream\":", &record.upstream);
    line.word(",\"kind\":", &record.kind);
    line.word(",\"outcome\":", &record.outcome);
    line.word(",\"intent\":", &record.intent);
    line.text(",\"object\":", &record.object);
    line.maybe_ms(",\"upstream_ms\":", record.upstream_ms);
    line.ms(",\"overhead_ms\":", record.overhead_ms);
    line.maybe_ms(",\"dns_ms\":", record.dns_ms);
    line.maybe_ms(",\"connect_ms\":", record.connect_ms);
    line.maybe_ms(",\"tunnel_ms\":", record.tunnel_ms);
    line.maybe_ms(",\"tls_ms\":", record.tls_ms);
    line.maybe_number(",\"inner_status\":", record.inner_status.map(u64::from));
    line.maybe_text(",\"vendor_request_id\":", record.vendor_request_id.as_ref().map(|m| m.as_str()));
    line.text(",\"trace_id\":", &record.trace_id);
    line.number(",\"attempts\":", record.attempts.into());
    if record.client_closed {
        line.out.extend_from_slice(b",\"client_closed\":true");
    }
    line.maybe_text(",\"error_kind\":", record.error_kind.as_deref());
    line.maybe_text(",\"query\":", record.query.as_ref().map(|m| m.as_str()));
    line.maybe_number(",\"items_ok\":", record.items_ok);
    line.maybe_number(",\"items_failed\":", record.items_failed);
    line.maybe_number(",\"quota_remaining\":", record.quota_remaining);
    line.links(&record.bypass_links);
    line.maybe_text(",\"request_body\":", record.request_body.as_ref().map(|m| m.as_str()));
    line.maybe_text(",\"response_body\":", record.response_body.as_ref().map(|m| m.as_str()));
    line.out.push(b'}');
}

struct Line<'a> {
    out: &'a mut Vec<u8>,
}

impl Line<'_> {
    /// What the program itself defines has nothing to escape; what was read back from a file is looked at like any text.
    fn word(&mut self, before: &str, value: &Word) {
        match value {
            Word::Borrowed(word) => self.plain(before, word),
            Word::Owned(text) => self.text(before, text),
        }
    }

    fn plain(&mut self, before: &str, value: &str) {
        self.out.reserve(before.len() + value.len() + 2);
        self.out.extend_from_slice(before.as_bytes());
        self.out.push(b'"');
        self.out.extend_from_slice(value.as_bytes());
        self.out.push(b'"');
    }

    fn text(&mut self, before: &str, value: &str) {
        // Every byte is looked at, though one would do: without an early end the loop runs on vectors.
        let special = |b: u8| (b < 0x20) | (b == b'"') | (b == b'\\');
        let plain = !value.bytes().fold(false, |found, b| found | special(b));
        if plain {
            self.plain(before, value);
        } else {
            self.out.extend_from_slice(before.as_bytes());
            // Writing a string to memory cannot fail.
            let _ = serde_json::to_writer(&mut *self.out, value);
        }
    }

    fn number(&mut self, before: &str, value: u64) {
        self.out.extend_from_slice(before.as_bytes());
        self.digits(value);
    }

    fn digits(&mut self, value: u64) {
        if value >= 10 {
            self.digits(value / 10);
        }
        self.out.push(b'0' + (value % 10) as u8);
    }

    /// Milliseconds with up to three decimals, as the shortest text that reads back as the same number.
    fn ms(&mut self, before: &str, value: f64) {
        self.out.extend_from_slice(before.as_bytes());
        let us = (value * 1000.0).round() as u64;
        self.digits(us / 1000);
        self.out.push(b'.');
        let decimals = [us / 100 % 10, us / 10 % 10, us % 10].map(|d| b'0' + d as u8);
        let kept = decimals.iter().rposition(|d| *d != b'0').map_or(1, |last| last + 1);
        self.out.extend_from_slice(&decimals[..kept]);
    }

    fn links(&mut self, links: &[BypassLink]) {
        for (i, BypassLink { field, reason }) in links.iter().enumerate() {
            self.out.extend_from_slice(if i == 0 { b",\"bypass_links\":[" } else { b"," });
            self.text("{\"field\":", field);
            self.text(",\"reason\":", reason);
            self.out.push(b'}');
        }
        if !links.is_empty() {
            self.out.push(b']');
        }
    }

    fn maybe_text(&mut self, before: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(before, value);
        }
    }

    fn maybe_number(&mut self, before: &str, value: Option<u64>) {
        if let Some(value) = value {
            self.number(before, value);
        }
    }

    fn maybe_ms(&mut self, before: &str, value: Option<f64>) {
        if let Some(value) = value {
            self.ms(before, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::redact::Masked;
    use proptest::prelude::*;
    use std::borrow::Cow;
    use std::sync::Arc;

    /// Masked text as history gives it back: the only way to have one of any content.
    fn masked(text: &str) -> Masked {
        serde_json::from_value(text.into()).expect("a string")
    }

    fn record(text: &str, us: u64, present: bool) -> Record {
        let ms = us as f64 / 1000.0;
        let some = |value: u64| present.then_some(value);
        Record {
            timestamp: text.into(),
            system: Arc::from(text),
            direction: Cow::Borrowed("outbound"),
            endpoint: Arc::from(text),
            method: Cow::Borrowed("GET"),
            status_code: 201,
            duration_ms: ms,
            payload_size: "2.1KB".into(),
            payload_size_bytes: us,
            response_size_bytes: 0,
            response: masked(text),
            correlation_id: masked(text),
            integration: Arc::from(text),
            upstream: Arc::from(text),
            kind: Cow::Borrowed("proxy"),
            outcome: Cow::Borrowed("ok"),
            intent: Cow::Borrowed("write"),
            object: Arc::from(""),
            upstream_ms: present.then_some(ms),
            overhead_ms: ms,
            dns_ms: present.then_some(ms),
            connect_ms: present.then_some(ms),
            tunnel_ms: present.then_some(ms),
            tls_ms: present.then_some(ms),
            inner_status: present.then_some(429),
            vendor_request_id: present.then(|| masked(text)),
            trace_id: text.into(),
            attempts: 1,
            client_closed: present,
            error_kind: present.then_some(Cow::Borrowed("tls")),
            query: present.then(|| masked(text)),
            items_ok: some(us),
            items_failed: some(0),
            quota_remaining: some(us),
            bypass_links: ["off", "signed"][..if present { us as usize % 3 } else { 0 }]
                .iter()
                .map(|reason| BypassLink { field: Arc::from(text), reason: Cow::Borrowed(*reason) })
                .collect(),
            request_body: present.then(|| masked(text)),
            response_body: present.then(|| masked(text)),
        }
    }

    proptest! {
        #[test]
        fn it_is_what_serde_writes(text in ".{0,40}", us in 0u64..10_000_000_000_000, present: bool) {
            let record = record(&text, us, present);
            let mut line = Vec::new();
            write(&record, &mut line);
            let expected = serde_json::to_string(&record).expect("a record");
            prop_assert_eq!(String::from_utf8(line).expect("UTF-8"), expected);
        }
    }
}
