//! What a CRM's profile says about its fields: which may be shown, which become tokens. What it does not name is
//! denied.

use super::fields::{MAX_NAME_PARTS, Path};
use super::kept::Shape;
use super::policy_spec::{Pii, PolicyError, PolicySpec};
use super::policy_table::{Entry, Table};
use super::token;
use std::collections::HashMap;

/// Longest field name or path in a policy, and longest name from the wire that is looked up at all.
pub(super) const MAX_NAME_BYTES: usize = 64;

/// Names that hold credentials whatever a profile says.
const CREDENTIALS: [&str; 23] = [
    "access_token",
    "api_key",
    "api_token",
    "apikey",
    "auth",
    "auth_token",
    "authorization",
    "client_secret",
    "cookie",
    "credential",
    "credentials",
    "id_token",
    "otp",
    "passphrase",
    "passwd",
    "password",
    "pin",
    "private_key",
    "pwd",
    "refresh_token",
    "secret",
    "session",
    "token",
];

/// A name with one of these inside cannot be listed as anything but secret.
const CREDENTIAL_PARTS: [&str; 8] =
    ["password", "passwd", "secret", "token", "authorization", "api_key", "apikey", "credential"];

/// What becomes of a field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Replaced by its length: the rule of every field that is not named.
    Denied,
    /// Shown, if it has the shape.
    Safe(Shape),
    /// Index into the policy's kinds.
    Id(u16),
    Pii(Pii),
    Secret,
}

/// A field as the policy sees it.
pub(super) struct Field<'p> {
    /// The name as it may be shown; `None` when it must be hidden.
    pub(super) name: Option<Shown<'p>>,
    pub(super) rule: Rule,
}

/// How a name may be shown.
pub(super) enum Shown<'p> {
    /// The profile's own spelling.
    Literal(&'p str),
    /// As it came: it matches a `*` statement, and its rest is plain.
    AsIs,
}

/// A profile's statements, ready for look-ups that do not allocate.
pub struct Policy {
    table: Table,
    /// Longest first, so that the most particular one wins; lower case, without the `*`.
    prefixes: Vec<(Box<str>, Rule)>,
    kinds: Vec<Box<str>>,
    /// Whether each is a kind of record.
    words: HashMap<Box<str>, bool>,
}

impl Policy {
    /// Checks and prepares a profile's statements.
    ///
    /// # Errors
    /// Everything that is wrong, not only the first.
    pub fn new(spec: &PolicySpec) -> Result<Self, Vec<PolicyError>> {
        let mut policy = Self::deny_all();
        let mut errors = Vec::new();
        for (name, rule) in policy.statements(spec, &mut errors) {
            if let Err(error) = policy.add(name, rule) {
                errors.push(error);
            }
        }
        policy.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        policy.words.extend(spec.words.iter().map(|w| (w.to_ascii_lowercase().into(), false)));
        policy.words.extend(spec.nouns.iter().map(|w| (w.to_ascii_lowercase().into(), true)));
        if errors.is_empty() { Ok(policy) } else { Err(errors) }
    }

    /// The policy that shows nothing: for traffic without a profile.
    pub fn deny_all() -> Self {
        let mut table = Table::default();
        for name in CREDENTIALS {
            table.insert(name).bare = Some(Rule::Secret);
        }
        Self { table, prefixes: Vec::new(), kinds: Vec::new(), words: HashMap::new() }
    }

    /// The profile's own spelling of a field name or a token kind, for summaries such as `Created deal …`; `None` for
    /// a word that the profile does not have.
    pub fn word(&self, name: &str) -> Option<super::Masked> {
        let literal = self.table.find(name).map(|e| e.name.as_ref());
        let kind = || self.kinds.iter().map(AsRef::as_ref).find(|k| *k == name);
        literal.or_else(kind).map(|word: &str| super::Masked::from_masked_text(word.to_owned()))
    }

    /// The token kind behind an [`Rule::Id`].
    pub(super) fn kind(&self, index: u16) -> &str {
        self.kinds.get(usize::from(index)).map_or("id", AsRef::as_ref)
    }

    /// What is said about the field `name` inside `parent`.
    pub(super) fn field(&self, name: &str, parent: Option<&Path<'_>>) -> Field<'_> {
        if let Some(entry) = self.table.find(name) {
            let rule = entry.rule(parent);
            return Field { name: Some(Shown::Literal(&entry.name)), rule: rule.unwrap_or(Rule::Denied) };
        }
        match self.prefixes.iter().find(|(prefix, _)| starts_with(name, prefix)) {
            Some((prefix, rule)) if is_plain_rest(&name[prefix.len()..]) => {
                Field { name: Some(Shown::AsIs), rule: *rule }
            }
            // Whatever is behind the beginning, it is no less secret.
            Some((_, rule)) if !matches!(rule, Rule::Safe(_)) => Field { name: None, rule: *rule },
            _ => Field { name: None, rule: Rule::Denied },
        }
    }

    /// True when the profile has this very name, in any case.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.table.find(name).is_some()
    }

