//! The request's target and `Host`, checked before anything else looks at them (RFC 9112 section 3.2).

use crate::exchange::AgentError;
use http::header::HOST;
use http::request::Parts;
use http::{Method, Uri, Version};

/// Checks target form and `Host`, and gives path and query apart (both raw).
pub fn check(req: &Parts) -> Result<(&str, Option<&str>), AgentError> {
    if req.method == Method::CONNECT {
        return Err(AgentError::UnsupportedTarget);
    }
    let uri = &req.uri;
    check_host(req, uri)?;
    let Some(target) = uri.path_and_query() else {
        return Err(AgentError::UnsupportedTarget);
    };
    // `OPTIONS *` asks the proxy itself, and authority-form parses with an empty path.
    if !target.path().starts_with('/') {
        return Err(AgentError::UnsupportedTarget);
    }
    Ok((target.path(), target.query()))
}

fn check_host(req: &Parts, uri: &Uri) -> Result<(), AgentError> {
    let mut hosts = req.headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.as_bytes(),
        (None, None) if req.version == Version::HTTP_2 && uri.authority().is_some() => return Ok(()),
        // HTTP/1.0 knows no Host; a reverse proxy does not need one to find its upstream.
        (None, None) if req.version == Version::HTTP_10 => return Ok(()),
        _ => return Err(AgentError::BadHost),
    };
    if !is_host(host) {
        return Err(AgentError::BadHost);
    }
    match uri.authority() {
        Some(authority) if !authority.as_str().as_bytes().eq_ignore_ascii_case(host) => Err(AgentError::BadHost),
        _ => Ok(()),
    }
}

/// `host[:port]` of RFC 3986 without userinfo: no spaces, commas, slashes, `@`, or control bytes.
fn is_host(host: &[u8]) -> bool {
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"-._~[]:%!$&'()*+;=".contains(b);
    if host.is_empty() || host.len() > 255 + 6 || !host.iter().all(allowed) {
        return false;
    }
    let port = match (host.iter().rposition(|b| *b == b']'), host.iter().rposition(|b| *b == b':')) {
        (Some(bracket), Some(colon)) if colon < bracket => return host[0] == b'[' && bracket + 1 == host.len(),
        (_, Some(colon)) => &host[colon + 1..],
        _ => return true,
    };
    port.iter().all(u8::is_ascii_digit) && port.len() <= 5
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &str, hosts: &[&str]) -> Parts {
        let mut builder = http::Request::builder().uri(target);
        for host in hosts {
            builder = builder.header(HOST, *host);
        }
        builder.body(()).expect("a request").into_parts().0
    }

    #[test]
    fn one_well_formed_host_is_needed() {
        for good in ["crm.example", "crm.example:8080", "127.0.0.1:1", "[::1]:8080", "[::1]"] {
            assert_eq!(check(&request("/api/x?q=1", &[good])), Ok(("/api/x", Some("q=1"))), "{good}");
        }
        for bad in [&[][..], &["a", "a"], &["a b"], &["a,b"], &["u@h"], &["h:80x"], &["h/x"], &[""], &["h:123456"]] {
            assert_eq!(check(&request("/", bad)), Err(AgentError::BadHost), "{bad:?}");
        }
    }

    #[test]
    fn an_absolute_target_must_agree_with_host() {
        assert_eq!(check(&request("http://Crm.example/a", &["crm.example"])), Ok(("/a", None)));
        assert_eq!(check(&request("http://other.example/a", &["crm.example"])), Err(AgentError::BadHost));
    }

    #[test]
    fn only_origin_and_absolute_form_are_served() {
        let connect = http::Request::builder().method("CONNECT").uri("crm.example:443").header(HOST, "crm.example:443");
        assert_eq!(check(&connect.body(()).expect("a request").into_parts().0), Err(AgentError::UnsupportedTarget));
        assert_eq!(check(&request("*", &["h"])), Err(AgentError::UnsupportedTarget));
    }
}
