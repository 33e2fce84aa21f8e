//! Which handler answers which path.

use super::super::answer::Answer;
use super::super::entity::Entity;
use super::super::query::{Params, Read};
use super::super::selectors;
use super::super::store::{Invalid, Record, Store, Write, as_id};
use super::bulk;
use http::Method;
use serde_json::{Value, json};

/// Segments that are names, not ids. Others are shown as `{id}` or make the route `other`.
const LITERALS: &[&str] = &[
    "contacts",
    "sales_accounts",
    "deals",
    "tasks",
    "appointments",
    "notes",
    "filters",
    "view",
    "upsert",
    "bulk_upsert",
    "bulk_destroy",
    "clone",
    "forget",
    "activities",
    "search",
    "lookup",
    "filtered_search",
    "contact",
    "sales_account",
    "deal",
    "selector",
    "selectors",
    "settings",
    "fields",
    "job_statuses",
];

/// One request, taken apart.
pub(super) struct Call<'a> {
    pub(super) method: &'a Method,
    /// The segments after the API's prefix.
    pub(super) path: Vec<&'a str>,
    pub(super) params: Params,
    pub(super) body: &'a [u8],
    pub(super) write: Write,
    pub(super) read: Read,
    /// Where the API stands, for links in answers.
    pub(super) base_url: String,
}

/// The route of a path for the counts: a closed set.
pub(super) fn template(short: &str) -> String {
    let mut route = String::new();
    for (i, segment) in short.split('/').filter(|s| !s.is_empty()).enumerate() {
        let after_selector = route.ends_with("/selector") || route.ends_with("/selectors");
        let known = LITERALS.contains(&segment) || after_selector && selectors::selector(segment).is_some();
        route.push('/');
        match segment {
            _ if known => route.push_str(segment),
            _ if i > 0 && segment.bytes().all(|b| b.is_ascii_digit()) => route.push_str("{id}"),
            _ => return "other".to_owned(),
        }
    }
    route
}

/// Answers an authorised request.
pub(super) fn route(store: &mut Store, call: &Call<'_>) -> Answer {
    match (call.method.as_str(), call.path.as_slice()) {
        ("GET", ["search"]) => store.search(&call.params),
        ("GET", ["lookup"]) => store.lookup(&call.params),
        // Both spellings are in use by clients.
        ("GET", ["selector" | "selectors", name]) => {
            selectors::selector(name).map_or_else(Answer::not_found, Answer::ok)
        }
        ("GET", ["settings", name, "fields"]) => match Entity::from_plural(name) {
            Some(entity) => Answer::ok(selectors::fields(entity, &store.world.json(entity, 0))),
            None => Answer::error(400, &[format!("The type for {} is invalid.", Literal(name))]),
        },
        ("POST", ["filtered_search", name]) => match (Entity::from_singular(name), parse(call.body)) {
            (Some(entity), Ok(body)) => store.filtered(entity, &body, &call.params, call.read),
            (None, _) => Answer::not_found(),
            (_, Err(answer)) => answer,
        },
        ("GET", ["job_statuses", id]) => with_id(id, |id| bulk::status(store, id)),
        (_, [name, rest @ ..]) => match Entity::from_plural(name) {
            Some(entity) => entity_route(store, call, entity, rest),
            None => Answer::not_found(),
        },
        _ => Answer::not_found(),
    }
}

/// A path segment that is safe to repeat in an answer.
struct Literal<'a>(&'a str);

impl std::fmt::Display for Literal<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plain = self.0.len() <= 40 && self.0.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        f.write_str(if plain { self.0 } else { "this" })
    }
}

fn entity_route(store: &mut Store, call: &Call<'_>, entity: Entity, rest: &[&str]) -> Answer {
    let is_activity = matches!(entity, Entity::Task | Entity::Appointment | Entity::Note);
    match (call.method.as_str(), rest) {
        ("GET", []) if is_activity => store.activities(entity, &call.params, call.read),
        ("POST", []) => create(store, call, entity),
        ("GET", ["filters"]) if !is_activity => filters(entity),
        ("GET", ["view", view]) => with_id(view, |view| store.view(entity, view, &call.params, call.read)),
        ("POST", ["upsert"]) if !is_activity => upsert(store, call, entity),
        ("POST", ["bulk_upsert"]) if !is_activity => bulk::upsert(store, call, entity),
        ("POST", ["bulk_destroy"]) if !is_activity => bulk::destroy(store, call, entity),
        ("GET", [id]) => with_id(id, |id| show(store, call, entity, id)),
        ("PUT" | "PATCH", [id]) => with_id(id, |id| update(store, call, entity, id)),
        ("DELETE", [id]) => with_id(id, |id| removed(store.delete(entity, id))),
        ("DELETE", [id, "forget"]) => with_id(id, |id| removed(store.forget(entity, id))),
        ("POST", [id, "clone"]) if !is_activity => with_id(id, |id| clone(store, call, entity, id)),
        ("GET", [id, "activities"]) => with_id(id, |id| activities(store, call, entity, id)),
        ("GET", [id, sub @ ("notes" | "tasks" | "appointments")]) => with_id(id, |id| match Entity::from_plural(sub) {
            Some(sub) if store.exists(entity, id) => store.hanging_on(sub, id, &call.params, call.read),
            _ => Answer::not_found(),
        }),
        _ => Answer::not_found(),
    }
}

