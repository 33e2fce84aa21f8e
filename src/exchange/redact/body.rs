//! A whole body: the format decides who masks it; what no one can read is only measured.

use super::policy::Policy;
use super::value::{Style, Writer};
use super::{MAX_BODY_BYTES, Masked, Masker, json, multipart};

/// What a content type says about a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    Form,
    Multipart,
    Text,
    Other,
}

impl Format {
    fn of(content_type: Option<&str>, bytes: &[u8]) -> Self {
        let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let is = |wanted: &str| essence.eq_ignore_ascii_case(wanted);
        let ends = |end: &str| {
            essence.len() >= end.len()
                && essence.as_bytes()[essence.len() - end.len()..].eq_ignore_ascii_case(end.as_bytes())
        };
        let starts = |start: &str| essence.get(..start.len()).is_some_and(|s| s.eq_ignore_ascii_case(start));
        if is("application/json") || is("text/json") || ends("+json") {
            Self::Json
        } else if is("application/x-www-form-urlencoded") {
            Self::Form
        } else if is("multipart/form-data") {
            Self::Multipart
        } else if starts("text/") {
            Self::Text
        } else if essence.is_empty() && matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'[')) {
            Self::Json
        } else {
            Self::Other
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Form => "form",
            Self::Multipart => "multipart",
            Self::Text => "text",
            Self::Other => "body",
        }
    }
}

impl Masker {
    /// A body as it may be logged. `bytes` must be free of content-encoding; `truncated` says that they are not all.
    ///
    /// JSON, URL-encoded forms and `multipart/form-data` are masked field by field. Every other type, a truncated body
    /// and one that cannot be read to its end give a placeholder with its size: `[text 1234 B]`.
    pub fn body(&self, policy: &Policy, content_type: Option<&str>, bytes: &[u8], truncated: bool) -> Masked {
        let format = Format::of(content_type, bytes);
        if bytes.is_empty() {
            return Masked::default();
        }
        if truncated {
            return placeholder(format, bytes.len(), " and more: truncated");
        }
        if bytes.len() > MAX_BODY_BYTES {
            return placeholder(format, bytes.len(), ": too large");
        }
        let masked = match format {
            Format::Json => self.json_body(policy, bytes),
            Format::Form => std::str::from_utf8(bytes).ok().map(|text| self.form(policy, text)),
            Format::Multipart => multipart::mask(self, policy, content_type.unwrap_or_default(), bytes),
            Format::Text | Format::Other => return placeholder(format, bytes.len(), ""),
        };
        masked.unwrap_or_else(|| placeholder(format, bytes.len(), ": unreadable"))
    }

    fn json_body(&self, policy: &Policy, bytes: &[u8]) -> Option<Masked> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut writer = Writer::new(self, policy, Style::Json, bytes.len());
        json::mask(&mut writer, text, None, 0).ok()?;
        Some(Masked::from_masked_text(writer.out))
    }
}

fn placeholder(format: Format, size: usize, reason: &'static str) -> Masked {
    Masked::from_masked_text(format!("[{} {size} B{reason}]", format.word()))
}

#[cfg(test)]
mod tests {
    use super::super::MAX_MASKED_BYTES;
    use super::super::fixture::{masker, policy};
    use super::*;

    fn json(text: &str) -> String {
        masker().body(&policy(), Some("application/json"), text.as_bytes(), false).to_string()
    }

