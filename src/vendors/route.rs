//! Known routes: what each is about, and what its methods do.

mod trie;

pub(super) use trie::{Segment, Trie, segments};

use super::scan::Scan;
use http::Method;
use serde::Deserialize;
use std::sync::Arc;

/// Whether a call changes the CRM's records.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Hash)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    /// It only reads, whatever its method.
    Read,
    /// It creates, changes or deletes.
    Write,
}

impl Intent {
    /// The word used in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    /// The intent of a method where nothing more is known.
    pub fn of_method(method: &Method) -> Self {
        match *method {
            Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE => Self::Read,
            _ => Self::Write,
        }
    }
}

/// What a call does, for its summary.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Hash)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// A record was made.
    Created,
    /// A record was changed.
    Updated,
    /// A record was made or changed, by its key.
    Upserted,
    /// A record was deleted.
    Deleted,
    /// One record, or one setting, was read.
    Read,
    /// A page of records was read.
    Listed,
    /// Records were looked for.
    Searched,
    /// Work was accepted that goes on after the answer.
    Queued,
    /// Nothing more is known than the method.
    Called,
}

impl Verb {
    /// `Created`.
    pub fn past(self) -> &'static str {
        match self {
            Self::Created => "Created",
            Self::Updated => "Updated",
            Self::Upserted => "Upserted",
            Self::Deleted => "Deleted",
            Self::Read => "Read",
            Self::Listed => "Listed",
            Self::Searched => "Searched",
            Self::Queued => "Queued a job on",
            Self::Called => "Called",
        }
    }

    /// `create`.
    pub fn infinitive(self) -> &'static str {
        match self {
            Self::Created => "create",
            Self::Updated => "update",
            Self::Upserted => "upsert",
            Self::Deleted => "delete",
            Self::Read => "read",
            Self::Listed => "list",
            Self::Searched => "search",
            Self::Queued => "queue a job on",
            Self::Called => "call",
        }
    }

    /// The verb of a method where nothing more is known.
    pub fn of_method(method: &Method) -> Self {
        match *method {
            Method::GET | Method::HEAD => Self::Read,
            Method::PUT | Method::PATCH => Self::Updated,
            Method::DELETE => Self::Deleted,
            _ => Self::Called,
        }
    }
}

/// What one method does on a route.
#[derive(Debug)]
pub(super) struct Action {
    pub verb: Verb,
    pub intent: Intent,
    pub scan: Scan,
    /// Links alone.
    pub links: Scan,
    /// The route itself names some.
    pub names_links: bool,
}

/// The methods a profile may describe, in the order of [`RouteDef::actions`].
const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// One known route.
#[derive(Debug)]
pub struct RouteDef {
    /// Place in [`super::Profile::routes`].
    pub index: u16,
    /// The label: `/api/deals/{id}`.
    pub template: Arc<str>,
    /// The vendor's word for the kind of record; empty if the route is about none.
    pub object: Arc<str>,
    /// Word for people: `deal`; empty if there is none.
    pub noun: Arc<str>,
    /// Its plural.
    pub nouns: Arc<str>,
    /// Kind of the tokens that stand for ids of `object`.
    pub token: Arc<str>,
    /// Number (from 0, after the prefix) and token kind of the segments that are ids.
    pub(super) params: Vec<(usize, Arc<str>)>,
    pub(super) actions: [Option<Action>; METHODS.len()],
}

impl RouteDef {
    /// HEAD is judged as GET.
    pub(super) fn action(&self, method: &Method) -> Option<&Action> {
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        let at = METHODS.iter().position(|m| m == method)?;
        self.actions.get(at)?.as_ref()
    }
}

/// Where a path belongs.
#[derive(Debug)]
pub enum RouteMatch<'p> {
    /// A route of the profile.
    Known(&'p RouteDef),
    /// A template made from the path's shape.
    Generic(String),
}

impl<'p> RouteMatch<'p> {
    /// The label. Its cardinality is bounded for known routes; for generic ones the caller caps it.
    pub fn template(&self) -> &str {
        match self {
            Self::Known(route) => &route.template,
            Self::Generic(template) => template,
        }
    }

    /// The profile's route, if it is one.
    pub fn known(&self) -> Option<&'p RouteDef> {
        match self {
            Self::Known(route) => Some(route),
            Self::Generic(_) => None,
        }
    }
}
