//! The address of a running agent's read side, as people type it.

use reqwest::Url;

/// `http://host:port` of what was typed, without a slash at the end; `host:port` means plain HTTP.
///
/// # Errors
/// A sentence for the command line when it is no HTTP address.
pub fn parse(text: &str) -> Result<String, String> {
    let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&full).map_err(|error| format!("{error}; an address looks like http://127.0.0.1:9464"))?;
    let plain = matches!(url.scheme(), "http" | "https") && url.has_host();
    if !plain || url.query().is_some() || url.fragment().is_some() {
        return Err("an address looks like http://127.0.0.1:9464".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an address holds no user and no password; a token goes into VIGIE_ADMIN_TOKEN".to_owned());
    }
    Ok(full.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_people_type_them() {
        let good = [
            ("http://127.0.0.1:9464", "http://127.0.0.1:9464"),
            ("127.0.0.1:9464", "http://127.0.0.1:9464"),
            ("localhost:9464/", "http://localhost:9464"),
            ("https://vigie.example/agent/", "https://vigie.example/agent"),
            ("[::1]:9464", "http://[::1]:9464"),
        ];
        for (typed, expected) in good {
            assert_eq!(parse(typed).as_deref(), Ok(expected), "{typed}");
        }
        for typed in ["", "ftp://x", "http://", "http://x:port", "http://x?y", "http://x#y", "http://u:p@x"] {
            assert!(parse(typed).is_err(), "{typed}");
        }
    }
}
