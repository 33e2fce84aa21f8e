//! Which fields of a vendor's messages may be shown, are ids, personal or secret: plain data for masking.

use serde::Deserialize;
use std::collections::BTreeMap;

/// What is known of the fields of bodies and the parameters of queries. A field on no list is masked, so nothing has to be
/// listed; what is listed under `dates`, `numbers`, `flags`, `enums` and `names` is shown, and only if it looks like that. When
/// in doubt, leave it out.
///
/// Names are compared without regard to case, wherever the field stands; `deal_stage.name` is a `name` directly inside
/// `deal_stage` (lists in between do not count), with at most three parents; `cf_*` stands for every name that begins with
/// `cf_` and goes on in at most 40 small letters, digits and `_`. No field may be on two lists. What names a credential
/// (`…token…`, `…password…`) can be listed under `secrets` alone.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    /// Days and points in time: `2025-10-24`, `2025-10-24T09:45:30Z`, `24/10/2025`, `20251024`, seconds or milliseconds since
    /// 1970. Never a birthday.
    #[serde(default)]
    pub dates: Vec<String>,
    /// Amounts, counts, scores, pages: up to eight digits, or up to twelve with decimals behind them (at most four). Never
    /// an id, however short.
    #[serde(default)]
    pub numbers: Vec<String>,
    /// Yes or no: `true`, `false`, `0`, `1`, `null`, `yes`, `no`, as text, number or JSON's own.
    #[serde(default)]
    pub flags: Vec<String>,
    /// Words of closed sets that the vendor or an administrator defines, not whoever types a record in: one word of letters,
    /// digits, `_` and `-`, or a code of at most four digits. `In progress` is two words and masked.
    #[serde(default)]
    pub enums: Vec<String>,
    /// Parameters that name fields and objects of the API, as `sort=-created_at` and `include=owner,contact` do: shown if
    /// every name in it is on some list here or names an object or a route.
    #[serde(default)]
    pub names: Vec<String>,
    /// Ids of records and the kind that their tokens show, the same for the same kind of record: `deal_id: deal`.
    #[serde(default)]
    pub ids: BTreeMap<String, String>,
    /// What is known to hold something of a person, and what; it becomes a token that can be searched for.
    #[serde(default)]
    pub personal: BTreeMap<String, PersonalKind>,
    /// Credentials: neither they nor anything inside them is shown. Usual names need not be listed.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// Structural names beside those of `objects`: shown as names, what they hold is masked.
    #[serde(default)]
    pub known: Vec<String>,
    /// Words of the vendor's messages beside those of its objects and the usual ones.
    #[serde(default)]
    pub words: Vec<String>,
    #[serde(default)]
    pub from: Vec<String>,
    pub note: Option<String>,
}

/// The lists. Names are compared without regard to case; `cf_*` stands for names that start with `cf_`;
/// `contact.id` is a field `id` inside `contact`. A field on no list is masked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldLists {
    /// Days and points in time: may be logged if they look like that, as those of the next four lists.
    pub dates: Vec<String>,
    /// Amounts and counts.
    pub numbers: Vec<String>,
    /// Yes or no.
    pub flags: Vec<String>,
    /// Words of closed sets.
    pub enums: Vec<String>,
    /// What names fields and objects of the vendor's.
    pub names: Vec<String>,
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
