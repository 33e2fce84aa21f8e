//! `Set-Cookie` as clients read it (RFC 6265 section 5.2): `Domain` goes, `Path` is mapped, every other byte stays.

/// The header without `Domain`, and with the path that `map` gives in place of its own. `None` if nothing changes.
///
/// A cookie for the vendor's domain would be refused by whoever called another host; without `Domain` it is kept for the host
/// that was called, and no other. A name that begins with `__Host-` demands the path `/` (RFC 6265bis section 4.1.3.2).
pub fn rewrite(cookie: &[u8], map: impl Fn(&str) -> Option<String>) -> Option<Vec<u8>> {
    let mut parts = cookie.split(|b| *b == b';');
    let pair = parts.next()?;
    let bound = pair.trim_ascii().get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"__Host-"));
    let mut new = pair.to_vec();
    let mut changed = false;
    for part in parts {
        let (name, value) = attribute(part);
        if name.eq_ignore_ascii_case(b"domain") {
            changed = true;
            continue;
        }
        let is_path = !bound && name.eq_ignore_ascii_case(b"path");
        let path = std::str::from_utf8(value).ok().filter(|path| is_path && path.starts_with('/'));
        new.push(b';');
        match path.and_then(&map) {
            Some(path) => {
                changed = true;
                new.extend_from_slice(&part[..part.len() - part.trim_ascii_start().len()]);
                new.extend_from_slice(name);
                new.push(b'=');
                new.extend_from_slice(path.as_bytes());
            }
            None => new.extend_from_slice(part),
        }
    }
    changed.then_some(new)
}

fn attribute(part: &[u8]) -> (&[u8], &[u8]) {
    let at = part.iter().position(|b| *b == b'=');
    let (name, value) = at.map_or((part, &[][..]), |at| (&part[..at], &part[at + 1..]));
    (name.trim_ascii(), value.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(cookie: &str) -> Option<String> {
        let map = |path: &str| (path != "/same").then(|| format!("/crm{}", path.trim_end_matches('/')));
        rewrite(cookie.as_bytes(), map).map(|new| String::from_utf8(new).expect("text"))
    }

    #[test]
    fn only_the_domain_goes_and_only_the_path_changes() {
        let cases = [
            ("a=b", None),
            ("a=b; Secure; HttpOnly", None),
            ("a=b; Path=/same", None),
            ("a=b; Path=relative", None),
            ("a=b; Path", None),
            ("domain=x; Secure", None),
            ("a=b; Domain=.crm.example", Some("a=b")),
            ("a=b;domain=crm.example;Secure", Some("a=b;Secure")),
            (
                "a=b; DOMAIN = crm.example ; Expires=Wed, 21 Oct 2026 07:28:00 GMT",
                Some("a=b; Expires=Wed, 21 Oct 2026 07:28:00 GMT"),
            ),
            ("a=b; domain; Domain=x; SameSite=Lax", Some("a=b; SameSite=Lax")),
            ("a=\"x; Domain=y\"", Some("a=\"x")),
            ("a=b; Path=/x; Secure", Some("a=b; Path=/crm/x; Secure")),
            ("a=b;path=/;Domain=x", Some("a=b;path=/crm")),
            ("__Host-a=b; Path=/; Secure", None),
            ("__host-a=b; Path=/; Domain=x", Some("__host-a=b; Path=/")),
            ("a=b;", None),
        ];
        for (cookie, expected) in cases {
            assert_eq!(rewritten(cookie).as_deref(), expected, "{cookie}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_stay() {
        assert_eq!(rewrite(b"a=\xff; Domain=x; b=\xfe", |_| None), Some(b"a=\xff; b=\xfe".to_vec()));
    }
}
