//! What a call did, in words of the profile and numbers of the answer; ids stay raw until the caller masks them.

use super::Profile;
use super::route::{RouteDef, Verb};
use crate::exchange::Outcome;
use http::Method;
use std::fmt::Write;
use std::sync::Arc;

/// What a call did, or was meant to do. Not `Debug`: it holds a raw id.
#[derive(Clone, PartialEq, Eq)]
pub struct Summary {
    /// What was done.
    pub verb: Verb,
    /// To what: `deal`; empty where nothing is known.
    pub noun: Arc<str>,
    /// Its plural.
    pub nouns: Arc<str>,
    /// Kind of token and raw id of the record it is about. Raw: mask it.
    pub id: Option<(Arc<str>, String)>,
    /// Records in the answer.
    pub count: Option<u64>,
    /// Records there are in all.
    pub total: Option<u64>,
}

impl Summary {
    /// What the request meant to do, before anything is known of an answer. `path` may be that of an unknown route.
    pub fn intended(profile: &Profile, method: &Method, route: Option<&RouteDef>, path: &str) -> Self {
        let Some(route) = route else {
            let none: Arc<str> = Arc::clone(&profile.empty);
            let verb = Verb::of_method(method);
            return Self { verb, noun: Arc::clone(&none), nouns: none, id: None, count: None, total: None };
        };
        let verb = route.action(method).map_or_else(|| Verb::of_method(method), |action| action.verb);
        let id = profile.own_id(route, path).map(|id| (Arc::clone(&route.token), id.to_owned()));
        let (noun, nouns) = (Arc::clone(&route.noun), Arc::clone(&route.nouns));
        Self { verb, noun, nouns, id, count: None, total: None }
    }

    /// `Created deal deal:k3f9`, `Listed 25 of 1234 contacts`, `Failed to update deal deal:k3f9`. `token` is the masked
    /// id; nothing else in the text comes from the wire but numbers.
    pub fn text(&self, outcome: Outcome, token: Option<&str>) -> String {
        let mut text = match outcome {
            Outcome::Ok => self.verb.past().to_owned(),
            Outcome::Partial => format!("{} in part", self.verb.past()),
            Outcome::Unclassified | Outcome::ClientClosed => format!("Unknown if done: {}", self.verb.infinitive()),
            _ => format!("Failed to {}", self.verb.infinitive()),
        };
        self.write_object(&mut text, outcome == Outcome::Ok, token);
        text
    }

    fn write_object(&self, text: &mut String, done: bool, token: Option<&str>) {
        let many = matches!(self.verb, Verb::Listed | Verb::Searched | Verb::Queued) && self.id.is_none();
        // Writing to a String cannot fail.
        let _ = match (self.count.filter(|_| done), self.total.filter(|_| done)) {
            (Some(count), Some(total)) => write!(text, " {count} of {total}"),
            (Some(count), None) => write!(text, " {count}"),
            (None, Some(total)) => write!(text, " {total}"),
            (None, None) => Ok(()),
        };
        let one = self.count == Some(1) && self.total.is_none();
        let noun = if !one && (many || self.count.is_some()) { &self.nouns } else { &self.noun };
        for word in [noun.as_ref(), token.unwrap_or_default()] {
            if !word.is_empty() {
                text.push(' ');
                text.push_str(word);
            }
        }
    }
}
