//! The control API: faults, counts, the last requests, an echo, the truth about both sides.

use super::Shared;
use super::answer::Answer;
use super::crm;
use super::entity::ENTITIES;
use super::faults::FaultSpec;
use super::journal::Received;
use super::pairing::{Class, Pairing};
use super::query::Params;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::response::Response;
use axum::routing::{any, delete, get, post};
use http_body_util::{BodyExt, Limited};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A fault takes a few hundred bytes.
const MAX_CONTROL_BODY: usize = 16 << 10;

type Ctx = State<Arc<Shared>>;

/// The control API, and behind it the CRM.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/__sandbox/faults", post(add).get(list).delete(remove_all))
        .route("/__sandbox/faults/{id}", delete(remove))
        .route("/__sandbox/stats", get(stats))
        .route("/__sandbox/requests", get(requests))
        .route("/__sandbox/reset", post(reset))
        .route("/__sandbox/truth", get(truth))
        .route("/sandbox/truth", get(truth))
        .layer(DefaultBodyLimit::max(MAX_CONTROL_BODY))
        .route("/__sandbox/echo", any(echo))
        .fallback(crm::serve)
        .with_state(shared)
}

async fn add(State(shared): Ctx, body: Bytes) -> Response {
    let spec: FaultSpec = match serde_json::from_slice(&body) {
        Ok(spec) => spec,
        Err(e) => return crm::plain(Answer::error(400, &[e.to_string()])),
    };
    if let Err(why) = spec.validate() {
        return crm::plain(Answer::error(400, &[why]));
    }
    let lasting = spec.duration_s.map(Duration::from_secs);
    let now = shared.clock.elapsed();
    let added = {
        let mut faults = shared.faults.lock();
        faults.active(now);
        faults.add(spec, now, lasting)
    };
    crm::plain(match added {
        Some(fault) => Answer { status: 201, body: json!(fault) },
        None => Answer::error(409, &["There are too many faults; delete some"]),
    })
}

async fn list(State(shared): Ctx) -> Response {
    let now = shared.clock.elapsed();
    let faults = json!({"faults": shared.faults.lock().active(now)});
    crm::plain(Answer::ok(faults))
}

async fn remove_all(State(shared): Ctx) -> Response {
    let removed = shared.faults.lock().remove(None);
    crm::plain(Answer::ok(json!({"removed": removed})))
}

async fn remove(State(shared): Ctx, Path(id): Path<u64>) -> Response {
    let removed = shared.faults.lock().remove(Some(id));
    crm::plain(if removed == 0 { Answer::not_found() } else { Answer::ok(json!({"removed": removed})) })
}

async fn stats(State(shared): Ctx) -> Response {
    let now = shared.clock.elapsed();
    let (hour, minute) = shared.quota.lock().readings(now);
    let records: BTreeMap<&str, _> = {
        let store = shared.store.lock();
        ENTITIES.into_iter().map(|entity| (entity.plural(), store.table(entity).counts)).collect()
    };
    let journal = shared.journal.lock();
    crm::plain(Answer::ok(json!({
        "requests": journal.received(),
        "routes": journal.routes(),
        "faults": journal.faults(),
        "records": records,
        "quota": {"hour": hour, "minute": minute},
        "webhooks": shared.hooks.counts(),
    })))
}

async fn requests(State(shared): Ctx, request: Request) -> Response {
    let n = Params::parse(request.uri().query()).number("last").unwrap_or(20);
    let body = json!({"requests": shared.journal.lock().last(n)});
    crm::plain(Answer::ok(body))
}

/// Forgets what was written, the faults and the used quota. Counts go on, so that a test cannot lose them.
async fn reset(State(shared): Ctx) -> Response {
    shared.store.lock().reset();
    shared.faults.lock().remove(None);
    shared.quota.lock().reset();
    *shared.ledger.lock() = super::erp::Ledger::default();
    crm::plain(Answer::ok(json!(true)))
}

/// Answers with the request as it was received: what a proxy really sent.
async fn echo(State(shared): Ctx, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, crm::MAX_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return crm::plain(Answer::error(413, &["The body is too large or did not arrive whole"])),
    };
    let received = Received::new(&parts, &body, |value| shared.is_own_key(value));
    crm::plain(Answer::ok(json!(received)))
}

/// What a reconciliation of the records at the start must find: counts, and with `?ids=1` the ids of the CRM's records.
async fn truth(State(shared): Ctx, request: Request) -> Response {
    let with_ids = Params::parse(request.uri().query()).get("ids").is_some_and(|v| v == "1");
    let store = shared.store.lock();
    let world = &store.world;
    let describe = |pairing: &Pairing, base_id: u64| -> Value {
        let mut classes = Map::new();
        for (class, name) in CLASSES {
            let mut entry = json!({"crm_records": pairing.count(class)});
            if with_ids && class != Class::Equal {
                entry["crm_ids"] = pairing.members(class).map(|i| base_id + i).collect();
            }
            classes.insert(name.to_owned(), entry);
        }
        classes.insert("only_erp".into(), json!({"erp_records": pairing.extra()}));
        json!({"crm_total": pairing.crm_total(), "erp_total": pairing.erp_total(), "classes": classes})
    };
    let body = json!({
        "seed": world.seed,
        "about": "The state at the start. Each CRM record is in one class. crm_total is the sum of crm_records; erp_total is \
            crm_total without only_crm and duplicate_crm, plus duplicate_erp once more, plus only_erp. Orders stand \
            against won deals.",
        "contacts_customers": describe(&world.customers, super::entity::Entity::Contact.base_id()),
        "won_deals_orders": describe(&world.orders, super::entity::Entity::Deal.base_id()),
    });
    drop(store);
    crm::plain(Answer::ok(body))
}

const CLASSES: [(Class, &str); 8] = [
    (Class::Equal, "matched_equal"),
    (Class::Different, "matched_different"),
    (Class::Stale, "stale"),
    (Class::OnlyCrm, "only_crm"),
    (Class::DuplicateCrm, "duplicate_crm"),
    (Class::DuplicateErp, "duplicate_erp"),
    (Class::Divergent, "divergent_external_id"),
    (Class::NoReference, "no_reference"),
];
