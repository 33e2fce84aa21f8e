//! What a handler answers, and the error envelopes of Freshsales.

use super::entity::Entity;
use serde_json::{Map, Value, json};

/// A status and a JSON body.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn ok(body: Value) -> Self {
        Self { status: 200, body }
    }

    /// One record under its kind's name: `{"contact": {…}}`.
    pub(crate) fn record(status: u16, entity: Entity, record: Map<String, Value>) -> Self {
        Self { status, body: Value::Object(Map::from_iter([(entity.singular().to_owned(), Value::Object(record))])) }
    }

    /// The observed envelope: `errors` is an object, `message` an array.
    pub(crate) fn error(status: u16, messages: &[impl AsRef<str>]) -> Self {
        let messages: Vec<&str> = messages.iter().map(AsRef::as_ref).collect();
        Self { status, body: json!({"errors": {"code": status, "message": messages}}) }
    }

    pub(crate) fn not_found() -> Self {
        Self::error(404, &["Not Found"])
    }

    /// The body of a refused key, from memory; the vendor's own is not documented.
    pub(crate) fn unauthorized() -> Self {
        Self { status: 401, body: json!({"login": "failed", "message": "Login failed"}) }
    }

    /// Over the quota. The text is the help page's; whether the vendor sends JSON is not documented.
    pub(crate) fn too_many() -> Self {
        Self::error(429, &["Too many requests"])
    }

    /// The 400 that hides a 429 of the vendor's inner contact service.
    pub(crate) fn hidden_429() -> Self {
        Self::error(400, &["UCR contact fetch failure :: response_code :: 429 :: response :: Too many requests"])
    }
}
