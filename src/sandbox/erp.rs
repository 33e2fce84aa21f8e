//! The ERP beside the CRM: customers against contacts, orders against won deals. A plain JSON API without keys.
//!
//! Records are computed like the CRM's; written ones lie over them.

use super::Shared;
use super::answer::Answer;
use super::crm::{MAX_BODY, plain};
use super::entity::Entity;
use super::pairing::{Class, Counterpart, Pairing};
use super::query::Params;
use super::random::draw;
use super::seeded::{World, customer_number, money, order_number, stamp};
use super::store::{MAX_RECORD, parse_time, text};
use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use http_body_util::{BodyExt, Limited};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Records written since the start; about 400 bytes each.
const MAX_WRITTEN: usize = 20_000;

/// The kinds of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Customers,
    Orders,
}

/// What was written since the start, by kind and number.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    written: BTreeMap<(Kind, u64), Map<String, Value>>,
}

/// The ERP's routes.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new().fallback(serve).with_state(shared)
}

async fn serve(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        return plain(Answer::error(413, &["The body is too large or did not arrive whole"]));
    };
    let path: Vec<&str> = parts.uri.path().split('/').filter(|s| !s.is_empty()).collect();
    let ["api", name, rest @ ..] = path.as_slice() else { return plain(Answer::not_found()) };
    let kind = match *name {
        "customers" => Kind::Customers,
        "orders" => Kind::Orders,
        "health" if rest.is_empty() => return plain(Answer::ok(json!({"status": "ok"}))),
        _ => return plain(Answer::not_found()),
    };
    let params = Params::parse(parts.uri.query());
    let now_s = shared.clock.wall_us() / 1_000_000;
    let store = shared.store.lock();
    let mut ledger = shared.ledger.lock();
    let input = || serde_json::from_slice::<Map<String, Value>>(&body.to_bytes()).ok();
    let answer = match (parts.method.as_str(), rest) {
        ("GET", []) => ledger.list(&store.world, kind, &params),
        ("GET", ["count"]) => {
            Answer::ok(json!({"count": ledger.numbers(&store.world, kind, updated_since(&params)).len()}))
        }
        ("GET", [number]) => match kind.parse(number).and_then(|n| ledger.get(&store.world, kind, n)) {
            Some(record) => Answer::ok(Value::Object(record)),
            None => Answer::not_found(),
        },
        ("POST", []) => ledger.write(&store.world, kind, None, input(), now_s),
        ("PUT" | "PATCH", [number]) => match kind.parse(number) {
            Some(n) => ledger.write(&store.world, kind, Some(n), input(), now_s),
            None => Answer::not_found(),
        },
        _ => Answer::not_found(),
    };
    drop(ledger);
    drop(store);
    plain(answer)
}

fn updated_since(params: &Params) -> Option<i64> {
    params.get("updated_since").and_then(parse_time)
}

impl Kind {
    fn pairing(self, world: &World) -> &Pairing {
        match self {
            Self::Customers => &world.customers,
            Self::Orders => &world.orders,
        }
    }

    fn name(self, number: u64) -> String {
        match self {
            Self::Customers => customer_number(number),
            Self::Orders => order_number(number),
        }
    }

    fn parse(self, name: &str) -> Option<u64> {
        let (prefix, base) = match self {
            Self::Customers => ("C-", 100_000),
            Self::Orders => ("O-", 500_000),
        };
        name.strip_prefix(prefix)?.parse::<u64>().ok()?.checked_sub(base)
    }
}

impl Ledger {
    fn get(&self, world: &World, kind: Kind, number: u64) -> Option<Map<String, Value>> {
        if let Some(record) = self.written.get(&(kind, number)) {
            return Some(record.clone());
        }
        if number >= kind.pairing(world).erp_total() {
            return None;
        }
        let record = match kind {
            Kind::Customers => customer(world, number),
            Kind::Orders => order(world, number),
        };
        record.as_object().cloned()
    }

    /// The numbers of all records changed since a time, ascending.
    fn numbers(&self, world: &World, kind: Kind, since: Option<i64>) -> Vec<u64> {
        let total = kind.pairing(world).erp_total();
        let written = self.written.range((kind, total)..=(kind, u64::MAX)).map(|((_, n), _)| *n);
        let is_new = |number: &u64| {
            since.is_none_or(|since| match self.written.get(&(kind, *number)) {
                Some(record) => parse_time(text(record, "updated_at")).is_some_and(|at| at >= since),
                None => times(world, kind, *number).1 >= since,
            })
        };
        (0..total).chain(written).filter(is_new).collect()
    }

    fn list(&self, world: &World, kind: Kind, params: &Params) -> Answer {
        if params.get("updated_since").is_some() && updated_since(params).is_none() {
            return Answer::error(400, &["updated_since is not a time"]);
        }
        let numbers = self.numbers(world, kind, updated_since(params));
        let (page, size) = params.page();
        let shown = numbers.iter().skip(page.saturating_mul(size)).take(size);
        let items: Vec<Value> = shown.filter_map(|n| self.get(world, kind, *n).map(Value::Object)).collect();
        let total = numbers.len();
        Answer::ok(
            json!({"items": items, "page": page + 1, "per_page": size, "total": total, "pages": total.div_ceil(size)}),
        )
    }

