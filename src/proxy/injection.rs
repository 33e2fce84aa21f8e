//! The agent's own credential, put on a call in place of whatever the caller sent.
//!
//! Invariants: what is put on goes to the one upstream whose configuration holds it; of the caller's own credential nothing
//! goes with it, in whatever header or parameter the vendor would look for one; what is recorded of the target was taken
//! before, so a key in the query is on the wire and nowhere else. Header values are made when the configuration loads: a
//! call costs one look-up a name and no copy.

use crate::secret::Secret;
use crate::vendors::{Profile, Written};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, request};
use memchr::memmem;
use std::borrow::Cow;

/// Stands in an answer's header where the credential stood.
const HIDDEN: &[u8] = b"[secret]";

/// One credential, ready to be put on.
pub struct Injection {
    headers: Vec<(HeaderName, HeaderValue)>,
    parameter: Option<Secret>,
    /// Where the vendor would find a credential of the caller's.
    foreign_headers: Vec<HeaderName>,
    foreign_parameters: Vec<String>,
    secrets: Vec<Secret>,
    fingerprint: u64,
}

impl Injection {
    /// `key` keys the fingerprint.
    pub fn new(credential: &Written, profile: &Profile, key: &[u8; 32]) -> Self {
        let mut foreign_headers = profile.credential_headers();
        foreign_headers.extend(credential.headers.iter().map(|(name, _)| name.clone()));
        let mut foreign_parameters = profile.credential_parameters();
        let own = credential.parameter.as_ref().and_then(|p| p.expose().split_once('='));
        foreign_parameters.extend(own.map(|(name, _)| name.to_owned()));
        let value = credential.secrets.first().map(|s| s.expose().as_bytes());
        Self {
            headers: credential.headers.clone(),
            parameter: credential.parameter.clone(),
            foreign_headers,
            foreign_parameters,
            secrets: credential.secrets.clone(),
            fingerprint: super::credential::fingerprint(key, value.unwrap_or_default()),
        }
    }

    /// A keyed hash of the key: it tells which one is in use, and that it changed.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Takes off what the caller sent and puts the credential on. `None` if the target would then be no valid one.
    #[must_use]
    pub fn put_on(&self, parts: &mut request::Parts) -> Option<()> {
        for name in &self.foreign_headers {
            parts.headers.remove(name);
        }
        for (name, value) in &self.headers {
            parts.headers.insert(name, value.clone());
        }
        if let Some(target) = self.target(&parts.uri) {
            parts.uri = Uri::from(PathAndQuery::try_from(target).ok()?);
        }
        Some(())
    }

    /// The target to send, where it is not the one asked for.
    fn target(&self, asked: &Uri) -> Option<String> {
        let query = asked.query().unwrap_or_default();
        let foreign = query.split('&').any(|pair| self.is_foreign(pair));
        if !foreign && self.parameter.is_none() {
            return None;
        }
        let mut target = String::with_capacity(asked.path().len() + query.len() + 64);
        target.push_str(asked.path());
        let kept = query.split('&').filter(|pair| !pair.is_empty() && !self.is_foreign(pair));
        for (i, pair) in kept.chain(self.parameter.iter().map(Secret::expose)).enumerate() {
            target.push(if i == 0 { '?' } else { '&' });
            target.push_str(pair);
        }
        Some(target)
    }

    /// True for a parameter that holds a credential, however its name is written.
    fn is_foreign(&self, pair: &str) -> bool {
        if self.foreign_parameters.is_empty() {
            return false;
        }
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
        let name: Cow<'_, [u8]> = percent_encoding::percent_decode_str(name).into();
        self.foreign_parameters.iter().any(|foreign| foreign.as_bytes().eq_ignore_ascii_case(&name))
    }

    /// Hides the credential where an answer's headers give it back, as a link may that repeats the query. True if one did.
    pub fn conceal(&self, headers: &mut HeaderMap) -> bool {
        let mut found = false;
        for value in headers.values_mut() {
            for secret in &self.secrets {
                let secret = secret.expose().as_bytes();
                if memmem::find(value.as_bytes(), secret).is_some() {
                    found = true;
                    *value = without(value, secret);
                }
            }
        }
        found
    }
}

