//! `multipart/form-data`: fields are masked by their names, files are never shown, only their sizes.

use super::policy::{Policy, Rule};
use super::value::{Style, Writer};
use super::{Masked, Masker, decode, form};
use memchr::memmem;

/// Longest boundary that RFC 2046 allows.
const MAX_BOUNDARY: usize = 70;

/// The headers of a part end within this many bytes, or the body is not one that we read.
const MAX_PART_HEAD: usize = 4 * 1024;

/// What a part's headers say.
struct Head {
    name: Option<String>,
    /// A file, or encoded in a way that would hide what it holds.
    opaque: bool,
}

/// The masked parts, or `None` when the body is not well formed.
pub(super) fn mask(masker: &Masker, policy: &Policy, content_type: &str, body: &[u8]) -> Option<Masked> {
    let boundary = parameter(content_type, "boundary").filter(|b| (1..=MAX_BOUNDARY).contains(&b.len()))?;
    let delimiter = format!("\r\n--{boundary}");
    let finder = memmem::Finder::new(&delimiter);
    let mut writer = Writer::new(masker, policy, Style::Form, body.len());
    // The first delimiter has no line end before it, or a preamble that means nothing.
    let first = format!("--{boundary}");
    let mut rest = match body.strip_prefix(first.as_bytes()) {
        Some(rest) => rest,
        None => body.get(finder.find(body)? + delimiter.len()..)?,
    };
    while !rest.starts_with(b"--") {
        rest = rest.strip_prefix(b"\r\n")?;
        let end = finder.find(rest)?;
        if !writer.is_full() {
            write_part(&mut writer, &rest[..end])?;
        }
        rest = &rest[end + delimiter.len()..];
    }
    if writer.is_full() {
        writer.out.push_str("&[cut]");
    }
    Some(Masked::from_masked_text(writer.out))
}

fn write_part(writer: &mut Writer<'_>, part: &[u8]) -> Option<()> {
    let head_end = memmem::find(&part[..part.len().min(MAX_PART_HEAD)], b"\r\n\r\n")?;
    let head = read_head(std::str::from_utf8(&part[..head_end]).ok()?);
    let content = &part[head_end + 4..];
    let name = decode::percent_fully(head.name.as_deref().unwrap_or_default());
    match std::str::from_utf8(content) {
        Ok(text) if !head.opaque => form::write_pair(writer, &name, Some(text)),
        _ => {
            let rule = form::write_name(writer, &name);
            writer.out.push('=');
            match rule {
                Rule::Secret => writer.placeholder("[secret]"),
                _ => writer.measure("file", content.len(), "B"),
            }
        }
    }
    Some(())
}

fn read_head(head: &str) -> Head {
    let mut found = Head { name: None, opaque: false };
    for line in head.split("\r\n") {
        let Some((name, value)) = line.split_once(':') else { continue };
        match name.trim().to_ascii_lowercase().as_str() {
            "content-disposition" => {
                found.name = parameter(value, "name");
                let lower = value.to_ascii_lowercase();
                found.opaque |= lower.contains("filename");
            }
            "content-type" => {
                let kind = value.trim().to_ascii_lowercase();
                found.opaque |= !kind.starts_with("text/plain") && !kind.starts_with("application/json");
            }
            "content-transfer-encoding" => {
                found.opaque |= !["7bit", "8bit", "binary"].contains(&value.trim().to_ascii_lowercase().as_str());
            }
            _ => {}
        }
    }
    found
}

/// The parameter `wanted` of a header's value, without its quotes. Semicolons inside quotes do not part parameters.
fn parameter(value: &str, wanted: &str) -> Option<String> {
    let mut rest = value.split_once(';')?.1;
    loop {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (text, next) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = after.find(';').unwrap_or(after.len());
                (after[..end].trim().to_owned(), &after[end..])
            }
        };
        if name.trim_matches([' ', '\t', ';']).eq_ignore_ascii_case(wanted) {
            return Some(text);
        }
        rest = next.split_once(';')?.1;
    }
}

/// The text up to the closing quote, and what follows it.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((text, &quoted[at + 1..])),
            '\\' => text.push(chars.next()?.1),
            _ => text.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{masker, policy};
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=\"xx\"";

    fn masked(body: &str) -> Option<String> {
        mask(&masker(), &policy(), TYPE, body.as_bytes()).map(|m| m.to_string())
    }

    #[test]
    fn fields_are_masked_and_files_only_measured() {
        let email = masker().email_token("j@example.com");
        let body = "preamble\r\n--xx\r\nContent-Disposition: form-data; name=\"status\"\r\n\r\nopen\r\n\
            --xx\r\nContent-Disposition: form-data; name=\"email\"\r\nContent-Type: text/plain\r\n\r\nJ@example.com\r\n\
            --xx\r\nContent-Disposition: form-data; name=\"status\"; filename=\"jean.txt\"\r\n\r\nJean\r\n\
            --xx\r\nContent-Disposition: form-data; name=\"page\"\r\nContent-Transfer-Encoding: base64\r\n\r\nSmVhbg==\r\n\
            --xx\r\nContent-Disposition: form-data; name=\"token\"; filename=\"a\"\r\n\r\nx\r\n--xx--\r\n";
        let expected = format!("status=open&email={email}&status=[file 4 B]&page=[file 8 B]&token=[secret]");
        assert_eq!(masked(body).unwrap(), expected);
    }

    #[test]
    fn names_with_semicolons_and_quotes_are_read_whole() {
        let body = "--xx\r\nContent-Disposition: form-data; name=\"a;b\\\"; status\"\r\n\r\nopen\r\n--xx--";
        let out = masked(body).unwrap();
        assert!(out.starts_with("key:1") && out.ends_with("=[text 4 chars]"), "{out}");
    }

    #[test]
    fn what_is_not_well_formed_is_not_shown() {
        for body in ["", "--xx", "--xx\r\nstatus\r\n\r\nopen", "--xx\r\n\r\n--xx--", "--yy\r\n\r\n\r\nx\r\n--yy--"] {
            assert_eq!(masked(body), None, "{body:?}");
        }
        assert!(mask(&masker(), &policy(), "multipart/form-data", b"--xx--").is_none());
    }
}
