//! One pass over a JSON answer that picks out what the profile names and builds nothing else.
//!
//! A [`Scan`] is a small trie of the named places. The walk follows it and skips every other value without decoding it,
//! so memory depends on the profile, not on the answer.

#[cfg(test)]
mod oracle;
mod walk;

use std::ops::Range;
use std::sync::Arc;
use walk::Walk;

/// Bytes of a message that are kept: enough for the longest validation text seen, little enough for a log line.
const MAX_MESSAGE_BYTES: usize = 512;

/// Links taken out of one answer: more than a page of records has.
const MAX_LINKS: usize = 1_000;

/// What a place holds; a place may hold several.
pub(super) mod mark {
    /// The vendor's error message, or a list of them.
    pub const MESSAGE: u16 = 1;
    /// A failure, if not empty.
    pub const NON_EMPTY: u16 = 1 << 1;
    /// A failure, if `false` or the text of it.
    pub const IS_FALSE: u16 = 1 << 2;
    /// The record's id.
    pub const ID: u16 = 1 << 3;
    /// How many records there are in all.
    pub const TOTAL: u16 = 1 << 4;
    /// A list whose elements are counted.
    pub const LIST: u16 = 1 << 5;
    /// The address of a job, if not empty.
    pub const JOB: u16 = 1 << 6;
    /// A list of results, each judged.
    pub const ITEMS: u16 = 1 << 7;
    /// The status of a failure.
    pub const STATUS: u16 = 1 << 8;
    /// An absolute URL of the API.
    pub const LINK: u16 = 1 << 9;
}

#[derive(Debug, Default)]
struct Node {
    marks: u16,
    names: Vec<(Box<str>, usize)>,
    /// For the elements of a list.
    elements: Option<usize>,
    /// The place as written, where it holds links.
    link: Option<Arc<str>>,
}

impl Node {
    fn child(&self, name: &[u8]) -> Option<usize> {
        self.names.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, child)| *child)
    }
}

/// The named places of one kind of answer.
#[derive(Debug)]
pub(super) struct Scan {
    nodes: Vec<Node>,
    /// True when the profile calls error fields in this answer data.
    pub errors_are_data: bool,
    /// True when a success holds at least one of the ids, lists, results or jobs among the places.
    pub expects: bool,
    marks: u16,
}

impl Default for Scan {
    fn default() -> Self {
        Self { nodes: vec![Node::default()], errors_are_data: false, expects: false, marks: 0 }
    }
}

impl Scan {
    /// Adds a place: dotted names, `[]` for the elements of a list, `$` for the whole answer.
    pub fn add(&mut self, place: &str, marks: u16) -> Result<(), String> {
        let mut at = 0;
        for name in place.split('.').filter(|p| *p != "$") {
            let (field, depth) = (name.trim_end_matches("[]"), name.matches("[]").count());
            if field.contains(['[', ']', '$', ' ']) || (field.is_empty() && depth == 0) {
                return Err(format!("`{place}` is not a place: dotted names, `[]` for elements, `$` for the whole"));
            }
            if !field.is_empty() {
                at = self.named(at, field);
            }
            for _ in 0..depth {
                at = self.elements_of(at);
            }
        }
        self.nodes[at].marks |= marks;
        self.marks |= marks;
        if marks & mark::LINK != 0 {
            self.nodes[at].link = Some(place.into());
        }
        if marks & mark::MESSAGE != 0 {
            let elements = self.elements_of(at);
            self.nodes[elements].marks |= mark::MESSAGE;
        }
        Ok(())
    }

    /// Whether any place has one of `marks`.
    pub fn has(&self, marks: u16) -> bool {
        self.marks & marks != 0
    }

    fn named(&mut self, at: usize, field: &str) -> usize {
        if let Some((_, child)) = self.nodes[at].names.iter().find(|(n, _)| n.as_ref() == field) {
            return *child;
        }
        let child = self.push();
        self.nodes[at].names.push((field.into(), child));
        child
    }

    fn elements_of(&mut self, at: usize) -> usize {
        if let Some(child) = self.nodes[at].elements {
            return child;
        }
        let child = self.push();
        self.nodes[at].elements = Some(child);
        child
    }