/// Runs `then` with the id in a path segment; what is no id names nothing.
fn with_id(segment: &str, then: impl FnOnce(u64) -> Answer) -> Answer {
    segment.parse().map_or_else(|_| Answer::not_found(), then)
}

/// The body as an object.
pub(super) fn parse(body: &[u8]) -> Result<Record, Answer> {
    serde_json::from_slice(body).map_err(|_| Answer::error(400, &["The request body is not a JSON object"]))
}

/// The fields sent for a record: under its kind's name, or bare.
pub(super) fn fields_of(entity: Entity, body: &Record) -> Record {
    match body.get(entity.singular()) {
        Some(Value::Object(fields)) => fields.clone(),
        _ => body.iter().filter(|(key, _)| *key != "unique_identifier").map(|(k, v)| (k.clone(), v.clone())).collect(),
    }
}

fn filters(entity: Entity) -> Answer {
    let list: Vec<Value> = entity
        .views()
        .into_iter()
        .map(
            |(id, name, _)| json!({"id": id, "name": name, "model_class_name": entity.type_name(), "is_default": true}),
        )
        .collect();
    Answer::ok(json!({ "filters": list }))
}

fn show(store: &Store, call: &Call<'_>, entity: Entity, id: u64) -> Answer {
    match store.table(entity).live(&store.world, id, call.read.old) {
        Some(record) => Answer::record(200, entity, store.include(entity, record, &call.params)),
        None => Answer::not_found(),
    }
}

fn create(store: &mut Store, call: &Call<'_>, entity: Entity) -> Answer {
    match parse(call.body) {
        Ok(body) => written(201, entity, store.create(entity, &fields_of(entity, &body), call.write)),
        Err(answer) => answer,
    }
}

fn update(store: &mut Store, call: &Call<'_>, entity: Entity, id: u64) -> Answer {
    match parse(call.body) {
        Ok(body) => match store.update(entity, id, &fields_of(entity, &body), call.write) {
            Some(result) => written(200, entity, result),
            None => Answer::not_found(),
        },
        Err(answer) => answer,
    }
}

fn upsert(store: &mut Store, call: &Call<'_>, entity: Entity) -> Answer {
    let body = match parse(call.body) {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    let Some(Value::Object(identifier)) = body.get("unique_identifier") else {
        return Answer::error(400, &["unique_identifier is missing"]);
    };
    match bulk::upsert_one(store, entity, identifier, &fields_of(entity, &body), call.write) {
        Ok((created, record)) => Answer::record(if created { 201 } else { 200 }, entity, record),
        Err(messages) => Answer::error(400, &messages),
    }
}

/// A copy without what must be unique, unless the body gives it.
fn clone(store: &mut Store, call: &Call<'_>, entity: Entity, id: u64) -> Answer {
    let Some(mut record) = store.table(entity).live(&store.world, id, false) else { return Answer::not_found() };
    for unique in ["email", "emails", "external_id"] {
        record.remove(unique);
    }
    if entity == Entity::Account
        && let Some(Value::String(name)) = record.get_mut("name")
    {
        name.push_str(" (copy)");
    }
    if !call.body.is_empty() {
        match parse(call.body) {
            Ok(body) => record.extend(fields_of(entity, &body)),
            Err(answer) => return answer,
        }
    }
    written(201, entity, store.create(entity, &record, call.write))
}

fn written(status: u16, entity: Entity, result: Result<Record, Invalid>) -> Answer {
    match result {
        Ok(record) => Answer::record(status, entity, record),
        Err(messages) => Answer::error(400, &messages),
    }
}

/// The answer to a deletion; the vendor's body is not documented.
fn removed(done: bool) -> Answer {
    if done { Answer::ok(json!(true)) } else { Answer::not_found() }
}

fn activities(store: &Store, call: &Call<'_>, entity: Entity, id: u64) -> Answer {
    let Some(record) = store.table(entity).live(&store.world, id, call.read.old) else { return Answer::not_found() };
    let entry = |name: &str, at: &str| {
        json!({
            "id": id,
            "name": format!("{} {name}", entity.singular()),
            "actionable_type": entity.type_name(),
            "actionable_id": id,
            "composite_id": format!("{id}:{name}"),
            "user_id": record.get("owner_id").and_then(as_id),
            "created_at": record.get(at),
        })
    };
    Answer::ok(
        json!({"activities": [entry("created", "created_at"), entry("updated", "updated_at")], "meta": {"total": 2}}),
    )
}

#[cfg(test)]
mod tests {
    use super::template;

    #[test]
    fn routes_are_a_closed_set() {
        for (path, route) in [
            ("/contacts/70040000001", "/contacts/{id}"),
            ("/contacts/view/70010000100", "/contacts/view/{id}"),
            ("/selector/owners", "/selector/owners"),
            ("/selector/me@example.com", "other"),
            ("/contacts/me@example.com", "other"),
            ("/12345", "other"),
        ] {
            assert_eq!(template(path), route);
        }
    }
}
