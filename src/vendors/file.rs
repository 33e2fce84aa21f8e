//! The shape of a profile's file, as written. Unknown keys are refused, so that a misspelt fact is an error.
//!
//! Every section that states facts names where they come from (`from`, keys of `sources`); the trust of a section is
//! that of its best source. A section backed only by `unverified` sources may be supported but decides nothing hard.

use super::fields::Fields;
use super::route::Verb;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub name: String,
    pub title: String,
    #[serde(default)]
    pub sources: BTreeMap<String, Source>,
    #[serde(default)]
    pub hosts: Hosts,
    #[serde(default)]
    pub paths: Paths,
    #[serde(default)]
    pub auth: Vec<Auth>,
    #[serde(default)]
    pub request_id: RequestId,
    #[serde(default)]
    pub quota: Vec<Quota>,
    pub answers: Answers,
    #[serde(default)]
    pub errors: Errors,
    #[serde(default)]
    pub links: Links,
    #[serde(default)]
    pub objects: Vec<Object>,
    #[serde(default)]
    pub routes: Vec<Route>,
    #[serde(default)]
    pub fields: Fields,
    #[serde(default)]
    pub count: Vec<Call>,
    #[serde(default)]
    pub who_am_i: Vec<Call>,
    #[serde(default)]
    pub examples: Vec<super::examples::Example>,
}

/// How far a fact may be trusted.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// One weak source or memory: supported, but nothing hard depends on it.
    Unverified,
    /// Client code, fixtures or captured answers: what real clients rely on, not a promise.
    Client,
    /// The vendor's own page, specification or repository.
    Official,
}

/// Where a fact was read.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// How far it may be trusted.
    pub trust: Trust,
    /// Address or repository and file.
    pub r#where: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Hosts {
    #[serde(default)]
    pub patterns: Vec<String>,
    #[serde(default)]
    pub from: Vec<String>,
    pub note: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Paths {
    /// Prefixes that are all written as `base` in templates.
    #[serde(default)]
    pub prefixes: Vec<String>,
    #[serde(default)]
    pub base: String,
    #[serde(default)]
    pub id_shape: super::template::IdShape,
    #[serde(default)]
    pub from: Vec<String>,
    pub note: Option<String>,
}

/// One form of a vendor's credential: where it is sent, in a header or, for APIs that know no better, in the query, and how
/// it is written there. `{key}` stands for the key, token or password, `{user}` for what some vendors want beside it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// Its word in configurations; the place's name unless stated.
    #[serde(default)]
    pub form: String,
    /// Header's name, lower case; empty if it is in the query.
    #[serde(default)]
    pub header: String,
    /// Query parameter's name; empty if it is in a header.
    #[serde(default)]
    pub query: String,
    /// What stands before the key in the value, e.g. `Token token=`.
    #[serde(default)]
    pub before: String,
    /// The value is `Basic` and this in base64 (RFC 7617), e.g. `{user}:{key}` or `{key}:X`; instead of `before`.
    #[serde(default)]
    pub basic: String,
    /// Headers that go with it and what they hold, e.g. `x-pw-useremail: "{user}"`.
    #[serde(default)]
    pub beside: BTreeMap<String, String>,
    /// Keys of `sources`.
    #[serde(default)]
    pub from: Vec<String>,
    /// For people.
    pub note: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestId {
    #[serde(default)]
    pub headers: Vec<String>,
    #[serde(default)]
    pub from: Vec<String>,
    pub note: Option<String>,
}