    fn write(
        &mut self,
        world: &World,
        kind: Kind,
        number: Option<u64>,
        input: Option<Map<String, Value>>,
        now_s: i64,
    ) -> Answer {
        let Some(input) = input else { return Answer::error(400, &["The request body is not a JSON object"]) };
        let (status, number, mut record) = match number {
            Some(number) => match self.get(world, kind, number) {
                Some(record) => (200, number, record),
                None => return Answer::not_found(),
            },
            None => {
                let last = self.written.range((kind, 0)..=(kind, u64::MAX)).next_back().map_or(0, |((_, n), _)| n + 1);
                let number = last.max(kind.pairing(world).erp_total());
                (201, number, Map::from_iter([("created_at".to_owned(), json!(stamp(now_s)))]))
            }
        };
        if self.written.len() >= MAX_WRITTEN && !self.written.contains_key(&(kind, number)) {
            return Answer::error(507, &["The sandbox's ERP is full; POST /__sandbox/reset at the CRM empties it"]);
        }
        record.extend(input.into_iter().filter(|(key, _)| !matches!(key.as_str(), "number" | "created_at")));
        record.insert("number".into(), kind.name(number).into());
        record.insert("updated_at".into(), stamp(now_s).into());
        if serde_json::to_string(&record).map_or(0, |json| json.len()) > MAX_RECORD {
            return Answer::error(400, &["The record is too large"]);
        }
        self.written.insert((kind, number), record.clone());
        Answer { status, body: Value::Object(record) }
    }
}

/// When the ERP created and last changed a record, Unix seconds: some seconds or minutes after the CRM.
fn times(world: &World, kind: Kind, number: u64) -> (i64, i64) {
    let delay = 2 + (draw(world.seed, 900 + kind as u64, number) % 120) as i64;
    let entity = if kind == Kind::Customers { Entity::Contact } else { Entity::Deal };
    match kind.pairing(world).counterpart(number) {
        Counterpart::Of(i) | Counterpart::SecondOf(i) => {
            let meta = world.meta(entity, i);
            let stale = kind.pairing(world).class(i) == Some(Class::Stale);
            (meta.created + delay, if stale { meta.created } else { meta.updated } + delay)
        }
        Counterpart::Extra(i) => {
            let meta = world.meta(entity, i.min(world.count(entity).saturating_sub(1)));
            (meta.created + delay, meta.updated + delay)
        }
    }
}

fn customer(world: &World, number: u64) -> Value {
    let (crm, person, class) = match world.customers.counterpart(number) {
        Counterpart::Of(i) | Counterpart::SecondOf(i) => (Some(i), i, world.customers.class(i)),
        Counterpart::Extra(e) => (None, world.count(Entity::Contact) + e, None),
    };
    let (first, last) = world.contact_name(person);
    let (street, city) = world.contact_place(person);
    let mut name = format!("{first} {last}");
    let (mut email, mut phone, mut town) = (world.contact_email(person), world.contact_mobile(person), city.0);
    match (class, number % 4) {
        (Some(Class::Different), 0) => email = format!("old.{email}"),
        // The next area code.
        (Some(Class::Different), 1) => phone = super::seeded::phone(world.contact_mobile_place(person) + 100),
        (Some(Class::Different), 2) => name = format!("{last}, {first}"),
        (Some(Class::Different | Class::Stale), _) => town = if town == "Vienna" { "Turin" } else { "Vienna" },
        _ => {}
    }
    let reference = crm.filter(|_| class != Some(Class::NoReference)).map(|i| Entity::Contact.base_id() + i);
    let (created, updated) = times(world, Kind::Customers, number);
    json!({
        "number": customer_number(number),
        "name": name,
        "email": email,
        "phone": phone,
        "street": street,
        "city": town,
        "country": city.2,
        "company": world.account_name(world.contact_account(person)),
        "crm_id": reference,
        "external_reference": reference.map(|id| id.to_string()),
        "created_at": stamp(created),
        "updated_at": stamp(updated),
        "synced_at": reference.map(|_| stamp(updated)),
    })
}

fn order(world: &World, number: u64) -> Value {
    let (crm, deal, class) = match world.orders.counterpart(number) {
        Counterpart::Of(i) | Counterpart::SecondOf(i) => (Some(i), i, world.orders.class(i)),
        Counterpart::Extra(e) => (None, world.count(Entity::Deal) + e, None),
    };
    let cents = world.deal_cents(deal) + if class == Some(Class::Different) { 10_00 } else { 0 };
    let stage = if class == Some(Class::Stale) { "open" } else { "confirmed" };
    let reference = crm.filter(|_| class != Some(Class::NoReference)).map(|i| Entity::Deal.base_id() + i);
    let (created, updated) = times(world, Kind::Orders, number);
    json!({
        "number": order_number(number),
        "title": world.deal_name(deal),
        "company": world.account_name(world.deal_account(deal)),
        "amount": money(cents),
        "currency": "USD",
        "status": stage,
        "crm_deal_id": reference,
        "external_reference": reference.map(|id| id.to_string()),
        "created_at": stamp(created),
        "updated_at": stamp(updated),
        "synced_at": reference.map(|_| stamp(updated)),
    })
}
