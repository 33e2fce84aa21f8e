//! A request's head on the wire (RFC 9112 sections 2, 3 and 6).

use crate::proxy::added::Added;
use crate::proxy::body::RequestBody;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::response::Parts;
use http::{HeaderMap, Method, Request};
use http_body::Body;

/// How a request's body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// By `Content-Length`: so many bytes are to come.
    Exact(u64),
    /// In chunks.
    Chunked,
}

/// Writes the head. The framing headers are made from the body: those of the caller's message end here.
pub fn head(request: &Request<RequestBody>, added: &Added, out: &mut Vec<u8>) -> Framing {
    out.extend_from_slice(request.method().as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(request.uri().path_and_query().map_or("/", |target| target.as_str()).as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    added.write(out);
    let body = request.body();
    let framing = match body.size_hint().exact() {
        _ if body.is_end_stream() => Framing::None,
        Some(length) => Framing::Exact(length),
        None => Framing::Chunked,
    };
    let had_length = fields(request.headers(), out);
    match framing {
        Framing::Exact(length) => length_field(length, out),
        Framing::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        // Servers tell "no body" from "no length" by it (RFC 9110 section 8.6).
        Framing::None if had_length || expects_body(request.method()) => length_field(0, out),
        Framing::None => {}
    }
    out.extend_from_slice(b"\r\n");
    framing
}

/// An interim answer's head: it has no body and says nothing of one (RFC 9110 sections 8.6 and 15.2).
pub fn interim_head(parts: &Parts) -> Vec<u8> {
    let reason = parts.status.canonical_reason().unwrap_or_default();
    let mut out = format!("HTTP/1.1 {} {reason}\r\n", parts.status.as_str()).into_bytes();
    fields(&parts.headers, &mut out);
    out.extend_from_slice(b"\r\n");
    out
}

fn expects_body(method: &Method) -> bool {
    [Method::POST, Method::PUT, Method::PATCH].contains(method)
}

/// Writes header lines but for the framing's. True if the length was among these.
pub fn fields(headers: &HeaderMap, out: &mut Vec<u8>) -> bool {
    let mut had_length = false;
    for (name, value) in headers {
        if *name == CONTENT_LENGTH || *name == TRANSFER_ENCODING {
            had_length |= *name == CONTENT_LENGTH;
            continue;
        }
        let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
        out.reserve(name.len() + value.len() + 4);
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
    had_length
}

fn length_field(length: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"content-length: ");
    out.extend_from_slice(length.to_string().as_bytes());
    out.extend_from_slice(b"\r\n");
}
