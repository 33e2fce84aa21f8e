//! A profile's lists in the form that masking reads.

use super::{PersonalKind, Profile};
use crate::exchange::redact::{Pii, PolicySpec};
use std::collections::BTreeSet;

/// Names of the envelopes that APIs put around records: they may be shown as names, their values are masked.
const ENVELOPES: [&str; 12] =
    ["code", "count", "data", "error", "errors", "id", "items", "message", "messages", "meta", "results", "value"];

impl Profile {
    /// What may be shown of this vendor's messages. The names of its routes and of common envelopes are
    /// known as names, beside those it lists.
    pub fn policy(&self) -> PolicySpec {
        let fields = &self.fields;
        PolicySpec {
            dates: fields.dates.clone(),
            numbers: fields.numbers.clone(),
            flags: fields.flags.clone(),
            enums: fields.enums.clone(),
            names: fields.names.clone(),
            ids: fields.ids.iter().cloned().collect(),
            pii: fields.personal.iter().map(|(name, kind)| (name.clone(), pii(*kind))).collect(),
            secrets: fields.secrets.clone(),
            known: self.known_names(),
            words: fields.words.clone(),
            nouns: self.nouns(),
        }
    }

    fn known_names(&self) -> Vec<String> {
        let is_name = |word: &&str| word.starts_with(|c: char| c.is_ascii_alphabetic());
        let words = self.routes.iter().flat_map(|r| r.template.split('/').chain([r.object.as_ref()]));
        let listed = self.fields.known.iter().map(String::as_str);
        let names: BTreeSet<&str> = words.filter(is_name).chain(ENVELOPES).chain(listed).collect();
        names.into_iter().map(str::to_owned).collect()
    }

    fn nouns(&self) -> Vec<String> {
        self.routes.iter().flat_map(|r| [r.noun.to_string(), r.nouns.to_string()]).collect()
    }
}

fn pii(kind: PersonalKind) -> Pii {
    match kind {
        PersonalKind::Email => Pii::Email,
        PersonalKind::Phone => Pii::Phone,
        PersonalKind::Name => Pii::Name,
        PersonalKind::Address => Pii::Address,
        PersonalKind::Text => Pii::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Profile;
    use crate::exchange::redact::{MaskKey, Masker, Policy};
    use crate::secret::Secret;

    fn policy(name: &str) -> Policy {
        Policy::new(&Profile::builtin(name).unwrap().policy()).unwrap()
    }

    fn masker() -> Masker {
        Masker::new(MaskKey::from_secret(1, &Secret::new("a secret of 16 bytes or more")).unwrap())
    }

    #[test]
    fn every_built_in_profile_is_a_policy() {
        for name in Profile::builtin_names() {
            policy(name);
        }
    }

    #[test]
    fn a_freshsales_contact_shows_only_what_is_safe() {
        let m = masker();
        let email = m.email_token("jean@example.com");
        let fields = [
            ("id", "70042006456", format!("\"{}\"", m.id("contact", "70042006456"))),
            ("first_name", "\"Jean\"", format!("\"{}\"", m.token("name", "jean"))),
            ("email", "\"Jean@Example.com\"", format!("\"{email}\"")),
            ("emails", r#"[{"value":"jean@example.com"}]"#, format!(r#"[{{"value":"{email}"}}]"#)),
            ("mobile_number", "\"+33 6 12 34 56 78\"", format!("\"{}\"", m.phone_token("+33612345678"))),
            ("city", "\"Lyon\"", format!("\"{}\"", m.token("address", "lyon"))),
            ("lead_score", "12", "12".into()),
            ("has_authority", "true", "true".into()),
            ("created_at", "\"2025-10-24T09:45:30Z\"", "\"2025-10-24T09:45:30Z\"".into()),
            ("amount", "\"Quibblewick\"", "\"[text 11 chars]\"".into()),
            ("updated_at", "\"Quibblewick\"", "\"[text 11 chars]\"".into()),
            ("deal_stage_id", "7", format!("\"{}\"", m.id("stage", "7"))),
            ("cf_birthday", "\"1978-12-06\"", "\"[text 10 chars]\"".into()),
        ];
        let raw: Vec<_> = fields.iter().map(|(name, value, _)| format!("\"{name}\":{value}")).collect();
        let expected: Vec<_> = fields.iter().map(|(name, _, masked)| format!("\"{name}\":{masked}")).collect();
        let body = format!(r#"{{"contact":{{{},"surprise":"Dupont"}}}}"#, raw.join(","));
        let surprise = m.token("key", "surprise");
        let expected = format!(r#"{{"contact":{{{},"{surprise}":"[text 6 chars]"}}}}"#, expected.join(","));
        let masked = m.body(&policy("freshsales"), Some("application/json"), body.as_bytes(), false);
        assert_eq!(masked.as_str(), expected);
    }

    #[test]
    fn queries_of_freshsales_show_how_and_not_whom() {
        let query = |text: &str| masker().query(&policy("freshsales"), text).to_string();
        for shown in [
            "page=2&per_page=100&sort=updated_at&sort_type=desc",
            "include=owner,sales_accounts,deal_stage&filter=open",
            "f=email&entities=contact,sales_account",
        ] {
            assert_eq!(query(shown), shown);
        }
        assert_eq!(query("sort=Quibblewick&page=699887766"), "sort=[text 11 chars]&page=[text 9 chars]");
        assert_eq!(query("include=Zoe%2BQuibblewick"), "include=[text 15 chars]");
        assert_eq!(query("filter=Zoe%2BQuibblewick"), "filter=[text 15 chars]");
    }

    #[test]
    fn errors_of_freshsales_stay_readable() {
        let message = |text: &str| masker().message(&policy("freshsales"), text).to_string();
        assert_eq!(message("Name has already been taken"), "Name has already been taken");
        assert_eq!(message("The type for sales_accounts is invalid."), "The type for sales_accounts is invalid.");
        let hidden = "UCR contact fetch failure :: response_code :: 429 :: response :: Too many requests";
        assert_eq!(message(hidden), hidden);
        assert_eq!(message("Contact 1234 is not in account #56"), "Contact [number] is not in account [masked]");
        assert_eq!(message("Deal of Jean Dupont is locked"), "Deal of [masked] is locked");
    }
}