    #[test]
    fn json_is_masked_field_by_field() {
        let m = masker();
        let contact = m.token("contact", "7");
        let (email, phone) = (m.email_token("jean@example.com"), m.phone_token("+33612345678"));
        let (name, city) = (m.token("name", "dupont"), m.token("address", "lyon"));
        for (raw, masked) in [
            (
                r#"{"status":"open","amount":12.5,"x":null}"#,
                format!(r#"{{"status":"open","amount":12.5,"{}":null}}"#, m.token("key", "x")),
            ),
            (r#"{"contact_id":7,"Status":true}"#, format!(r#"{{"contact_id":"{contact}","status":true}}"#)),
            (r#"{"contact_id":"%37"}"#, format!(r#"{{"contact_id":"{contact}"}}"#)),
            (r#"{"emails":[{"value":"Jean@Example.com"}]}"#, format!(r#"{{"emails":[{{"value":"{email}"}}]}}"#)),
            (r#"{"email":"jean\u0040example.com"}"#, format!(r#"{{"email":"{email}"}}"#)),
            (r#"{"mobile_number":"0033 6 12 34 56 78"}"#, format!(r#"{{"mobile_number":"{phone}"}}"#)),
            (r#"{"last_name":" DUPONT","city":"Lyon"}"#, format!(r#"{{"last_name":"{name}","city":"{city}"}}"#)),
            (
                r#"{"status":"jean@example.com","amount":33612345678}"#,
                r#"{"status":"[text 16 chars]","amount":"[number]"}"#.into(),
            ),
            (
                r#"{"amount":"Quibblewick","created_at":"Quibblewick","is_active":"Quibblewick"}"#,
                r#"{"amount":"[text 11 chars]","created_at":"[text 11 chars]","is_active":"[text 11 chars]"}"#.into(),
            ),
            (
                r#"{"amount":699887766,"created_at":699887766,"is_active":7,"status":12345}"#,
                r#"{"amount":"[number]","created_at":"[number]","is_active":"[number]","status":"[number]"}"#.into(),
            ),
            (r#"{"created_at":1761299130,"is_active":1}"#, r#"{"created_at":1761299130,"is_active":1}"#.into()),
            (r#"{"status":"a\nb"}"#, r#"{"status":"[text 3 chars]"}"#.into()),
            (r#"{"status":"a \"b\""}"#, r#"{"status":"[text 5 chars]"}"#.into()),
            (
                r#"{"created_at":"2025-10-24T09:45:30Z","amount":"1000000.50"}"#,
                r#"{"created_at":"2025-10-24T09:45:30Z","amount":"1000000.50"}"#.into(),
            ),
            (r#"{"password":{"status":"x"},"token":5}"#, r#"{"password":"[secret]","token":"[secret]"}"#.into()),
            (r#"{"message":["a","",5]}"#, r#"{"message":["[text 1 chars]","","[number]"]}"#.into()),
            (
                r#"{"payload":"{\"status\":\"open\",\"message\":\"Jean\"}"}"#,
                r#"{"payload":{"status":"open","message":"[text 4 chars]"}}"#.into(),
            ),
            (r#"{"payload":"{\"status\":\"open\",}"}"#, r#"{"payload":"[text 18 chars]"}"#.into()),
            (r#"["Jean",1,true,[],{}]"#, r#"["[text 4 chars]","[number]",true,[],{}]"#.into()),
            (r#""Jean""#, r#""[text 4 chars]""#.into()),
        ] {
            assert_eq!(json(raw), masked, "{raw}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_only_measured() {
        for (kind, bytes, truncated, masked) in [
            (Some("application/json"), &br#"{"status":"open""#[..], false, "[json 16 B: unreadable]"),
            (Some("application/json"), br#"{"status":"open"} x"#, false, "[json 19 B: unreadable]"),
            (
                Some("application/vnd.api+JSON; charset=utf-8"),
                b"{\"status\":\"\xff\"}",
                false,
                "[json 14 B: unreadable]",
            ),
            (Some("application/json"), br#"{"status":"open"}"#, true, "[json 17 B and more: truncated]"),
            (None, br#" {"status":"open"}"#, false, r#"{"status":"open"}"#),
            (None, b"status=open", false, "[body 11 B]"),
            (Some("text/html; charset=utf-8"), b"<p>Jean</p>", false, "[text 11 B]"),
            (Some("application/pdf"), b"%PDF", false, "[body 4 B]"),
            (Some("multipart/form-data"), b"--x--", false, "[multipart 5 B: unreadable]"),
            (Some("application/x-www-form-urlencoded"), b"status=open", false, "status=open"),
            (Some("application/x-www-form-urlencoded"), b"status=\xff", false, "[form 8 B: unreadable]"),
            (Some("application/json"), b"", false, ""),
            (Some("\u{e9}\u{e9}json"), b"x", false, "[body 1 B]"),
        ] {
            assert_eq!(masker().body(&policy(), kind, bytes, truncated).as_str(), masked, "{bytes:?}");
        }
    }

    #[test]
    fn depth_and_output_are_bounded_and_stay_json() {
        let deep = format!("{}\"Jean\"{}", "[".repeat(100), "]".repeat(100));
        assert!(json(&deep).contains("[deep]"));
        let beyond_the_parser = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(json(&beyond_the_parser).starts_with('['));
        let wide = format!(r#"{{"contact":[{}{{"status":"end"}}]}}"#, r#"{"status":"open"},"#.repeat(20_000));
        let masked = json(&wide);
        assert!(masked.len() < MAX_MASKED_BYTES + 256);
        assert!(masked.ends_with(r#","[cut]"]}"#), "{}", &masked[masked.len() - 40..]);
        serde_json::from_str::<serde_json::Value>(&masked).unwrap();
        let mut nested = r#"{"message":"Jean"}"#.to_owned();
        for _ in 0..6 {
            nested = serde_json::json!({ "payload": nested }).to_string();
        }
        let masked = json(&nested);
        assert!(masked.starts_with(r#"{"payload":{"payload":{"#) && masked.contains("[text"), "{masked}");
    }

    #[test]
    fn a_body_beyond_the_bound_is_only_measured() {
        let big = vec![b' '; MAX_BODY_BYTES + 1];
        let masked = masker().body(&policy(), Some("application/json"), &big, false);
        assert_eq!(masked.as_str(), "[json 1048577 B: too large]");
    }
}