/// One set of quota headers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Quota {
    #[serde(default)]
    pub limit: Vec<String>,
    pub remaining: Vec<String>,
    #[serde(default)]
    pub reset: Vec<String>,
    /// The windows that these headers may describe: the first that fits is meant, the last one otherwise.
    pub windows: Vec<Window>,
    pub from: Vec<String>,
    pub note: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Window {
    pub name: String,
    pub length_s: u64,
    /// Fits only if a limit is told and it is at most this.
    pub limit_at_most: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answers {
    pub content: Content,
    /// Whether a 2xx answer to a read may be judged by its consistent beginning when only that was copied.
    #[serde(default)]
    pub cut_reads: CutReads,
    #[serde(default)]
    pub from: Vec<String>,
    pub note: Option<String>,
}

/// What a 2xx answer must carry.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Content {
    /// JSON, or nothing: anything else did not come from the API.
    Json,
    /// Anything.
    Any,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum CutReads {
    /// The vendor reports no failure late in the answer of a read.
    Ok,
    /// Not known: never a success.
    #[default]
    Unclassified,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Errors {
    #[serde(default)]
    pub messages: Messages,
    #[serde(default)]
    pub message: Vec<String>,
    #[serde(default)]
    pub hidden: Failure,
    pub inner_status: Option<InnerStatus>,
    /// Places that hold the failure's status. It tells more than a 2xx or a plain 4xx; 401, 403, 429 and 5xx stand.
    #[serde(default)]
    pub status: Vec<String>,
    #[serde(default)]
    pub from: Vec<String>,
    pub note: Option<String>,
}

/// Whether the vendor's messages may be logged.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Messages {
    /// After masking.
    Masked,
    #[default]
    Never,
}

/// Marks of a failure inside an answer: any of them is enough.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Failure {
    /// Places that hold something other than null, false, "", [] or {} only in a failure.
    #[serde(default)]
    pub non_empty: Vec<String>,
    /// Places that hold `false`, or the text `false`, only in a failure.
    #[serde(default)]
    pub is_false: Vec<String>,
    #[serde(default)]
    pub from: Vec<String>,
    pub note: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InnerStatus {
    /// Regular expression whose first group is the status, sought in the message, else in the body's beginning. Messages
    /// quote what the caller sent: anchor it, and let no quotation mark stand before the status.
    pub pattern: String,
    /// Outer statuses in which it is sought, beside a 2xx that holds a failure: plain 4xx, and 403 where it may mean quota.
    pub statuses: Vec<u16>,
    pub from: Vec<String>,
}

/// Places of any answer that may hold absolute URLs of the API itself, so that whoever follows one calls the vendor directly.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Links {
    #[serde(default)]
    pub places: Vec<String>,
    #[serde(default)]
    pub from: Vec<String>,
    pub note: Option<String>,
}

/// A kind of record.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Object {
    /// Vendor's word, as in `object` of a route.
    pub one: String,
    /// Vendor's plural, as in paths.
    pub many: String,
    /// Word for people and kind of its ids' tokens; `one` unless stated.
    pub noun: Option<String>,
    /// Its plural; `noun` with an `s` unless stated.
    pub nouns: Option<String>,
}

/// A route, or one for each object when its path holds `<one>` or `<many>`; `<kind>` is the kind of that object's
/// tokens.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Route {
    /// `/contacts/{id:contact}`: `{name:kind}` is an id whose token has that kind, `{name}` any other value.
    pub path: String,
    #[serde(default)]
    pub object: String,
    /// The objects it is made for; all unless stated.
    #[serde(default)]
    pub each: Vec<String>,
    /// What stands in for the object's noun.
    pub noun: Option<String>,
    /// Its plural.
    pub nouns: Option<String>,
    pub get: Option<Action>,
    pub post: Option<Action>,
    pub put: Option<Action>,
    pub patch: Option<Action>,
    pub delete: Option<Action>,
    pub from: Vec<String>,
    pub note: Option<String>,
}

/// What one method does on a route and where its answer says so. Places are dotted names; `[]` stands for the elements
/// of a list, `$` for the whole answer. A success that holds none of `id`, `list`, `total`, `job` and `items`, though an id,
/// list, job or items are named, is `unclassified`, unless the route's only sources are unverified.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Action {
    pub verb: Verb,
    /// For methods whose name misleads: a POST that only reads.
    pub intent: Option<super::route::Intent>,
    #[serde(default)]
    pub id: Vec<String>,
    /// Lists whose elements are counted, together.
    #[serde(default)]
    pub list: Vec<String>,
    #[serde(default)]
    pub total: Vec<String>,
    /// Present when the work goes on after the answer.
    #[serde(default)]
    pub job: Vec<String>,
    /// Absolute URLs of the API itself, beside those of `links`.
    #[serde(default)]
    pub links: Vec<String>,
    /// Results one by one.
    pub items: Option<Items>,
    /// Error fields in this answer are its data, not its own failure.
    #[serde(default)]
    pub errors_are_data: bool,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Items {
    pub list: String,
    /// Marks of a failed item, places counted from the item.
    pub failed: Failure,
}

/// A call that answers a standing question: who am I, how many are there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The object it counts; empty for who-am-I.
    #[serde(default)]
    pub object: String,
    /// HTTP method.
    pub method: String,
    /// Path below the API's base, with query; `{view_id}` is the id of one of `views`.
    pub path: String,
    /// Names of views whose counts are added.
    #[serde(default)]
    pub views: Vec<String>,
    /// Place of the number in the answer.
    pub total: Option<String>,
    /// Keys of `sources`.
    pub from: Vec<String>,
    /// For people.
    pub note: Option<String>,
}