fn without(value: &HeaderValue, secret: &[u8]) -> HeaderValue {
    let (mut kept, mut rest) = (Vec::new(), value.as_bytes());
    while let Some(at) = memmem::find(rest, secret) {
        kept.extend_from_slice(&rest[..at]);
        kept.extend_from_slice(HIDDEN);
        // An empty secret is found everywhere: the configuration has none, yet this must end.
        rest = &rest[at + secret.len().max(1).min(rest.len() - at)..];
        if secret.is_empty() {
            break;
        }
    }
    kept.extend_from_slice(rest);
    HeaderValue::from_bytes(&kept).unwrap_or_else(|_| HeaderValue::from_static("[secret]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = r#"
name: keyed
title: An API with keys
sources: { page: { trust: official, where: here } }
answers: { content: any }
auth:
  - { header: x-api-token, from: [page] }
  - { query: api_token, from: [page] }
examples:
  - { name: one, request: { method: GET, target: / }, answer: { status: 200 }, expect: { route: /, outcome: ok } }
"#;

    fn injection(form: &str) -> Injection {
        let profile = Profile::parse(PROFILE, "keyed.yaml").unwrap_or_else(|errors| panic!("{errors:?}"));
        let auth = profile.auth_form(Some(form)).expect("a form");
        let written = auth.write(&Secret::new("held-key/1"), "").expect("a credential");
        Injection::new(&written, &profile, &[7; 32])
    }

    fn sent(form: &str, target: &str, headers: &[(&str, &str)]) -> (String, Vec<String>) {
        let mut request = http::Request::builder().uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut parts = request.body(()).expect("a request").into_parts().0;
        injection(form).put_on(&mut parts).expect("a valid target");
        let line = |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().expect("ASCII"));
        (parts.uri.to_string(), parts.headers.iter().map(line).collect())
    }

    #[test]
    fn one_credential_is_sent_and_it_is_ours() {
        let theirs = [
            ("authorization", "Bearer theirs"),
            ("x-api-token", "one"),
            ("x-api-token", "two"),
            ("accept", "*/*"),
            ("authorization", "Basic eDp5"),
        ];
        let (uri, mut lines) = sent("x-api-token", "/v1/deals?start=1&api_token=theirs", &theirs);
        lines.sort_unstable();
        assert_eq!(uri, "/v1/deals?start=1");
        assert_eq!(lines, ["accept: */*", "x-api-token: held-key/1"]);
    }

    #[test]
    fn a_key_in_the_query_takes_the_place_of_any_other() {
        for (asked, want) in [
            ("/v1/deals", "/v1/deals?api_token=held-key%2F1"),
            ("/v1/deals?", "/v1/deals?api_token=held-key%2F1"),
            ("/v1/deals?a=1&&b", "/v1/deals?a=1&b&api_token=held-key%2F1"),
            ("/v1/deals?api_token=x&a=%20&API_Token=y&api%5Ftoken", "/v1/deals?a=%20&api_token=held-key%2F1"),
        ] {
            assert_eq!(
                sent("api_token", asked, &[("x-api-token", "theirs")]),
                (want.to_owned(), Vec::new()),
                "{asked}"
            );
        }
    }

    #[test]
    fn an_answer_does_not_give_it_back() {
        let mut headers = HeaderMap::new();
        headers.insert("location", HeaderValue::from_static("/v1/deals?api_token=held-key%2F1&a=held-key/1"));
        headers.insert("x-other", HeaderValue::from_static("held-key/2"));
        assert!(injection("api_token").conceal(&mut headers));
        assert_eq!(headers["location"], "/v1/deals?api_token=[secret]&a=[secret]");
        assert_eq!(headers["x-other"], "held-key/2");
        assert!(!injection("api_token").conceal(&mut headers));
    }
}