    pub(super) fn has_word(&self, lower_word: &str) -> bool {
        self.words.contains_key(lower_word)
    }

    /// True for a word behind which a number is a record's id: a kind of record, or the name of a field that holds an id.
    pub(super) fn is_record(&self, lower_word: &str) -> bool {
        let of_id = || self.table.find(lower_word).is_some_and(|e| matches!(e.bare, Some(Rule::Id(_))));
        self.words.get(lower_word) == Some(&true) || self.kinds.iter().any(|k| k.as_ref() == lower_word) || of_id()
    }

    fn statements<'s>(&mut self, spec: &'s PolicySpec, errors: &mut Vec<PolicyError>) -> Vec<(&'s str, Rule)> {
        let mut all: Vec<(&str, Rule)> = Vec::new();
        for (names, shape) in [
            (&spec.dates, Shape::Date),
            (&spec.numbers, Shape::Number),
            (&spec.flags, Shape::Flag),
            (&spec.enums, Shape::Enum),
            (&spec.names, Shape::Names),
        ] {
            all.extend(names.iter().map(|n| (n.as_str(), Rule::Safe(shape))));
        }
        all.extend(spec.pii.iter().map(|(n, pii)| (n.as_str(), Rule::Pii(*pii))));
        all.extend(spec.secrets.iter().map(|n| (n.as_str(), Rule::Secret)));
        all.extend(spec.known.iter().map(|n| (n.as_str(), Rule::Denied)));
        for (field, kind) in &spec.ids {
            match self.kind_index(kind) {
                Some(index) => all.push((field, Rule::Id(index))),
                None => errors.push(PolicyError::BadKind { field: field.clone(), kind: kind.clone() }),
            }
        }
        all
    }

    fn kind_index(&mut self, kind: &str) -> Option<u16> {
        if !token::is_kind(kind) {
            return None;
        }
        let index = self.kinds.iter().position(|k| k.as_ref() == kind).unwrap_or_else(|| {
            self.kinds.push(kind.into());
            self.kinds.len() - 1
        });
        u16::try_from(index).ok()
    }

    fn add(&mut self, name: &str, rule: Rule) -> Result<(), PolicyError> {
        let (plain, wild) = name.strip_suffix('*').map_or((name, false), |prefix| (prefix, true));
        let parts = plain.split('.').count();
        let deep = parts > MAX_NAME_PARTS || (wild && parts > 1);
        if name.len() > MAX_NAME_BYTES || deep || !plain.split('.').all(is_identifier) {
            return Err(PolicyError::BadName(name.to_owned()));
        }
        if is_credential(plain) && rule != Rule::Secret && rule != Rule::Denied {
            return Err(PolicyError::Credential(name.to_owned()));
        }
        if wild {
            return self.add_prefix(name, plain, rule);
        }
        let mut parts: Vec<&str> = plain.split('.').collect();
        let last = parts.pop().unwrap_or_default();
        for parent in &parts {
            self.table.insert(parent);
        }
        if rule == Rule::Denied {
            // Nothing but the name: whatever else is said about it stands.
            self.table.insert(last);
            return Ok(());
        }
        parts.reverse();
        // The built-in credentials may be named again; their rule stays.
        let built_in = CREDENTIALS.iter().any(|c| c.eq_ignore_ascii_case(last));
        if self.table.insert(last).state(&parts, rule) || built_in {
            Ok(())
        } else {
            Err(PolicyError::Twice(name.to_owned()))
        }
    }

    fn add_prefix(&mut self, name: &str, prefix: &str, rule: Rule) -> Result<(), PolicyError> {
        let lower: Box<str> = prefix.to_ascii_lowercase().into();
        if self.prefixes.iter().any(|(p, _)| *p == lower) {
            return Err(PolicyError::Twice(name.to_owned()));
        }
        self.prefixes.push((lower, rule));
        Ok(())
    }
}

impl Entry {
    /// The most particular statement that fits, else the one without parents.
    fn rule(&self, parent: Option<&Path<'_>>) -> Option<Rule> {
        let dotted = self.dotted.iter().find(|(parents, _)| {
            let mut here = parent;
            parents.iter().all(|wanted| {
                let fits = here.is_some_and(|p| p.name.eq_ignore_ascii_case(wanted));
                here = here.and_then(|p| p.parent);
                fits
            })
        });
        dotted.map(|(_, rule)| *rule).or(self.bare)
    }

