//! What is known about each CRM, as data, and the pure functions that read it.
//!
//! A [`Profile`] is made from one YAML file (`vendors/<name>.yaml`) that holds the facts, where each was read and how
//! far it may be trusted, and examples that run as tests. Nothing here does I/O, and no code names a vendor.

mod auth;
mod classify;
mod compile;
mod examples;
mod fields;
mod file;
mod policy;
mod quota;
mod route;
mod scan;
mod summary;
mod template;
mod words;

pub use auth::Written;
pub use classify::{Answer, Judgement, classify};
pub use compile::ProfileError;
pub use fields::{FieldLists, PersonalKind};
pub use file::{Auth, Call, Source, Trust};
pub use quota::Reading;
pub use route::{Intent, RouteDef, RouteMatch, Verb};
pub use scan::Link;
pub use summary::Summary;
pub use template::MAX_SEGMENTS;

use crate::exchange::Names;
use http::Method;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// Name and facts of each file in `vendors/`, as JSON and without its examples: a vendor is one file (`build.rs`).
const BUILTIN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/profiles.rs"));

/// Names of the built-in profiles, in the order they are listed to people.
static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| BUILTIN.iter().map(|(name, _)| *name).collect());

/// One vendor's facts, ready for use.
#[derive(Debug)]
pub struct Profile {
    name: Arc<str>,
    title: String,
    sources: BTreeMap<String, Source>,
    facts: Vec<Fact>,
    hosts: Vec<String>,
    /// Longest first.
    prefixes: Vec<String>,
    base: String,
    trie: route::Trie,
    routes: Vec<RouteDef>,
    auth: Vec<Auth>,
    request_ids: Vec<String>,
    quota: Vec<quota::Source>,
    response_headers: Names,
    request_headers: Names,
    content: file::Content,
    cut_reads: file::CutReads,
    messages: file::Messages,
    unknown_scan: scan::Scan,
    unknown_links: scan::Scan,
    error_scan: scan::Scan,
    inner_status: Option<InnerStatus>,
    fields: FieldLists,
    count: Vec<Call>,
    who_am_i: Vec<Call>,
    examples: Vec<examples::Example>,
    empty: Arc<str>,
}

/// Where a section of facts comes from.
#[derive(Clone, Debug)]
pub struct Fact {
    /// The section, e.g. `quota[0]` or `routes: /contacts/{id}`.
    pub about: String,
    /// The best of its sources.
    pub trust: Trust,
    /// Keys of [`Profile::sources`].
    pub from: Vec<String>,
    /// For people.
    pub note: Option<String>,
}

#[derive(Debug)]
struct InnerStatus {
    pattern: regex::bytes::Regex,
    statuses: Vec<u16>,
}

impl Profile {
    /// The built-in profile called `name`, without its examples. Reads it: call this when the configuration loads, and
    /// keep the result.
    pub fn builtin(name: &str) -> Option<Arc<Self>> {
        let (name, json) = BUILTIN.iter().find(|(n, _)| *n == name)?;
        // A built-in file that cannot be used fails the tests.
        compile::built_in(json, &format!("vendors/{name}.yaml")).ok().map(Arc::new)
    }

