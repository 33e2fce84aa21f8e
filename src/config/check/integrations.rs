//! Whether every caller can be told from every other.

use super::Checker;
use crate::config::raw::{Credential, Integration, Upstream};
use crate::config::scalar;
use crate::config::tree::Path;
use crate::vendors::Profile;
use std::collections::BTreeMap;

/// What a caller is recognised by; secrets only as hashes.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Token([u8; 32]),
    Credential([u8; 32]),
    Fingerprint(u64),
    Header(String, String),
}

/// Reports marks that two callers share, and callers that nothing recognises.
pub fn check(checker: &mut Checker<'_>) {
    let mut taken: BTreeMap<Mark, String> = BTreeMap::new();
    let file = checker.file;
    for name in checker.root.keys("integrations") {
        let Some(integration) = file.integrations.get(name) else { continue };
        let section = format!("integrations/{name}");
        for (path, mark) in marks(integration) {
            let path = format!("{section}/{path}");
            match taken.get(&mark) {
                Some(first) => {
                    let message = format!("the same as {}; each caller needs its own", Path::of(first));
                    checker.error(&path, message);
                }
                None => drop(taken.insert(mark, path)),
            }
        }
        let pinned = file.proxy.listening().iter().any(|l| l.integration == Some(name));
        header_name(checker, name, integration);
        let recognised = pinned || integration.path_prefix.is_some() || !marks(integration).is_empty();
        if !recognised && !checker.report.broken(&section) {
            checker.warn(
                &section,
                "nothing recognises it; give it tokens, credentials, a path_prefix, a header or a listener",
            );
        }
    }
}

fn marks(integration: &Integration) -> Vec<(String, Mark)> {
    let token =
        |(i, t): (usize, &scalar::Token)| (format!("tokens/{i}"), Mark::Token(scalar::token_hash(t.0.expose())));
    let credential = |(i, c): (usize, &scalar::HeaderSecret)| {
        (format!("credentials/{i}"), Mark::Credential(*blake3::hash(c.0.expose().as_bytes()).as_bytes()))
    };
    let fingerprint = |(i, f): (usize, &scalar::Fingerprint)| (format!("fingerprints/{i}"), Mark::Fingerprint(f.0));
    let mut marks: Vec<_> = integration.tokens.iter().enumerate().map(token).collect();
    marks.extend(integration.credentials.iter().enumerate().map(credential));
    marks.extend(integration.fingerprints.iter().enumerate().map(fingerprint));
    let header = integration.header.as_ref();
    marks.extend(header.map(|h| ("header".to_owned(), Mark::Header(h.name.0.to_string(), h.value.clone()))));
    marks
}

/// What names a caller is not forwarded, so it must be nothing that the CRM, the connection or a trace needs.
fn header_name(checker: &mut Checker<'_>, integration: &str, raw: &Integration) {
    let Some(header) = &raw.header else { return };
    let name = header.name.0.as_str();
    let carries = credential_of(checker, name).or_else(|| purpose(name).map(str::to_owned));
    if let Some(what) = carries {
        let message = format!(
            "carries {what}, and what names a caller is not forwarded; use a header of its own, e.g. X-Integration"
        );
        checker.error(&format!("integrations/{integration}/header/name"), message);
    }
}

/// The upstream whose credentials are sent in this header.
fn credential_of(checker: &Checker<'_>, name: &str) -> Option<String> {
    let of_vendor = |vendor: &str| {
        let profile = Profile::builtin(vendor);
        profile.is_some_and(|p| p.auth().iter().any(|auth| auth.header.eq_ignore_ascii_case(name)))
    };
    let configured = |c: &Credential| c.header.as_ref().is_some_and(|h| h.0.as_str() == name);
    let sent_there = |u: &Upstream| of_vendor(&u.vendor) || u.credential.as_ref().is_some_and(configured);
    let mut upstreams = checker.root.keys("upstreams").into_iter();
    let upstream = upstreams.find(|u| checker.file.upstreams.get(*u).is_some_and(sent_there))?;
    Some(format!("the credential for upstreams.{upstream}"))
}

/// What a header of HTTP, of tracing or of Vigie itself is for.
fn purpose(name: &str) -> Option<&'static str> {
    Some(match name {
        "authorization" | "proxy-authorization" | "cookie" => "credentials",
        // RFC 9110 section 7.6.1, and what older clients send.
        "connection" | "keep-alive" | "proxy-connection" | "proxy-authenticate" | "te" | "trailer" | "upgrade"
        | "http2-settings" => "what concerns one connection alone",
        "host" | "content-length" | "transfer-encoding" | "content-type" | "content-encoding" | "expect" => {
            "how the request is to be read"
        }
        "traceparent" | "tracestate" | "baggage" => "the trace",
        "x-correlation-id" => "the correlation id",
        "via" | "forwarded" => "the way of the request",
        _ if name.starts_with("x-forwarded-") => "the way of the request",
        _ if name.starts_with("x-vigie-") => "what is said to Vigie itself",
        _ => return None,
    })
}