    /// Adds a statement; false when there is one already. `parents` are nearest first.
    fn state(&mut self, parents: &[&str], rule: Rule) -> bool {
        if parents.is_empty() {
            return self.bare.replace(rule).is_none_or(|before| {
                self.bare = Some(before);
                false
            });
        }
        let owned: Vec<Box<str>> = parents.iter().map(|p| p.to_ascii_lowercase().into()).collect();
        if self.dotted.iter().any(|(before, _)| *before == owned) {
            return false;
        }
        self.dotted.push((owned, rule));
        self.dotted.sort_by_key(|(before, _)| std::cmp::Reverse(before.len()));
        true
    }
}

/// `[A-Za-z0-9_-]{1,64}`: the shape of names that people give to fields.
pub(super) fn is_identifier(name: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// What may stand behind the beginning that a `*` statement gives, `[a-z0-9_]{0,40}`: field names that systems make of labels.
/// A label itself, with its capitals and hyphens, may be somebody's name.
fn is_plain_rest(rest: &str) -> bool {
    const MAX_REST_BYTES: usize = 40;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    rest.len() <= MAX_REST_BYTES && rest.bytes().all(plain)
}

fn starts_with(name: &str, lower_prefix: &str) -> bool {
    name.get(..lower_prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(lower_prefix))
}

fn is_credential(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    CREDENTIAL_PARTS.iter().any(|part| lower.contains(part)) || lower.split('.').any(|part| CREDENTIALS.contains(&part))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::policy;
    use super::*;
    use std::collections::BTreeMap;

    fn rule(policy: &Policy, path: &str) -> Rule {
        let (mut parents, mut name) = (None, path);
        if let Some((before, last)) = path.rsplit_once('.') {
            parents = Some(Path { name: before, parent: None });
            name = last;
        }
        policy.field(name, parents.as_ref()).rule
    }

    #[test]
    fn names_match_in_any_case_and_paths_by_their_end() {
        let policy = policy();
        assert_eq!(rule(&policy, "Status"), Rule::Safe(Shape::Enum));
        assert_eq!(rule(&policy, "DEAL_STAGE.Name"), Rule::Safe(Shape::Enum));
        assert_eq!(rule(&policy, "amount"), Rule::Safe(Shape::Number));
        assert_eq!(rule(&policy, "contact.name"), Rule::Denied);
        assert_eq!(rule(&policy, "emails.value"), Rule::Pii(Pii::Email));
        assert_eq!(rule(&policy, "value"), Rule::Denied);
        assert_eq!(policy.kind(0), "contact");
    }

    #[test]
    fn the_longest_prefix_wins_and_only_plain_rests_match() {
        let policy = policy();
        assert_eq!(rule(&policy, "cf_tier_level"), Rule::Safe(Shape::Enum));
        assert!(policy.field("cf_other", None).name.is_some());
        assert!(policy.field("cf_jean@example.com", None).name.is_none());
        for name in [
            "cf_Zoe-Quibblewick",
            "cf_Quibblewick",
            "cf_zo\u{e9}",
            "cf_zoe quibblewick",
            &format!("cf_{}", "x".repeat(41)),
        ] {
            assert!(policy.field(name, None).name.is_none(), "{name}");
        }
        assert!(policy.field("dupont", None).name.is_none());
    }

    #[test]
    fn credentials_cannot_be_listed_as_anything_else() {
        let spec = PolicySpec { enums: vec!["user.API_TOKEN_2".into()], ..PolicySpec::default() };
        assert_eq!(Policy::new(&spec).err().unwrap(), [PolicyError::Credential("user.API_TOKEN_2".into())]);
        let spec = PolicySpec { known: vec!["password".into()], ..PolicySpec::default() };
        assert_eq!(rule(&Policy::new(&spec).unwrap(), "password"), Rule::Secret);
    }

    #[test]
    fn every_error_is_told_at_once() {
        let spec = PolicySpec {
            enums: vec!["a b".into(), "X".into()],
            dates: vec!["x".into(), "c*d".into()],
            known: vec!["x".into()],
            ids: BTreeMap::from([("id".to_owned(), "Deal!".to_owned())]),
            ..PolicySpec::default()
        };
        let told: Vec<String> = Policy::new(&spec).err().unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 4);
        assert_eq!(told[0], "`Deal!` is not a token kind for `id`: [a-z0-9_]{1,32}");
        assert!(told.contains(&"`X` is listed twice".to_owned()));
    }

    #[test]
    fn only_the_profiles_words_can_be_shown() {
        assert_eq!(policy().word("DEAL_STAGE").unwrap().as_str(), "deal_stage");
        assert_eq!(policy().word("deal").unwrap().as_str(), "deal");
        assert!(policy().word("dupont").is_none());
    }
}
