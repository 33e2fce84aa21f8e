//! The credential that a call carries, as a keyed fingerprint: it tells callers apart and leads nowhere.

use crate::upstream;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use std::borrow::Cow;

/// Where credentials are looked for.
pub struct Credentials {
    /// `Authorization` first, then what the upstreams' profiles name.
    headers: Vec<HeaderName>,
    /// Query parameters that the profiles name.
    parameters: Vec<String>,
    key: [u8; 32],
}

impl Credentials {
    /// Looks wherever one of the upstreams expects a credential: which upstream is meant is not known yet, since that may
    /// depend on who calls.
    pub fn new(upstreams: &[upstream::Config], key: [u8; 32]) -> Self {
        let (mut headers, mut parameters) = (vec![AUTHORIZATION], Vec::new());
        for auth in upstreams.iter().flat_map(|u| u.profile.auth()) {
            if let Ok(name) = HeaderName::try_from(auth.header.as_str())
                && !headers.contains(&name)
            {
                headers.push(name);
            }
            if !auth.query.is_empty() && !parameters.contains(&auth.query) {
                parameters.push(auth.query.clone());
            }
        }
        Self { headers, parameters, key }
    }

    /// The fingerprint of a whole header value, or of the key alone: they are the same.
    pub fn fingerprint(&self, value: &[u8]) -> u64 {
        fingerprint(&self.key, value)
    }

    /// The fingerprints of the credentials sent, usually one.
    pub fn sent<'a>(&'a self, headers: &'a HeaderMap, query: Option<&'a str>) -> impl Iterator<Item = u64> + 'a {
        let in_headers = self.headers.iter().filter_map(|name| headers.get(name));
        let in_headers = in_headers.map(|value| self.fingerprint(value.as_bytes()));
        // Nothing to look for is the usual case: the query is not even split then.
        let query = query.filter(|_| !self.parameters.is_empty()).unwrap_or_default();
        let in_query = query.split('&').filter_map(|pair| pair.split_once('='));
        let in_query = in_query.filter(|(name, value)| !value.is_empty() && self.parameters.iter().any(|p| p == name));
        in_headers.chain(in_query.map(|(_, value)| {
            let decoded: Cow<'_, [u8]> = percent_encoding::percent_decode_str(value).into();
            self.fingerprint(&decoded)
        }))
    }

    /// The keys sent in headers, each with the header it stands in.
    pub fn keys<'a>(&'a self, headers: &'a HeaderMap) -> impl Iterator<Item = (&'a HeaderName, Cow<'a, [u8]>)> {
        let lines = self.headers.iter().flat_map(|name| headers.get_all(name).iter().map(move |value| (name, value)));
        lines.map(|(name, value)| (name, bare(value.as_bytes())))
    }
}

/// The fingerprint of a key, or of a whole header value that holds it: 64 bits of a keyed hash.
pub fn fingerprint(key: &[u8; 32], value: &[u8]) -> u64 {
    let hash = blake3::keyed_hash(key, &bare(value));
    u64::from_be_bytes(hash.as_bytes()[..8].try_into().expect("a blake3 hash has 32 bytes"))
}

/// Without scheme word, `token=` and quotes.
pub fn bare(value: &[u8]) -> Cow<'_, [u8]> {
    let value = value.trim_ascii();
    let (scheme, rest) = memchr::memchr(b' ', value).map_or((&[][..], value), |at| value.split_at(at));
    let rest = rest.trim_ascii();
    if scheme.eq_ignore_ascii_case(b"basic")
        && let Ok(pair) = STANDARD.decode(rest)
    {
        return key_of_pair(pair).into();
    }
    let rest = rest.strip_prefix(b"token=").unwrap_or(rest);
    rest.strip_prefix(b"\"").and_then(|r| r.strip_suffix(b"\"")).unwrap_or(rest).into()
}

/// The key of `user:password`: the password, or the user where that is nothing, or one letter to fill the place, as vendors
/// have it whose key is the user.
fn key_of_pair(mut pair: Vec<u8>) -> Vec<u8> {
    match memchr::memchr(b':', &pair) {
        Some(colon) if pair.len() - colon > 2 => pair.split_off(colon + 1),
        Some(colon) => {
            pair.truncate(colon);
            pair
        }
        None => pair,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendors::Profile;
    use std::sync::Arc;

    const PROFILE: &str = r#"
name: keyed
title: An API with keys
sources: { page: { trust: official, where: here } }
answers: { content: any }
auth:
  - { header: x-api-key, from: [page] }
  - { query: api_token, from: [page] }
examples:
  - { name: one, request: { method: GET, target: / }, answer: { status: 200 }, expect: { route: /, outcome: ok } }
"#;

    fn credentials() -> Credentials {
        let profile = Profile::parse(PROFILE, "keyed.yaml").unwrap_or_else(|errors| panic!("{errors:?}"));
        let plain = upstream::Config::plain("crm", "127.0.0.1", 1, None);
        Credentials::new(&[upstream::Config { profile: Arc::new(profile), ..plain }], [7; 32])
    }

    fn sent(header: Option<(&'static str, &'static str)>, query: Option<&str>) -> Vec<u64> {
        let map = header.map(|(name, value)| (HeaderName::from_static(name), http::HeaderValue::from_static(value)));
        let map: HeaderMap = map.into_iter().collect();
        credentials().sent(&map, query).collect()
    }

    #[test]
    fn a_key_has_one_fingerprint_wherever_the_profile_puts_it() {
        let key = [credentials().fingerprint(b"k-1/2")];
        for value in ["Token token=k-1/2", "Token token=\"k-1/2\"", "Bearer k-1/2", "k-1/2"] {
            assert_eq!(sent(Some(("authorization", value)), None), key, "{value}");
        }
        // `ann:k-1/2`, `k-1/2:` and `k-1/2:X`.
        for value in ["Basic YW5uOmstMS8y", "basic ay0xLzI6", "Basic ay0xLzI6WA=="] {
            assert_eq!(sent(Some(("authorization", value)), None), key, "{value}");
        }
        assert_eq!(sent(Some(("x-api-key", "k-1/2")), None), key);
        assert_eq!(sent(None, Some("limit=5&api_token=k-1%2F2")), key);
        assert_eq!(sent(Some(("x-api-key", "other")), Some("api_token=k-1/2")).len(), 2);
    }

    #[test]
    fn what_no_profile_names_is_no_credential() {
        assert_eq!(sent(Some(("x-other-key", "k-1/2")), Some("token=k-1/2&api_token=&api_token")), [0u64; 0]);
    }
}
