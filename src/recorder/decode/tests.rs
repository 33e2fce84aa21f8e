use super::*;
use std::io::Write;

/// 357 bytes of JSON, and what the reference encoder of brotli makes of them.
const CONTACTS_BR: &str = "1b640100447553f96a04639432947d2e9edc5cc315016a7260f27844615b966164856f10380e75ecc85f44b5b1f39918d7c6f762e484b99ef54f05ea8d93c293c2c296b17b071517c5dc9a9a140ca22a5a45647547cd9dc59615d90fb393962ecbe47d00";

/// Three MiB of the letter a.
const BOMB_BR: &str = "9bffff2ff825c2e2b14020f7fe05";

fn contacts() -> Vec<u8> {
    let rows: Vec<_> = (0..12).map(|i| format!("{{\"id\":{},\"status\":\"open\"}}", i * 7919)).collect();
    format!("{{\"contacts\":[{}]}}", rows.join(",")).into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("writing to memory");
    encoder.finish().expect("writing to memory")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 3).expect("compressing in memory")
}

fn unhex(text: &str) -> Vec<u8> {
    hex::decode(text).expect("hexadecimal digits")
}

fn decoded<'a>(lines: &[&str], bytes: &'a [u8], truncated: bool) -> Decoded<'a> {
    decode(lines.iter().copied(), bytes, truncated)
}

#[test]
fn every_coding_is_undone() {
    let text = contacts();
    for (coding, coded) in [
        ("GZIP", gzip(&text)),
        ("br", unhex(CONTACTS_BR)),
        ("zstd", zstd(&text)),
        ("identity", text.clone()),
        (" , identity", text.clone()),
    ] {
        let body = decoded(&[coding], &coded, false);
        assert!(body.readable && !body.truncated && *body.bytes == *text, "{coding}");
    }
}

#[test]
fn a_bomb_stops_at_the_bound() {
    let large = vec![b'a'; 3 * MAX_DECODED];
    for (coding, coded) in [("gzip", gzip(&large)), ("br", unhex(BOMB_BR)), ("zstd", zstd(&large))] {
        let body = decoded(&[coding], &coded, false);
        assert_eq!((body.bytes.len(), body.truncated, body.readable), (MAX_DECODED, true, true), "{coding}");
    }
}

#[test]
fn what_was_copied_in_part_is_decoded_as_far_as_it_goes() {
    let text = contacts();
    // One that does not compress, so that each coding has flushed something by the middle.
    let noise: Vec<u8> =
        (0..400_000u32).flat_map(|i| blake3::hash(&i.to_le_bytes()).as_bytes()[..1].to_vec()).collect();
    for (coding, coded, whole) in
        [("gzip", gzip(&noise), &noise), ("zstd", zstd(&noise), &noise), ("br", unhex(CONTACTS_BR), &text)]
    {
        let body = decoded(&[coding], &coded[..coded.len() * 3 / 4], true);
        assert!(body.readable && body.truncated, "{coding}");
        assert!(!body.bytes.is_empty() && whole.starts_with(&body.bytes), "{coding}: {}", body.bytes.len());
        let whole_but_cut = decoded(&[coding], &coded[..coded.len() / 2], false);
        assert!(!whole_but_cut.readable, "{coding}: a body that should be whole and is not");
    }
}

#[test]
fn stacked_codings_are_undone_from_the_last() {
    let text = contacts();
    let twice = zstd(&gzip(&text));
    for lines in [&["gzip, zstd"][..], &["gzip", "zstd"], &["gzip,identity", "zstd"]] {
        let body = decoded(lines, &twice, false);
        assert!(body.readable && *body.bytes == *text, "{lines:?}");
    }
    assert!(!decoded(&["zstd, gzip"], &twice, false).readable, "the order matters");
    assert!(!decoded(&["gzip, gzip, gzip, gzip"], &gzip(&gzip(&gzip(&gzip(&text)))), false).readable, "too many");
}

#[test]
fn what_is_not_in_its_coding_is_unreadable() {
    for coding in ["gzip", "br", "zstd", "deflate"] {
        assert!(!decoded(&[coding], b"plain text", false).readable, "{coding}");
        assert!(decoded(&[coding], b"", false).readable, "{coding}: no body, nothing to decode");
    }
    assert!(!decoded(&["unheard-of"], b"x", false).readable);
}

#[test]
fn windows_larger_than_http_allows_are_refused() {
    // A frame that asks for a window of 128 MiB (RFC 8878 section 3.1.1.1.2: exponent 17), then an empty last block.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 17 << 3, 0x01, 0x00, 0x00];
    assert!(!decoded(&["zstd"], &frame, false).readable);
    let allowed = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 13 << 3, 0x01, 0x00, 0x00];
    assert!(decoded(&["zstd"], &allowed, false).readable);
}
