//! Content codings, undone off the data path, within a bound.

use brotli_decompressor::{BrotliDecoderParameter, Decompressor};
use std::borrow::Cow;
use std::io::{self, Read};

/// Most bytes a decoded body may have, and each stage on the way to it: beyond, it counts as truncated.
pub const MAX_DECODED: usize = 1 << 20;

/// Codings on top of each other that are undone; nobody honest applies more than two.
const MAX_STACKED: usize = 3;

/// Window of a zstd frame at most, as a power of two: the 8 MiB that RFC 9659 allows in HTTP.
const ZSTD_WINDOW_LOG: u32 = 23;

/// Bytes that the brotli decoder reads at a time.
const BROTLI_BUFFER: usize = 4096;

/// A body as its content type describes it.
pub struct Decoded<'a> {
    /// The bytes, as far as they could be decoded.
    pub bytes: Cow<'a, [u8]>,
    /// True when there is more than these bytes.
    pub truncated: bool,
    /// False when the coding is not known or the bytes are not in it: nothing can be said of the content.
    pub readable: bool,
}

/// Undoes the codings that the `Content-Encoding` lines name, the last one first (RFC 9110 section 8.4).
pub fn decode<'a, 'h>(lines: impl Iterator<Item = &'h str>, bytes: &'a [u8], truncated: bool) -> Decoded<'a> {
    let mut body = Decoded { bytes: Cow::Borrowed(bytes), truncated, readable: true };
    if bytes.is_empty() {
        return body;
    }
    let mut codings = [""; MAX_STACKED];
    let mut stacked = 0;
    for coding in lines.flat_map(|line| line.split(',')).map(str::trim) {
        if coding.is_empty() || coding.eq_ignore_ascii_case("identity") {
            continue;
        }
        let Some(slot) = codings.get_mut(stacked) else { return unreadable(truncated) };
        *slot = coding;
        stacked += 1;
    }
    for coding in codings[..stacked].iter().rev() {
        body = undo(coding, &body.bytes, body.truncated);
        if !body.readable {
            return body;
        }
    }
    body
}

fn undo(coding: &str, bytes: &[u8], truncated: bool) -> Decoded<'static> {
    let is = |names: &[&str]| names.iter().any(|name| coding.eq_ignore_ascii_case(name));
    if is(&["gzip", "x-gzip"]) {
        inflate(flate2::read::MultiGzDecoder::new(bytes), truncated)
    } else if is(&["deflate"]) {
        // RFC 9110 means zlib; some servers send raw deflate.
        let zlib = inflate(flate2::read::ZlibDecoder::new(bytes), truncated);
        if zlib.readable { zlib } else { inflate(flate2::read::DeflateDecoder::new(bytes), truncated) }
    } else if is(&["br"]) {
        inflate(brotli(bytes), truncated)
    } else if is(&["zstd"]) {
        zstd(bytes).map_or_else(|_| unreadable(truncated), |reader| inflate(reader, truncated))
    } else {
        unreadable(truncated)
    }
}

fn unreadable(truncated: bool) -> Decoded<'static> {
    Decoded { bytes: Cow::Borrowed(&[]), truncated, readable: false }
}

fn brotli(bytes: &[u8]) -> Decompressor<&[u8]> {
    let mut reader = Decompressor::new(bytes, BROTLI_BUFFER);
    // Windows of up to 1 GiB are no part of the coding `br` (RFC 7932 ends at 16 MiB).
    reader.set_parameter(BrotliDecoderParameter::BROTLI_DECODER_PARAM_LARGE_WINDOW, 0);
    reader
}

fn zstd(bytes: &[u8]) -> io::Result<impl Read> {
    let mut reader = zstd::stream::read::Decoder::with_buffer(bytes)?;
    reader.window_log_max(ZSTD_WINDOW_LOG)?;
    Ok(reader)
}

fn inflate(reader: impl Read, truncated: bool) -> Decoded<'static> {
    let mut bytes = Vec::new();
    let end = reader.take(MAX_DECODED as u64 + 1).read_to_end(&mut bytes);
    let over = bytes.len() > MAX_DECODED;
    bytes.truncate(MAX_DECODED);
    // A copy that was cut ends in an error by nature; a whole body must not.
    let readable = end.is_ok() || (truncated && !bytes.is_empty());
    Decoded { bytes: Cow::Owned(bytes), truncated: truncated || over, readable }
}

#[cfg(test)]
mod tests;
