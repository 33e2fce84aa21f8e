//! `Server-Timing` (W3C): the caller's own tools show where the time went.

use crate::exchange::Exchange;
use http::HeaderValue;
use std::io::Write;

/// `vigie;dur=0.05, dns;dur=…, connect;dur=…, tls;dur=…, upstream;dur=12.3`, in milliseconds.
pub fn value(exchange: &Exchange) -> Option<HeaderValue> {
    let attempt = exchange.attempts.last()?;
    let mut text = Vec::with_capacity(96);
    part(&mut text, "vigie", exchange.overhead_us);
    if let Some(connect) = attempt.connect {
        part(&mut text, "dns", connect.dns_us.into());
        part(&mut text, "connect", connect.tcp_us.into());
        if connect.tls_us > 0 {
            part(&mut text, "tls", connect.tls_us.into());
        }
    }
    part(&mut text, "upstream", attempt.upstream_us);
    HeaderValue::from_maybe_shared(bytes::Bytes::from(text)).ok()
}

fn part(text: &mut Vec<u8>, name: &str, us: u64) {
    let comma = if text.is_empty() { "" } else { ", " };
    // Writing to a Vec cannot fail.
    let _ = write!(text, "{comma}{name};dur={}.{:03}", us / 1000, us % 1000);
}