    fn push(&mut self) -> usize {
        self.nodes.push(Node::default());
        self.nodes.len() - 1
    }

    /// Walks `body`. What was found before its end, or before it broke, is in the result.
    pub fn run(&self, body: &[u8]) -> (Found, End) {
        let mut found = Found::default();
        let end = Walk::new(self, body, &mut found).run();
        (found, end)
    }
}

/// How the walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// At the end of one JSON value.
    Whole,
    /// The bytes ended first.
    Cut,
    /// It is not JSON.
    Broken,
}

/// What the walk picked out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub message: Option<String>,
    pub failed: bool,
    pub id: Option<String>,
    pub total: Option<u64>,
    /// Of a failure: 400 to 599, the first one told.
    pub status: Option<u16>,
    pub listed: Option<u64>,
    pub job: bool,
    /// Done and failed, if a list of results began.
    pub items: Option<(u64, u64)>,
    /// A JSON object or list began.
    pub began: bool,
    /// Absolute URLs, in their order.
    pub links: Vec<Link>,
    /// There are more of them.
    pub more_links: bool,
}

/// An absolute URL in an answer. Raw: wire data.
#[derive(PartialEq, Eq)]
pub struct Link {
    /// The place, as the profile names it.
    pub place: Arc<str>,
    /// Where its string stands in the answer, without the quotes.
    pub at: Range<usize>,
    /// The string, unescaped.
    pub text: String,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Found {
    fn add_message(&mut self, text: &str) {
        let message = self.message.get_or_insert_default();
        let joint = if message.is_empty() { "" } else { "; " };
        let room = MAX_MESSAGE_BYTES.saturating_sub(message.len() + joint.len());
        if room == 0 || text.is_empty() {
            return;
        }
        message.push_str(joint);
        message.push_str(&text[..(0..=room.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)]);
    }

    /// Takes a string at a place of links, if it begins as an absolute URL does.
    fn take_link(&mut self, place: &Arc<str>, at: Range<usize>, text: &str) {
        let begins = |with: &str| text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
        if !["http:", "https:", "//"].into_iter().any(begins) {
            return;
        }
        if self.links.len() == MAX_LINKS {
            self.more_links = true;
            return;
        }
        self.links.push(Link { place: Arc::clone(place), at, text: text.to_owned() });
    }

    /// Whether any of a success's own places was found.
    pub fn anything(&self) -> bool {
        self.id.is_some() || self.listed.is_some() || self.total.is_some() || self.items.is_some() || self.job
    }

    fn take_text(&mut self, marks: u16, text: &str) {
        if marks & mark::MESSAGE != 0 {
            self.add_message(text);
        }
        if marks & mark::ID != 0 && self.id.is_none() && !text.is_empty() {
            self.id = Some(text.to_owned());
        }
        if marks & mark::TOTAL != 0 {
            self.total = text.parse().ok().or(self.total);
        }
        if marks & mark::STATUS != 0 {
            self.take_status(text.parse().ok());
        }
        // Some serialisers write truth values as text.
        self.failed |= marks & mark::IS_FALSE != 0 && text.eq_ignore_ascii_case("false");
        self.take_filled(marks, !text.is_empty());
    }

    fn take_number(&mut self, marks: u16, number: u64) {
        if marks & mark::ID != 0 && self.id.is_none() {
            self.id = Some(number.to_string());
        }
        if marks & mark::TOTAL != 0 {
            self.total = Some(number);
        }
        if marks & mark::STATUS != 0 {
            self.take_status(u16::try_from(number).ok());
        }
        self.take_filled(marks, true);
    }

    fn take_status(&mut self, status: Option<u16>) {
        self.status = self.status.or(status.filter(|status| matches!(status, 400..=599)));
    }

    fn take_filled(&mut self, marks: u16, filled: bool) {
        self.failed |= filled && marks & mark::NON_EMPTY != 0;
        self.job |= filled && marks & mark::JOB != 0;
    }
}

#[cfg(test)]
mod tests;