    /// Names of the built-in profiles.
    pub fn builtin_names() -> &'static [&'static str] {
        &NAMES
    }

    /// Reads a profile. `source` is the file's name, for the errors. An error of form (YAML, unknown key) is reported
    /// alone, because nothing beyond it was understood; errors of content are reported all at once.
    pub fn parse(yaml: &str, source: &str) -> Result<Self, Vec<ProfileError>> {
        compile::parse(yaml, source)
    }

    /// The word used in configuration and labels.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The vendor's and product's name.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Where the facts were read.
    pub fn sources(&self) -> &BTreeMap<String, Source> {
        &self.sources
    }

    /// Each section with its sources and trust.
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// Whether `host` (no port) is one of the vendor's. `*` in a pattern stands for one or more whole labels.
    pub fn is_vendor_host(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        self.hosts.iter().any(|pattern| match pattern.strip_prefix('*') {
            Some(end) => host.len() > end.len() && host.ends_with(end),
            None => host == *pattern,
        })
    }

    /// Whether it is the profile of one vendor, whose hosts are known.
    pub fn is_of_a_vendor(&self) -> bool {
        !self.hosts.is_empty()
    }

    /// Where credentials are sent, the usual place first.
    pub fn auth(&self) -> &[Auth] {
        &self.auth
    }

    /// The form of credential that `word` names, the usual one without a word.
    pub fn auth_form(&self, word: Option<&str>) -> Option<&Auth> {
        self.auth.iter().find(|auth| word.is_none_or(|word| auth.word() == word))
    }

    /// The known routes, by [`RouteDef::index`].
    pub fn routes(&self) -> &[RouteDef] {
        &self.routes
    }

    /// Where `path` belongs. `path` is the one sent to the CRM (upstream's base path included), raw, without query.
    /// Known routes cost one walk and no allocation. So far a route is the same for all methods.
    pub fn route(&self, _method: &Method, path: &str) -> RouteMatch<'_> {
        let path = without_query(path);
        let Some(rest) = self.below_prefix(path) else {
            return RouteMatch::Generic(template::generic("", path, |w| self.trie.has_word(w)));
        };
        match self.trie.find(rest).and_then(|index| self.routes.get(usize::from(index))) {
            Some(route) => RouteMatch::Known(route),
            None => RouteMatch::Generic(template::generic(&self.base, rest, |w| self.trie.has_word(w))),
        }
    }

    /// Whether the profile names places of links in answers of any kind.
    pub fn names_links(&self) -> bool {
        let of_routes = self.routes.iter().flat_map(|r| r.actions.iter().flatten());
        self.unknown_links.has(scan::mark::LINK) || of_routes.into_iter().any(|a| a.links.has(scan::mark::LINK))
    }

    /// Whether the answer to this call may hold links.
    pub fn may_link(&self, method: &Method, route: Option<&RouteDef>) -> bool {
        self.links_of(method, route).has(scan::mark::LINK)
    }

    /// The links in a whole JSON answer that begin with a scheme or `//`, in their order. `None` if it is no JSON, or they are
    /// too many.
    pub fn links(&self, method: &Method, route: Option<&RouteDef>, body: &[u8]) -> Option<Vec<Link>> {
        let (found, end) = self.links_of(method, route).run(body);
        (end == scan::End::Whole && !found.more_links).then_some(found.links)
    }

    fn links_of<'a>(&'a self, method: &Method, route: Option<&'a RouteDef>) -> &'a scan::Scan {
        route.and_then(|route| route.action(method)).map_or(&self.unknown_links, |action| &action.links)
    }

    /// Whether the call changes records.
    pub fn intent(&self, method: &Method, route: Option<&RouteDef>) -> Intent {
        route.and_then(|r| r.action(method)).map_or_else(|| Intent::of_method(method), |action| action.intent)
    }

    /// Token kind and raw id of every segment of `path` that is an id of a known route.
    pub fn path_ids<'a>(&'a self, path: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let rest = self.below_prefix(without_query(path));
        let route = rest.and_then(|rest| self.trie.find(rest)).and_then(|i| self.routes.get(usize::from(i)));
        let params = route.map(|route| route.params.as_slice()).unwrap_or_default();
        let segments = move |at: usize| route::segments(rest.unwrap_or_default()).nth(at);
        params.iter().filter_map(move |(at, kind)| Some((kind.as_ref(), segments(*at)?)))
    }

    /// Headers of an answer that [`Profile::quota`], [`Profile::vendor_request_id`] and [`classify`] need.
    pub fn response_headers(&self) -> &Names {
        &self.response_headers
    }

    /// Headers of a request that its record needs.
    pub fn request_headers(&self) -> &Names {
        &self.request_headers
    }

    /// The vendor's own id of the request. `get` looks a lower-case header name up. Raw: mask it.
    pub fn vendor_request_id<'a>(&self, get: impl Fn(&str) -> Option<&'a str>) -> Option<&'a str> {
        self.request_ids.iter().find_map(|name| get(name)).filter(|id| !id.is_empty())
    }

    /// What the answer told of the quota, one reading a window; nothing if it told nothing. `get` gives the lines of a
    /// header by its lower-case name.
    pub fn quota<'a, 'p, G, I>(
        &'p self,
        get: G,
        now_unix_s: i64,
    ) -> impl Iterator<Item = Reading<'p>> + use<'a, 'p, G, I>
    where
        G: Fn(&'p str) -> I,
        I: Iterator<Item = &'a str>,
    {
        self.quota.iter().filter_map(move |source| source.read(&get, now_unix_s))
    }

    /// Safe, id, personal and secret fields, for masking.
    pub fn fields(&self) -> &FieldLists {
        &self.fields
    }

    /// Calls that count records, by object.
    pub fn count_calls(&self) -> &[Call] {
        &self.count
    }

    /// Calls that prove a credential, the cheapest first.
    pub fn who_am_i(&self) -> &[Call] {
        &self.who_am_i
    }

    /// Runs the file's examples; what did not come out as written, one line each.
    pub fn check_examples(&self) -> Vec<String> {
        examples::check(self)
    }

    /// The raw id in `path` of the record that `route` is about.
    fn own_id<'a>(&self, route: &RouteDef, path: &'a str) -> Option<&'a str> {
        let (at, _) = route.params.iter().rev().find(|(_, kind)| *kind == route.token)?;
        route::segments(self.below_prefix(path)?).nth(*at)
    }

    /// What follows the prefix; the whole path where the profile has none.
    fn below_prefix<'a>(&self, path: &'a str) -> Option<&'a str> {
        if self.prefixes.is_empty() {
            return Some(path);
        }
        let below = |prefix: &String| path.strip_prefix(prefix.as_str()).filter(|r| r.is_empty() || r.starts_with('/'));
        self.prefixes.iter().find_map(below)
    }
}

/// A path without its query; byte by byte, as paths are short.
fn without_query(path: &str) -> &str {
    path.bytes().position(|b| b == b'?').map_or(path, |at| &path[..at])
}

#[cfg(test)]
mod tests;
