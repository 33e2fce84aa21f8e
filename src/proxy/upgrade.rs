//! Whether a caller's wish for another protocol is passed on (RFC 9110 section 7.8): only a protocol that the upstream's
//! configuration lists, only over HTTP/1.1, only behind a request without a body. All else is refused, but for what may be
//! left out without anybody missing it.

use super::headers::Offer;
use http::{HeaderValue, Method, Version, request};

/// What becomes of the wish.
#[derive(Debug, PartialEq, Eq)]
pub enum Wish {
    /// There is none, or one that may be left out silently.
    None,
    /// This protocol, as the configuration writes it, is asked for upstream.
    Switch(HeaderValue),
    /// The caller is told that it is not served.
    Refused,
}

impl Wish {
    /// Decides on what stood in the head `parts` before it was stripped. `bodiless`: nothing of the request is to come.
    pub fn of(offer: Option<Offer>, parts: &request::Parts, bodiless: bool, allowed: &[HeaderValue]) -> Self {
        let Some(Offer { protocols, announced }) = offer else { return Self::None };
        // "A server MUST ignore an Upgrade header field that is received in an HTTP/1.0 request."
        if parts.version != Version::HTTP_11 || listed(&protocols).all(is_h2c) {
            return Self::None;
        }
        let first = listed(&protocols).find_map(|asked| allowed.iter().find(|known| same(known, asked)));
        match first {
            Some(protocol) if announced && bodiless && parts.method == Method::GET => Self::Switch(protocol.clone()),
            _ => Self::Refused,
        }
    }
}

fn listed(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|word| !word.is_empty())
}

/// The one protocol that may be left out silently: the caller then goes on in HTTP/1.1, which is what it asked in
/// (RFC 9113 section 3.1). Java's client sends it with its first request to every plain address.
fn is_h2c(protocol: &[u8]) -> bool {
    protocol.eq_ignore_ascii_case(b"h2c")
}

/// Names of protocols are compared without regard to case.
pub fn same(known: &HeaderValue, asked: &[u8]) -> bool {
    known.as_bytes().eq_ignore_ascii_case(asked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn wish(protocols: &'static str, change: impl Fn(&mut Offer, &mut request::Parts, &mut bool)) -> Wish {
        let (mut parts, ()) = Request::new(()).into_parts();
        let mut offer = Offer { protocols: HeaderValue::from_static(protocols), announced: true };
        let mut bodiless = true;
        change(&mut offer, &mut parts, &mut bodiless);
        Wish::of(Some(offer), &parts, bodiless, &[HeaderValue::from_static("websocket")])
    }

    #[test]
    fn only_what_is_listed_is_passed_on() {
        let websocket = Wish::Switch(HeaderValue::from_static("websocket"));
        for (protocols, wanted) in [
            ("websocket", &websocket),
            ("WebSocket", &websocket),
            ("h2c, websocket", &websocket),
            ("h2c", &Wish::None),
            ("H2C,", &Wish::None),
            ("websocket/13", &Wish::Refused),
            ("TLS/1.0", &Wish::Refused),
            ("h2c, HTTP/3", &Wish::Refused),
            ("websocket evil", &Wish::Refused),
        ] {
            assert_eq!(&wish(protocols, |_, _, _| {}), wanted, "{protocols}");
        }
    }

    #[test]
    fn a_wish_that_breaks_the_rules_is_refused() {
        assert_eq!(wish("websocket", |offer, _, _| offer.announced = false), Wish::Refused);
        assert_eq!(wish("websocket", |_, parts, _| parts.method = Method::POST), Wish::Refused);
        assert_eq!(wish("websocket", |_, _, bodiless| *bodiless = false), Wish::Refused);
        assert_eq!(wish("websocket", |_, parts, _| parts.version = Version::HTTP_10), Wish::None);
    }
}
