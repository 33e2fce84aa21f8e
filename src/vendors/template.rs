//! Templates for paths that no profile knows: a segment is kept only if it is made of words that APIs are made of.
//!
//! The list of words is closed, because without knowledge of the vendor `/users/thomas` and `/users/search` look alike,
//! and a label must never hold a name, an address, an id or a token. Everything else becomes a placeholder.

use super::words::is_api_word;
use serde::Deserialize;

/// Segments kept in a template; what lies deeper becomes one `{rest}`. No CRM path read so far has more.
pub const MAX_SEGMENTS: usize = 8;
/// Longest segment that may be kept as it is: `module_customizations` has 21.
const MAX_WORD_BYTES: usize = 32;
/// Words a segment may be made of: `bulk_assign_owner` has three.
const MAX_PARTS: usize = 4;

/// What the ids in a vendor's paths look like.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum IdShape {
    /// Decimal digits.
    Integer,
    /// Whatever stands in an id's place.
    #[default]
    Any,
}

impl IdShape {
    /// Whether `segment` can be an id. A path whose segment cannot is not the known route.
    pub fn fits(self, segment: &str) -> bool {
        match self {
            Self::Integer => !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_digit()),
            Self::Any => !segment.is_empty(),
        }
    }
}

/// `path` after `base` as a template. `known` tells the words that the vendor's own routes use.
pub(super) fn generic(base: &str, path: &str, known: impl Fn(&str) -> bool) -> String {
    let mut out = String::with_capacity(base.len() + path.len().min(128));
    out.push_str(base);
    for (kept, segment) in path.split('/').filter(|s| !s.is_empty()).enumerate() {
        out.push('/');
        if kept == MAX_SEGMENTS {
            out.push_str("{rest}");
            break;
        }
        out.push_str(if is_literal(segment, &known) { segment } else { placeholder(segment) });
    }
    if out.is_empty() {
        out.push('/');
    }
    out
}

fn is_literal(segment: &str, known: &impl Fn(&str) -> bool) -> bool {
    segment.len() <= MAX_WORD_BYTES && (known(segment) || is_version(segment) || is_words(segment))
}

fn is_words(segment: &str) -> bool {
    let mut parts = 0;
    segment.split(['_', '-']).all(|part| {
        parts += 1;
        parts <= MAX_PARTS && is_api_word(part)
    })
}

/// `v2`, `v11_27`, `v9.2`: at most two numbers of at most two digits.
fn is_version(segment: &str) -> bool {
    let Some(numbers) = segment.strip_prefix('v') else { return false };
    let mut parts = 0;
    numbers.split(['.', '_']).all(|number| {
        parts += 1;
        parts <= 2 && matches!(number.len(), 1..=2) && number.bytes().all(|b| b.is_ascii_digit())
    })
}

fn placeholder(segment: &str) -> &'static str {
    let encoded_at = || segment.as_bytes().windows(3).any(|w| w == b"%40");
    if segment.contains('@') || encoded_at() {
        return "{email}";
    }
    let id_like = segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if id_like && segment.bytes().any(|b| b.is_ascii_digit()) { "{id}" } else { "{value}" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn template(path: &str) -> String {
        generic("", path, |_| false)
    }

    #[test]
    fn words_of_apis_stay_and_everything_else_becomes_a_placeholder() {
        let table = [
            ("/", "/"),
            ("", "/"),
            ("/api/v2/contacts", "/api/v2/contacts"),
            ("/api/v2/contacts/123", "/api/v2/contacts/{id}"),
            ("/rest/v11_27/accounts/seed_jim_id", "/rest/v11_27/accounts/{value}"),
            ("/v9.2.1/x", "/{id}/{value}"),
            ("/users/thomas", "/users/{value}"),
            ("/users/thomas/search", "/users/{value}/search"),
            ("/contacts/ann@example.com", "/contacts/{email}"),
            ("/contacts/ann%40example.com", "/contacts/{email}"),
            ("/contacts/ann%2540example.com", "/contacts/{value}"),
            ("/contacts/0e8dfe5c-5c3e-4c8c-9a0b-1f6b2d1c9f11", "/contacts/{id}"),
            ("/orders/deadbeefcafe", "/orders/{value}"),
            ("/custom_fields/bulk-update", "/custom_fields/bulk-update"),
            ("/Contacts", "/{value}"),
            ("/%63ontacts", "/{value}"),
            ("//contacts//1/", "/contacts/{id}"),
            ("/api/api/api/api/api/api/api/api/api/api", "/api/api/api/api/api/api/api/api/{rest}"),
        ];
        for (path, expected) in table {
            assert_eq!(template(path), expected, "{path}");
        }
    }

    #[test]
    fn the_vendors_own_words_stay() {
        assert_eq!(generic("/api", "/cpq/1", |w| w == "cpq"), "/api/cpq/{id}");
    }

    proptest! {
        #[test]
        fn no_id_address_or_token_survives(
            secret in prop_oneof![
                "[0-9]{1,19}",
                "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
                "[0-9a-f]{12,64}",
                "[A-Za-z0-9]{15}([A-Za-z0-9]{3})?",
                "[A-Za-z0-9_-]{20,80}",
                "(pat|sk|xox)-[a-z0-9]{12,40}",
                "[a-z]{3,12}[.][a-z]{3,12}(@|%40|%2540)[a-z]{3,10}[.](com|example)",
                "[+]?[0-9]{2,3}[ -][0-9]{3}[ -][0-9]{4}",
                "[A-Z][a-z]{3,12}(%20|-|_)[A-Z][a-z]{3,12}",
            ],
            before in prop_oneof![Just("/api/contacts/"), Just("/"), Just("/v2/a/b/c/d/e/f/")],
        ) {
            let template = template(&format!("{before}{secret}/notes"));
            // By segment, and the word itself where it is too long to stand in `v2` by chance.
            prop_assert!(!template.split('/').any(|segment| segment == secret), "{template}");
            prop_assert!(secret.len() < 3 || !template.contains(&secret), "{template}");
        }

        #[test]
        fn any_path_gives_a_bounded_template_of_known_words(path in "(/[ -~]{0,40}){0,20}") {
            let template = template(&path);
            prop_assert!(template.split('/').count() <= MAX_SEGMENTS + 2);
            for segment in template.split('/').filter(|s| !s.is_empty()) {
                let placeholder = matches!(segment, "{id}" | "{email}" | "{value}" | "{rest}");
                prop_assert!(placeholder || is_version(segment) || is_words(segment), "{template}");
            }
        }
    }
}
