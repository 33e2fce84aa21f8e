//! Which fields of a vendor's messages are safe, ids, personal or secret: plain data for masking.

use serde::Deserialize;

/// The lists. Names are compared without regard to case; `cf_*` stands for every name that starts with `cf_`;
/// `contact.id` is a field `id` inside `contact`. A field on no list is masked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldLists {
    /// Enumerations, statuses, dates, amounts: may be logged as they are.
    pub safe: Vec<String>,
    /// Field and the kind of its token.
    pub ids: Vec<(String, String)>,
    /// Field and what it holds of a person.
    pub personal: Vec<(String, PersonalKind)>,
    /// Credentials.
    pub secrets: Vec<String>,
    /// Structural names, of objects and lists: the name itself tells nothing of anybody, what it holds is masked.
    pub known: Vec<String>,
    /// Words of the vendor's messages that tell nothing of anybody.
    pub words: Vec<String>,
}

/// What a personal field holds, which decides how it is normalised before it becomes a token.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Hash)]
#[serde(rename_all = "snake_case")]
pub enum PersonalKind {
    /// An e-mail address.
    Email,
    /// A telephone number.
    Phone,
    /// A person's or company's name.
    Name,
    /// Part of a postal address.
    Address,
    /// Free text: replaced, never a token.
    Text,
}
