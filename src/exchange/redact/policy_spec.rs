//! What a profile states about its fields, as it is written, and what can be wrong with it.

use serde::Deserialize;
use std::collections::BTreeMap;

/// A profile's statements, as its file has them. Names match without regard to ASCII case, wherever the field stands;
/// `deal_stage.name` matches `name` only directly inside `deal_stage` (arrays in between do not count); a final `*`
/// matches any rest of at most 40 small letters, digits and `_`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicySpec {
    /// Days and points in time: shown if they are written as such, or as seconds or milliseconds since 1970.
    pub dates: Vec<String>,
    /// Amounts, counts, rates: shown up to eight digits, with decimals up to twelve before the point.
    pub numbers: Vec<String>,
    /// Yes or no: `true`, `false`, `0`, `1`, `null`, `yes`, `no`.
    pub flags: Vec<String>,
    /// Statuses and other words of closed sets: shown if they are one word (`in_progress`, `in-progress`), or a code of at
    /// most four digits, and clear of every detector.
    pub enums: Vec<String>,
    /// What names fields and objects of the CRM, as a query's `sort` and `include` do: shown if all that it names is known
    /// here, also with commas, `-` in front, `:asc` and `:desc`.
    pub names: Vec<String>,
    /// Record ids: field to token kind (`deal_id: deal`).
    pub ids: BTreeMap<String, String>,
    /// Personal data: field to what it is.
    pub pii: BTreeMap<String, Pii>,
    /// Shown as `[secret]`, containers whole.
    pub secrets: Vec<String>,
    /// Names that may be shown as names. Their values are denied unless another list says otherwise.
    pub known: Vec<String>,
    /// Words that may be shown in the CRM's error messages, beside the built-in ones.
    pub words: Vec<String>,
    /// More of these, for kinds of records: a number behind one is a record's id.
    pub nouns: Vec<String>,
}

/// What a personal field holds, hence how it is normalised before it becomes a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pii {
    /// An e-mail address.
    Email,
    /// A phone number.
    Phone,
    /// A person's or a company's name.
    Name,
    /// A postal address or a part of one.
    Address,
    /// Free text: no token, only its length.
    Text,
}

/// What is wrong with one statement of a profile.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PolicyError {
    /// Not a name that can match.
    #[error(
        "`{0}` is not a field name: [A-Za-z0-9_-]+, at most three parents before dots, `*` only at the end, at most 64 bytes"
    )]
    BadName(String),
    /// Not a word that can stand before a token's colon.
    #[error("`{kind}` is not a token kind for `{field}`: [a-z0-9_]{{1,32}}")]
    BadKind {
        /// The field.
        field: String,
        /// The word given.
        kind: String,
    },
    /// The same field has two statements.
    #[error("`{0}` is listed twice")]
    Twice(String),
    /// A credential cannot be shown, not even as a token.
    #[error("`{0}` names a credential: it can only be listed under secrets")]
    Credential(String),
}
