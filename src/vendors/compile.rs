//! From a profile's file to a [`Profile`]: every cross-check, all errors at once.

mod auth;
mod facts;
mod routes;

use super::fields::Fields;
use super::file::{self, File};
use super::quota::{Source as QuotaSource, Window};
use super::{Fact, FieldLists, InnerStatus, Profile};
use crate::exchange::Names;
use http::HeaderName;
use routes::link_scan;
use std::fmt;
use std::sync::Arc;

/// Headers that every answer is judged by, beside the profile's own.
const ANSWER_HEADERS: [&str; 3] = ["content-type", "content-encoding", "retry-after"];
/// Headers of a request that its record needs: how to read the body, and which program sent it.
const REQUEST_HEADERS: [&str; 3] = ["content-type", "content-encoding", "user-agent"];

/// One thing wrong in a profile's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileError {
    /// The file.
    pub source: String,
    /// Where in it, as far as known: a path of keys.
    pub at: String,
    /// What is wrong.
    pub problem: String,
    /// What would be right; empty where `problem` says it.
    pub hint: String,
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [&self.source, &self.at, &self.problem].into_iter().filter(|p| !p.is_empty());
        f.write_str(&parts.map(String::as_str).collect::<Vec<_>>().join(": "))?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, "; {}", self.hint) }
    }
}

impl std::error::Error for ProfileError {}

pub(super) fn parse(yaml: &str, source: &str) -> Result<Profile, Vec<ProfileError>> {
    compile(serde_saphyr::from_str(yaml).map_err(|e| vec![unread(source, e.to_string())])?, source, true)
}

/// As [`parse`], of a file that the build made into JSON and took the examples from.
pub(super) fn built_in(json: &str, source: &str) -> Result<Profile, Vec<ProfileError>> {
    compile(serde_json::from_str(json).map_err(|e| vec![unread(source, e.to_string())])?, source, false)
}

fn unread(source: &str, problem: String) -> ProfileError {
    ProfileError { source: source.into(), at: String::new(), problem, hint: String::new() }
}

fn compile(file: File, source: &str, proves_itself: bool) -> Result<Profile, Vec<ProfileError>> {
    let mut compiler = Compiler { source, errors: Vec::new(), facts: Vec::new() };
    if proves_itself && file.examples.is_empty() {
        compiler.error("examples", "there is none", "a profile proves itself: give at least one request and answer");
    }
    let profile = compiler.profile(file);
    if compiler.errors.is_empty() { Ok(profile) } else { Err(compiler.errors) }
}

struct Compiler<'a> {
    source: &'a str,
    errors: Vec<ProfileError>,
    facts: Vec<Fact>,
}

