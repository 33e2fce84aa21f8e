//! Headers by allow-list. Credentials never, not even as tokens: a token would let people follow a key around.

use super::policy::Policy;
use super::value::is_showable;
use super::{Masked, Masker, correlation};

/// Logged for every upstream: they tell about the exchange, not about anyone.
const ALWAYS: [&str; 5] = ["content-encoding", "content-length", "content-type", "date", "retry-after"];

/// Families of quota headers; their values are numbers and short words.
const FAMILIES: [&str; 2] = ["x-ratelimit-", "ratelimit-"];

/// A header with one of these in its name is a credential, whatever a profile says.
const CREDENTIAL_PARTS: [&str; 8] = ["auth", "cookie", "credential", "key", "password", "secret", "session", "token"];

impl Masker {
    /// A header's value as it may be logged; `None` for a header that is on no list, or whose value is not showable.
    pub fn header(&self, policy: &Policy, name: &str, value: &str) -> Option<Masked> {
        let lower = name.to_ascii_lowercase();
        let is_family = FAMILIES.iter().any(|f| lower.starts_with(f));
        let listed = is_family || ALWAYS.contains(&lower.as_str()) || policy.has_header(&lower);
        if !listed || is_credential(&lower) {
            return None;
        }
        // Parameters may hold anything (a multipart boundary, say).
        let shown = if lower == "content-type" { value.split(';').next().unwrap_or_default().trim() } else { value };
        if is_showable(shown) || (is_family && is_count(shown)) {
            return Some(Masked::from_masked_text(shown.to_owned()));
        }
        correlation::correlation_id(shown)
    }
}

/// A quota or the second at which it is reset: ten digits, which a detector takes for a phone number.
fn is_count(value: &str) -> bool {
    /// The year 2100.
    const LAST_SECOND: u64 = 4_102_444_800;
    let digits = value.bytes().all(|b| b.is_ascii_digit()) && (value.len() == 1 || !value.starts_with('0'));
    digits && value.parse().is_ok_and(|n: u64| n <= LAST_SECOND)
}

/// True for a header that carries a credential, by its name.
pub(super) fn is_credential(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    CREDENTIAL_PARTS.iter().any(|part| lower.contains(part))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{masker, policy};

    #[test]
    fn only_listed_headers_with_showable_values_pass() {
        for (name, value, shown) in [
            ("Content-Type", "application/json; charset=utf-8", Some("application/json")),
            ("content-type", "multipart/form-data; boundary=jean@example.com", Some("multipart/form-data")),
            ("X-RateLimit-Remaining", "998", Some("998")),
            ("X-RateLimit-Reset", "1761299130", Some("1761299130")),
            ("x-request-id", "4bf92f3577b34da6a3ce929d0e0e4736", Some("4bf92f3577b34da6a3ce929d0e0e4736")),
            ("X-Status", "open", Some("open")),
            ("X-Status", "jean%2540example.com", None),
            ("Date", "Fri, 24 Oct 2025 09:45:30 GMT", Some("Fri, 24 Oct 2025 09:45:30 GMT")),
            ("User-Agent", "curl", None),
            ("Accept", "Jean", None),
            ("X-Status", "open;name=Dupont", None),
            ("X-RateLimit-Limit", "0612345678", None),
            ("Authorization", "Basic amVhbjpwYXNz", None),
            ("X-RateLimit-Token", "x", None),
            ("Set-Cookie", "a=b", None),
        ] {
            let masked = masker().header(&policy(), name, value);
            assert_eq!(masked.as_ref().map(super::Masked::as_str), shown, "{name}: {value}");
        }
    }
}
