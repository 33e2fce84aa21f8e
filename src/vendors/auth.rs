//! How a vendor's credential is written. Everything made here is a secret: header values are marked as such, so that
//! neither `Debug` nor HTTP/2's header tables keep them.

use super::file::Auth;
use crate::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What need not be encoded in a query (RFC 3986 section 2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A credential as it goes on the wire.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// Header lines.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// `name=value`, encoded, to be added to the query.
    pub parameter: Option<Secret>,
    /// What must be known again wherever it appears: the key, and other spellings of it that are sent.
    pub secrets: Vec<Secret>,
}

impl Auth {
    /// Its word in configurations.
    pub fn word(&self) -> &str {
        [&self.form, &self.header, &self.query].into_iter().find(|word| !word.is_empty()).map_or("", String::as_str)
    }

    /// True when it is made of a key and a user.
    pub fn wants_user(&self) -> bool {
        self.beside.values().chain([&self.basic]).any(|template| template.contains("{user}"))
    }

    /// The headers that it is sent in.
    pub fn headers(&self) -> impl Iterator<Item = HeaderName> {
        let names = self.beside.keys().chain([&self.header]);
        names.filter_map(|name| HeaderName::from_lowercase(name.as_bytes()).ok())
    }

    /// The credential made of `key` and `user`. `None` if a header could not carry it.
    pub fn write(&self, key: &Secret, user: &str) -> Option<Written> {
        let mut written = Written { secrets: vec![key.clone()], ..Written::default() };
        if !self.query.is_empty() {
            let value = utf8_percent_encode(key.expose(), UNRESERVED).to_string();
            written.parameter = Some(Secret::new(format!("{}={value}", self.query)));
            written.secrets.push(Secret::new(value));
            return Some(written);
        }
        let name = HeaderName::from_lowercase(self.header.as_bytes()).ok()?;
        let value = match self.basic.as_str() {
            "" => Secret::new([self.before.as_str(), key.expose()].concat()),
            pair => {
                let pair = fill(pair, key.expose(), user);
                let coded = Secret::new(STANDARD.encode(pair.expose()));
                let value = Secret::new(["Basic ", coded.expose()].concat());
                written.secrets.push(coded);
                value
            }
        };
        written.headers.push((name, header_value(&value)?));
        for (name, template) in &self.beside {
            let name = HeaderName::from_lowercase(name.as_bytes()).ok()?;
            written.headers.push((name, header_value(&fill(template, key.expose(), user))?));
        }
        Some(written)
    }
}

fn header_value(text: &Secret) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text.expose()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// `template` with key and user in their places; what these hold is not looked at again.
fn fill(template: &str, key: &str, user: &str) -> Secret {
    let (mut text, mut rest) = (zeroize::Zeroizing::new(String::new()), template);
    while let Some(at) = rest.find('{') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let (value, name) = if rest.starts_with("{key}") { (key, "{key}") } else { (user, "{user}") };
        text.push_str(value);
        rest = rest.strip_prefix(name).unwrap_or("");
    }
    text.push_str(rest);
    Secret::new(text.as_str())
}

/// True for text whose only braces are those of `{key}` and `{user}`.
pub(super) fn is_template(text: &str) -> bool {
    !text.replace("{key}", "").replace("{user}", "").contains(['{', '}'])
}

/// True for a word that a configuration can name.
pub(super) fn is_word(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

impl super::Profile {
    /// Every header that a credential may be sent in; `Authorization` always.
    pub fn credential_headers(&self) -> Vec<HeaderName> {
        let mut names = vec![AUTHORIZATION];
        names.extend(self.auth().iter().flat_map(Auth::headers).filter(|name| *name != AUTHORIZATION));
        names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        names.dedup();
        names
    }

    /// Every query parameter that a credential may be sent in.
    pub fn credential_parameters(&self) -> Vec<String> {
        self.auth().iter().map(|auth| auth.query.clone()).filter(|name| !name.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(yaml: &str) -> Auth {
        serde_saphyr::from_str(yaml).expect("a form")
    }

    fn written(yaml: &str) -> Vec<String> {
        let written = form(yaml).write(&Secret::new("k-1/2"), "ann@example.com").expect("a credential");
        assert!(!format!("{written:?}").contains("k-1/2"), "{written:?}");
        let lines = written.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().expect("ASCII")));
        lines.chain(written.parameter.map(|p| p.expose().to_owned())).collect()
    }

    /// The shapes of the vendors that are known, and of back offices.
    #[test]
    fn every_shape_that_vendors_have_can_be_written() {
        let basic = |pair: &str| format!("authorization: Basic {}", STANDARD.encode(pair));
        for (yaml, lines) in [
            ("{header: authorization, before: 'Token token='}", vec!["authorization: Token token=k-1/2".to_owned()]),
            ("{header: authorization, before: 'Bearer '}", vec!["authorization: Bearer k-1/2".to_owned()]),
            (
                "{header: authorization, before: 'Zoho-oauthtoken '}",
                vec!["authorization: Zoho-oauthtoken k-1/2".to_owned()],
            ),
            ("{header: authorization}", vec!["authorization: k-1/2".to_owned()]),
            ("{header: x-api-token}", vec!["x-api-token: k-1/2".to_owned()]),
            ("{query: api_token}", vec!["api_token=k-1%2F2".to_owned()]),
            ("{header: authorization, basic: '{key}:'}", vec![basic("k-1/2:")]),
            ("{header: authorization, basic: '{key}:X'}", vec![basic("k-1/2:X")]),
            ("{header: authorization, basic: '{user}:{key}'}", vec![basic("ann@example.com:k-1/2")]),
            (
                "{header: x-pw-accesstoken, beside: {x-pw-application: developer_api, x-pw-useremail: '{user}'}}",
                vec![
                    "x-pw-accesstoken: k-1/2".to_owned(),
                    "x-pw-application: developer_api".to_owned(),
                    "x-pw-useremail: ann@example.com".to_owned(),
                ],
            ),
        ] {
            assert_eq!(written(yaml), lines, "{yaml}");
        }
    }

    #[test]
    fn what_stands_in_for_a_place_is_not_read_again() {
        assert_eq!(fill("{user}:{key}", "{user}", "{key}").expose(), "{key}:{user}");
        assert!(form("{header: x-key}").write(&Secret::new("two\nlines"), "").is_none());
        assert!(is_template("{key}:X") && !is_template("{password}") && !is_template("{key"));
    }

    #[test]
    fn a_form_is_called_by_its_word_or_by_its_place() {
        let profile = super::super::Profile::builtin("generic").expect("a built-in profile");
        assert_eq!(profile.auth_form(None).map(Auth::word), Some("bearer"));
        assert_eq!(profile.auth_form(Some("basic")).map(Auth::wants_user), Some(true));
        assert_eq!(profile.auth_form(Some("token")).map(Auth::word), None);
        assert_eq!(form("{header: x-key}").word(), "x-key");
        let names: Vec<_> = profile.credential_headers().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["authorization", "x-api-key"]);
    }
}
