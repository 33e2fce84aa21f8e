//! Content codings, undone off the data path, within a bound.

use std::borrow::Cow;
use std::io::Read;

/// Most bytes a decoded body may have: beyond, it counts as truncated.
pub const MAX_DECODED: usize = 1 << 20;

/// A body as its content type describes it.
pub struct Decoded<'a> {
    /// The bytes, as far as they could be decoded.
    pub bytes: Cow<'a, [u8]>,
    /// True when there is more than these bytes.
    pub truncated: bool,
    /// False when the coding is not known or the bytes are not in it: nothing can be said of the content.
    pub readable: bool,
}

/// Undoes `Content-Encoding`.
pub fn decode<'a>(encoding: Option<&str>, bytes: &'a [u8], truncated: bool) -> Decoded<'a> {
    let plain = Decoded { bytes: Cow::Borrowed(bytes), truncated, readable: true };
    match encoding.map(str::trim) {
        None | Some("" | "identity") => plain,
        _ if bytes.is_empty() => plain,
        Some(coding) if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") => {
            inflate(flate2::read::MultiGzDecoder::new(bytes), truncated)
        }
        Some(coding) if coding.eq_ignore_ascii_case("deflate") => {
            // RFC 9110 means zlib; some servers send raw deflate.
            let zlib = inflate(flate2::read::ZlibDecoder::new(bytes), truncated);
            if zlib.readable { zlib } else { inflate(flate2::read::DeflateDecoder::new(bytes), truncated) }
        }
        Some(_) => Decoded { bytes: Cow::Borrowed(&[]), truncated, readable: false },
    }
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
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).expect("writing to memory");
        encoder.finish().expect("writing to memory")
    }

    #[test]
    fn gzip_is_undone() {
        let coded = gzip(b"{\"a\":1}");
        let decoded = decode(Some("GZIP"), &coded, false);
        assert_eq!((&*decoded.bytes, decoded.truncated, decoded.readable), (&b"{\"a\":1}"[..], false, true));
    }

    #[test]
    fn a_bomb_stops_at_the_bound() {
        let coded = gzip(&vec![b'a'; 3 * MAX_DECODED]);
        let decoded = decode(Some("gzip"), &coded, false);
        assert_eq!((decoded.bytes.len(), decoded.truncated), (MAX_DECODED, true));
    }

    #[test]
    fn what_is_not_in_its_coding_is_unreadable() {
        assert!(!decode(Some("gzip"), b"plain", false).readable);
        assert!(!decode(Some("unheard-of"), b"x", false).readable);
        assert!(decode(Some("gzip"), b"", false).readable, "no body, nothing to decode");
    }
}
