//! Queries and URL-encoded forms: `name=value&name=value`.

use super::fields::{MAX_NAME_PARTS, Path, any_form_part, form_name_parts};
use super::policy::{Policy, Rule};
use super::value::{Style, Writer};
use super::{MAX_BODY_BYTES, Masked, Masker, decode};

/// Deepest nesting that a form name can begin at; only documents inside values look at it.
const DEPTH: u8 = 0;

impl Masker {
    /// The query of a target (without `?`), masked pair by pair as a form is.
    pub fn query(&self, policy: &Policy, raw_query: &str) -> Masked {
        if raw_query.len() > MAX_BODY_BYTES {
            return Masked::word("[query: too large]");
        }
        self.form(policy, raw_query)
    }

    pub(super) fn form(&self, policy: &Policy, raw: &str) -> Masked {
        let mut writer = Writer::new(self, policy, Style::Form, raw.len());
        for pair in raw.split('&').filter(|p| !p.is_empty()) {
            if writer.is_full() {
                writer.out.push_str("&[cut]");
                break;
            }
            let (name, value) = match pair.split_once('=') {
                Some((name, value)) => (name, Some(decode::form_component(value))),
                None => (pair, None),
            };
            write_pair(&mut writer, &decode::form_component(name), value.as_deref());
        }
        Masked::from_masked_text(writer.out)
    }
}

/// Writes one pair; a lone name is written as a name only if the policy has it.
pub(super) fn write_pair(writer: &mut Writer<'_>, name: &str, value: Option<&str>) {
    let rule = write_name(writer, name);
    let Some(value) = value else { return };
    writer.out.push('=');
    with_path(&form_name_parts(name), None, &mut |path| writer.text(rule, value, path, DEPTH));
}

/// Writes `&`, where it is needed, and a form name as `parent.name`; tells the rule of its value.
pub(super) fn write_name(writer: &mut Writer<'_>, name: &str) -> Rule {
    if !writer.out.is_empty() {
        writer.out.push('&');
    }
    let parts = form_name_parts(name);
    // What stands inside a secret is secret, as in JSON, whether or not the secret's name is among the parts shown.
    let cut = parts.len() == MAX_NAME_PARTS;
    let mut rule = if cut && is_inside_secret(writer.policy, name) { Rule::Secret } else { Rule::Denied };
    for first in (0..parts.len()).rev() {
        if first + 1 < parts.len() {
            writer.out.push('.');
        }
        rule = with_path(&parts[first + 1..], None, &mut |parent| {
            let found = writer.name(parts[first], parent);
            if rule == Rule::Secret { rule } else { found }
        });
    }
    rule
}

fn is_inside_secret(policy: &Policy, name: &str) -> bool {
    any_form_part(name, |part, around| {
        with_path(around, None, &mut |parent| policy.field(part, parent).rule == Rule::Secret)
    })
}

/// Calls `then` with the path of `parts`, innermost first.
fn with_path<T>(parts: &[&str], parent: Option<&Path<'_>>, then: &mut dyn FnMut(Option<&Path<'_>>) -> T) -> T {
    match parts.split_last() {
        Some((outermost, rest)) => with_path(rest, Some(&Path { name: outermost, parent }), then),
        None => then(parent),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{masker, policy};

    #[test]
    fn pairs_are_masked_by_their_names() {
        let masker = masker();
        let email = masker.email_token("jean@example.com");
        let key = |name: &str| masker.token("key", name).to_string();
        let (b, c) = (key("b"), key("c"));
        for (raw, masked) in [
            ("", String::new()),
            ("page=2&status=open", "page=2&status=open".into()),
            ("STATUS=in-progress", "status=in-progress".into()),
            ("status=Zoe+Quibblewick", "status=[text 15 chars]".into()),
            ("created_at=2025-10-24+09:45+UTC", "created_at=2025-10-24%2009:45%20UTC".into()),
            ("created_at=2025-10-24T09:45:30%2B02:00", "created_at=2025-10-24T09:45:30%2B02:00".into()),
            ("created_at=Quibblewick", "created_at=[text 11 chars]".into()),
            ("page=699887766", "page=[text 9 chars]".into()),
            ("page=Quibblewick", "page=[text 11 chars]".into()),
            ("sort=-created_at,contact", "sort=-created_at,contact".into()),
            ("sort=Quibblewick", "sort=[text 11 chars]".into()),
            ("sort=contact%2BQuibblewick", "sort=[text 19 chars]".into()),
            ("status=%25251", "status=[text 2 chars]".into()),
            ("email=jean%40example.com", format!("email={email}")),
            ("email=jean%2540EXAMPLE.com", format!("email={email}")),
            ("%65mail=jean%40example.com", format!("email={email}")),
            ("contact[emails][][value]=jean@example.com", format!("contact.emails.value={email}")),
            ("deal_stage[name]=Won", "deal_stage.name=Won".into()),
            ("status=jean%2540example.com", "status=[text 16 chars]".into()),
            ("api_key=abc&password[status]=x", "api_key=[secret]&password.status=[secret]".into()),
            ("password[a][b][c][status]=x", format!("{}.{b}.{c}.status=[secret]", key("a"))),
            ("token.a.b.c.d.e.status=x", format!("{c}.{}.{}.status=[secret]", key("d"), key("e"))),
            ("a.session_key.b.c.contact.status=x", format!("{b}.{c}.contact.status=[secret]")),
            ("a.b.c.contact.errors.status=x", format!("{c}.contact.errors.status=x")),
            ("payload=%7B%22status%22%3A%22open%22%7D", "payload={\"status\":\"open\"}".into()),
            ("message=100%", "message=[text 4 chars]".into()),
        ] {
            assert_eq!(masker.query(&policy(), raw).as_str(), masked, "{raw}");
        }
    }

    #[test]
    fn unknown_names_are_tokens() {
        let masker = masker();
        let masked = masker.query(&policy(), "dupont=x&jean%40example.com");
        let expected = format!("{}=[text 1 chars]&", masker.token("key", "dupont"));
        assert!(masked.as_str().starts_with(&expected), "{masked}");
        assert!(!masked.as_str().contains("jean"));
    }

    #[test]
    fn a_name_of_any_depth_is_read_to_its_outermost_part() {
        let deep = format!("token{}.status=x", ".a".repeat(100_000));
        assert!(masker().query(&policy(), &deep).as_str().ends_with(".status=[secret]"));
    }

    #[test]
    fn output_is_bounded() {
        let raw = "status=open&".repeat(10_000);
        let masked = masker().query(&policy(), &raw);
        assert!(masked.as_str().len() < super::super::MAX_MASKED_BYTES + 256);
        assert!(masked.as_str().ends_with("&[cut]"));
    }
}
