//! `Server-Timing` (W3C): the caller's own tools show where the time went.

use crate::exchange::{Attempt, Exchange};
use http::HeaderValue;

/// `vigie;dur=0.05, dns;dur=…, connect;dur=…, tunnel;dur=…, tls;dur=…, upstream;dur=12.3`, in milliseconds; as far as the exchange came.
pub fn value(exchange: &Exchange) -> Option<HeaderValue> {
    let mut text = Vec::with_capacity(96);
    part(&mut text, "vigie", exchange.overhead_us);
    if let Some(attempt) = exchange.attempts.last() {
        phases(&mut text, attempt);
    }
    HeaderValue::from_maybe_shared(bytes::Bytes::from(text)).ok()
}

fn phases(text: &mut Vec<u8>, attempt: &Attempt) {
    if let Some(connect) = attempt.connect {
        part(text, "dns", connect.dns_us.into());
        part(text, "connect", connect.tcp_us.into());
        if connect.tunnel_us > 0 {
            part(text, "tunnel", connect.tunnel_us.into());
        }
        if connect.tls_us > 0 {
            part(text, "tls", connect.tls_us.into());
        }
    }
    if attempt.was_sent() {
        part(text, "upstream", attempt.upstream_us);
    }
}

fn part(text: &mut Vec<u8>, name: &str, us: u64) {
    if !text.is_empty() {
        text.extend_from_slice(b", ");
    }
    text.extend_from_slice(name.as_bytes());
    text.extend_from_slice(b";dur=");
    whole(text, us / 1000);
    let rest = us % 1000;
    text.extend([b'.', digit(rest / 100), digit(rest / 10), digit(rest)]);
}

/// Written digit by digit: general formatting costs several times as much, three times an exchange.
fn whole(text: &mut Vec<u8>, number: u64) {
    if number >= 10 {
        whole(text, number / 10);
    }
    text.push(digit(number));
}

fn digit(number: u64) -> u8 {
    b'0' + (number % 10) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_with_three_decimals() {
        let mut text = Vec::new();
        for (name, us) in [("vigie", 50), ("dns", 0), ("upstream", 12_345_006)] {
            part(&mut text, name, us);
        }
        assert_eq!(text, b"vigie;dur=0.050, dns;dur=0.000, upstream;dur=12345.006");
    }
}
