//! Methods that may be told as they were sent.

use http::Method;

/// Registered methods (IANA, Hypertext Transfer Protocol (HTTP) Method Registry), but for `*`; and PURGE, which caches know.
const REGISTERED: [&str; 41] = [
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "OPTIONS",
    "ORDERPATCH",
    "PATCH",
    "POST",
    "PRI",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "PUT",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "TRACE",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
];

/// The method's text, if it is a registered one in whatever case; any other may be content in disguise.
pub(super) fn registered(method: &Method) -> Option<&str> {
    let sent = method.as_str();
    REGISTERED.iter().any(|known| known.eq_ignore_ascii_case(sent)).then_some(sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_registered_words_are_told() {
        let told =
            |text: &str| Method::from_bytes(text.as_bytes()).ok().as_ref().and_then(registered).map(str::to_owned);
        assert_eq!(told("get").as_deref(), Some("get"));
        assert_eq!(told("PROPFIND").as_deref(), Some("PROPFIND"));
        for content in ["JANE.DOE", "33612345678", "DOE"] {
            assert_eq!(told(content), None, "{content}");
        }
    }
}
