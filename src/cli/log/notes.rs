//! What a row cannot hold: sentences below it, each once in a session.

use crate::exchange::record::{BypassLink, Record};
use std::collections::HashSet;

/// Sentences told so far. Bounded: fields and reasons are closed sets, and so are upstreams.
#[derive(Default)]
pub(super) struct Notes(HashSet<String>);

impl Notes {
    /// The sentences about a record that were not told before.
    pub(super) fn about(&mut self, record: &Record) -> Vec<String> {
        let sentences = record.bypass_links.iter().map(|link| sentence(link, &record.upstream));
        sentences.filter(|sentence| self.0.insert(sentence.clone())).collect()
    }
}

fn sentence(BypassLink { field, reason }: &BypassLink, upstream: &str) -> String {
    let past = "a caller that follows it goes past Vigie";
    match (&**reason, &**field) {
        ("unreadable", "unknown") => format!(
            "the answer of {upstream} was not read to its end: links to the CRM that it may hold are not counted; raise \
             proxy.capture.response"
        ),
        ("off", _) => format!(
            "{field} in the answer points straight at the CRM: {past}; set upstreams.{upstream}.rewrite_links: true"
        ),
        ("other_host", _) => format!(
            "{field} in the answer points at a host that is no upstream: {past}; if it is the CRM's, name it as an upstream"
        ),
        ("unreachable", _) => format!(
            "{field} in the answer points at the CRM where no path of this listener leads: {past}; look at the base path \
             of upstreams.{upstream}.url, at path_prefix, and at the listener's upstream"
        ),
        ("too_large", _) => format!("{field} was not rewritten, because the answer is too large: {past}"),
        ("signed", _) => {
            format!("{field} was not rewritten, because the answer is signed or must not be changed: {past}")
        }
        ("partial", _) => format!("{field} was not rewritten, because the answer is a part of one: {past}"),
        _ => format!("{field} was not rewritten, because the answer is coded or no whole JSON: {past}"),
    }
}