impl Compiler<'_> {
    fn error(&mut self, at: impl Into<String>, problem: impl Into<String>, hint: impl Into<String>) {
        let (at, problem, hint) = (at.into(), problem.into(), hint.into());
        self.errors.push(ProfileError { source: self.source.into(), at, problem, hint });
    }

    fn profile(&mut self, file: File) -> Profile {
        self.check_sections(&file);
        let (trie, routes) = self.routes(&file);
        let unknown_scan = self.scan("errors", &file, None);
        let unknown_links = link_scan(&file, None);
        let error_scan = self.message_scan(&file.errors);
        let inner_status = self.inner_status(file.errors.inner_status.as_ref());
        let request_ids = file.request_id.headers;
        let quota = file.quota.into_iter().map(quota_source).collect::<Vec<_>>();
        let mut prefixes = file.paths.prefixes;
        prefixes.sort_by_key(|prefix| std::cmp::Reverse(prefix.len()));
        Profile {
            name: file.name.into(),
            title: file.title,
            sources: file.sources,
            facts: std::mem::take(&mut self.facts),
            hosts: file.hosts.patterns,
            prefixes,
            base: file.paths.base,
            trie,
            routes,
            auth: file.auth,
            response_headers: self.response_headers(&request_ids, &quota),
            request_headers: REQUEST_HEADERS.into_iter().map(HeaderName::from_static).collect(),
            request_ids,
            quota,
            content: file.answers.content,
            cut_reads: file.answers.cut_reads,
            messages: file.errors.messages,
            unknown_scan,
            unknown_links,
            error_scan,
            inner_status,
            fields: field_lists(file.fields, &file.objects),
            count: file.count,
            who_am_i: file.who_am_i,
            examples: file.examples,
            empty: Arc::from(""),
        }
    }

    /// Checks what needs no building, and gathers the facts' sources.
    fn check_sections(&mut self, file: &File) {
        for prefix in file.paths.prefixes.iter().chain([&file.paths.base]) {
            if !prefix.is_empty() && (!prefix.starts_with('/') || prefix.ends_with('/')) {
                self.error("paths", format!("`{prefix}`"), "a prefix starts with `/` and does not end with it");
            }
        }
        self.check_auth(&file.auth);
        for (i, quota) in file.quota.iter().enumerate() {
            if quota.windows.is_empty() || quota.windows.iter().any(|w| w.length_s == 0) {
                self.error(
                    format!("quota[{i}].windows"),
                    "none, or one of no length",
                    "name a window and its length_s",
                );
            }
        }
        self.gather_facts(file);
    }

    fn inner_status(&mut self, written: Option<&file::InnerStatus>) -> Option<InnerStatus> {
        let written = written?;
        if written.statuses.iter().any(|status| !matches!(status, 400 | 402..=428 | 430..=499)) {
            self.error("errors.inner_status.statuses", "401, 429 and 5xx name their cause", "give plain 4xx, or 403");
        }
        match regex::bytes::Regex::new(&written.pattern) {
            Ok(pattern) if pattern.captures_len() >= 2 => {
                return Some(InnerStatus { pattern, statuses: written.statuses.clone() });
            }
            Ok(_) => self.error("errors.inner_status.pattern", "it has no group", r"put the status in one: `(\d{3})`"),
            Err(e) => self.error("errors.inner_status.pattern", e.to_string(), "a regular expression is needed"),
        }
        None
    }

    fn response_headers(&mut self, request_ids: &[String], quota: &[QuotaSource]) -> Names {
        let mut headers: Vec<HeaderName> = ANSWER_HEADERS.into_iter().map(HeaderName::from_static).collect();
        let told = quota.iter().flat_map(|q| q.limit.iter().chain(&q.remaining).chain(&q.reset));
        for name in request_ids.iter().chain(told) {
            match HeaderName::from_bytes(name.as_bytes()) {
                Ok(header) if header.as_str() == name => {
                    if !headers.contains(&header) {
                        headers.push(header);
                    }
                }
                _ => self.error("headers", format!("`{name}`"), "a header's name in lower case is needed"),
            }
        }
        headers.into_iter().collect()
    }
}

fn quota_source(written: file::Quota) -> QuotaSource {
    let window = |w: file::Window| Window { name: w.name, length_s: w.length_s, limit_at_most: w.limit_at_most };
    let windows = written.windows.into_iter().map(window).collect();
    QuotaSource { limit: written.limit, remaining: written.remaining, reset: written.reset, windows }
}

fn field_lists(written: Fields, objects: &[file::Object]) -> FieldLists {
    let Fields { dates, numbers, flags, enums, names, secrets, mut known, words, .. } = written;
    let ids: Vec<_> = written.ids.into_iter().collect();
    let personal: Vec<_> = written.personal.into_iter().collect();
    known.extend(objects.iter().flat_map(|o| [o.one.clone(), o.many.clone()]));
    // `note` is a kind of record, and also a field that holds its text: the stricter statement stands.
    let stated = |name: &String| ids.iter().any(|(n, _)| n == name) || personal.iter().any(|(n, _)| n == name);
    known.retain(|name| !stated(name));
    FieldLists { dates, numbers, flags, enums, names, ids, personal, secrets, known, words }
}
