//! Upserts, one by one and by the hundred. A bulk call answers 200 at once; what became of it, the job tells.
//!
//! The names of the job's fields are not documented by the vendor; these are the sandbox's.

use super::super::answer::Answer;
use super::super::entity::Entity;
use super::super::store::{Invalid, Record, Store, Write, as_id};
use super::routes::{Call, fields_of, parse};
use serde_json::{Map, Value, json};

/// Records in one bulk call.
const MAX_BULK: usize = 100;

/// Updates the record that `identifier` names, or creates it; true when created.
pub(super) fn upsert_one(
    store: &mut Store,
    entity: Entity,
    identifier: &Record,
    fields: &Record,
    write: Write,
) -> Result<(bool, Record), Invalid> {
    let Some((key, value)) = identifier.iter().next() else {
        return Err(vec!["unique_identifier is missing".to_owned()]);
    };
    let wanted = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let found = match key.as_str() {
        "id" => as_id(value).filter(|id| store.exists(entity, *id)).into_iter().collect(),
        "email" | "emails" if entity == Entity::Contact => store.by_primary(entity, &wanted),
        "name" if entity != Entity::Contact => store.by_primary(entity, &wanted),
        "external_id" => store.by_external(entity, &wanted),
        "mobile_number" => store.by_phone(entity, &wanted),
        _ => return Err(vec!["The unique identifier is invalid".to_owned()]),
    };
    let mut fields = fields.clone();
    fields.entry(key.clone()).or_insert_with(|| value.clone());
    match found.as_slice() {
        [] if key == "id" => Err(vec!["The record does not exist".to_owned()]),
        [] => store.create(entity, &fields, write).map(|record| (true, record)),
        [id, ..] => match store.update(entity, *id, &fields, write) {
            Some(result) => result.map(|record| (false, record)),
            None => Err(vec!["The record does not exist".to_owned()]),
        },
    }
}

/// `POST /{entity}/bulk_upsert`: `{"contacts": [{"emails": "…", "data": {…}}]}`, or items as `upsert` takes them.
pub(super) fn upsert(store: &mut Store, call: &Call<'_>, entity: Entity) -> Answer {
    let items = match list(call, entity.plural()) {
        Ok(items) => items,
        Err(answer) => return answer,
    };
    let (mut succeeded, mut failed) = (0, Vec::new());
    for (i, item) in items.iter().enumerate() {
        let Value::Object(item) = item else {
            failed.push((i, "not an object".to_owned()));
            continue;
        };
        let (identifier, fields) = match (item.get("unique_identifier"), item.get("data")) {
            (Some(Value::Object(identifier)), _) => (identifier.clone(), fields_of(entity, item)),
            (None, Some(Value::Object(data))) => {
                (item.iter().filter(|(k, _)| *k != "data").map(|(k, v)| (k.clone(), v.clone())).collect(), data.clone())
            }
            _ => (Map::new(), Map::new()),
        };
        match upsert_one(store, entity, &identifier, &fields, call.write) {
            Ok(_) => succeeded += 1,
            Err(messages) => failed.push((i, messages.join(", "))),
        }
    }
    accepted(store, call, succeeded, failed)
}

/// `POST /{entity}/bulk_destroy`: `{"selected_ids": […]}`.
pub(super) fn destroy(store: &mut Store, call: &Call<'_>, entity: Entity) -> Answer {
    let items = match list(call, "selected_ids") {
        Ok(items) => items,
        Err(answer) => return answer,
    };
    let (mut succeeded, mut failed) = (0, Vec::new());
    for (i, item) in items.iter().enumerate() {
        match as_id(item).is_some_and(|id| store.delete(entity, id)) {
            true => succeeded += 1,
            false => failed.push((i, "The record does not exist".to_owned())),
        }
    }
    accepted(store, call, succeeded, failed)
}

fn list(call: &Call<'_>, name: &str) -> Result<Vec<Value>, Answer> {
    match parse(call.body)?.remove(name) {
        Some(Value::Array(items)) if items.len() <= MAX_BULK => Ok(items),
        Some(Value::Array(_)) => Err(Answer::error(400, &[format!("At most {MAX_BULK} records in one call")])),
        _ => Err(Answer::error(400, &[format!("{name} is missing")])),
    }
}

fn accepted(store: &mut Store, call: &Call<'_>, succeeded: u64, failed: Vec<(usize, String)>) -> Answer {
    let id = store.add_job(succeeded, failed);
    Answer::ok(json!({
        "message": "Request accepted, results can be found at the job status url",
        "job_status_url": format!("{}/job_statuses/{id}", call.base_url),
    }))
}

/// `GET /job_statuses/{id}`: in progress when first asked for, then the result.
pub(super) fn status(store: &mut Store, id: u64) -> Answer {
    let Some(job) = store.jobs.iter_mut().find(|job| job.id == id) else { return Answer::not_found() };
    if !std::mem::replace(&mut job.seen, true) {
        return Answer::ok(json!({"id": id, "status": "In Progress"}));
    }
    let failures: Vec<Value> = job.failed.iter().map(|(i, why)| json!({"index": i, "message": why})).collect();
    Answer::ok(json!({
        "id": id,
        "status": "Completed",
        "total": job.succeeded + failures.len() as u64,
        "success_count": job.succeeded,
        "failed_count": failures.len(),
        "failures": failures,
    }))
}
