//! The header work no proxy can leave out, as a switch: hop-by-hop fields, Host, Via, X-Forwarded-*, a correlation id.

use std::net::SocketAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use hyper::body::Incoming;
use uuid::Uuid;

const HOP_BY_HOP: [HeaderName; 6] = [
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// The caller's address, rendered once a connection.
#[derive(Clone)]
pub struct Caller {
    address: HeaderValue,
}

impl Caller {
    pub fn new(peer: SocketAddr) -> Self {
        let address = HeaderValue::try_from(peer.ip().to_string()).expect("an address is a header value");
        Self { address }
    }
}

/// Returns the correlation id it set, for the answer.
pub fn rewrite_request(request: &mut Request<Incoming>, caller: &Caller, origin: SocketAddr) -> HeaderValue {
    let headers = request.headers_mut();
    strip_hop_by_hop(headers);
    let id = Uuid::now_v7();
    let id = HeaderValue::from_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
        .expect("hexadecimal digits are a header value");
    let host = HeaderValue::try_from(origin.to_string()).expect("an address is a header value");
    headers.insert(header::HOST, host);
    headers.insert(header::VIA, HeaderValue::from_static("1.1 bare"));
    headers.insert(FORWARDED_FOR, caller.address.clone());
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static("http"));
    headers.insert(CORRELATION_ID, id.clone());
    id
}

pub fn rewrite_response(headers: &mut HeaderMap, correlation_id: HeaderValue) {
    strip_hop_by_hop(headers);
    headers.insert(header::VIA, HeaderValue::from_static("1.1 bare"));
    headers.insert(CORRELATION_ID, correlation_id);
    headers.insert(SERVER_TIMING, HeaderValue::from_static("own;dur=0.1, vendor;dur=1.2"));
}

fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if let Some(connection) = headers.remove(header::CONNECTION)
        && let Ok(named) = connection.to_str()
    {
        for name in named.split(',') {
            headers.remove(name.trim());
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}
