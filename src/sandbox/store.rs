//! What the CRM holds: the tables, the results of bulk jobs, and the rules for writing.

use super::entity::{ENTITIES, Entity, LOST, OPEN, OWNER_BASE, WON};
use super::random::hash;
use super::seeded::{Keys, Meta, World, digits, stamp};
use super::table::Table;
use serde_json::{Map, Value, json};
use std::collections::VecDeque;

/// Results of bulk jobs kept; the oldest goes first. Clients poll within seconds.
const MAX_JOBS: usize = 500;
/// The largest record, as JSON; the seeded ones have about 1.5 kB. With the bound on created records it bounds memory.
pub(crate) const MAX_RECORD: usize = 16 << 10;
/// What the sandbox says about an e-mail address that another contact has.
pub(crate) const EMAIL_TAKEN: &str = "Email has already been taken";

/// A record's fields.
pub(crate) type Record = Map<String, Value>;

/// A write that people may want to hear of.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) entity: Entity,
    pub(crate) created: bool,
    pub(crate) record: Record,
}

/// The result of a bulk call.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: u64,
    /// False until it was asked for once: the first poll finds it in progress.
    pub(crate) seen: bool,
    pub(crate) succeeded: u64,
    /// Position in the request, and why.
    pub(crate) failed: Vec<(usize, String)>,
}

/// All records and jobs.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) world: World,
    tables: [Table; 6],
    pub(crate) jobs: VecDeque<Job>,
    pub(crate) jobs_started: u64,
    pub(crate) events: Vec<Event>,
}

/// Why a write was refused: the vendor's messages.
pub(crate) type Invalid = Vec<String>;

/// How a write is done, faults included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write {
    pub(crate) now_s: i64,
    /// Set back the time of the change by so much, as if it had not been noticed.
    pub(crate) stale_s: i64,
    /// Store a created record twice.
    pub(crate) twice: bool,
}

impl Store {
    pub(crate) fn new(world: World) -> Self {
        let tables = ENTITIES.map(|entity| Table::new(entity, &world));
        Self { world, tables, jobs: VecDeque::new(), jobs_started: 0, events: Vec::new() }
    }

    pub(crate) fn table(&self, entity: Entity) -> &Table {
        &self.tables[entity as usize]
    }

    fn table_mut(&mut self, entity: Entity) -> &mut Table {
        &mut self.tables[entity as usize]
    }

    /// Forgets everything written since the start.
    pub(crate) fn reset(&mut self) {
        self.tables = ENTITIES.map(|entity| Table::new(entity, &self.world));
        self.jobs.clear();
        self.events.clear();
    }

    /// Creates a record and returns it.
    pub(crate) fn create(&mut self, entity: Entity, input: &Record, how: Write) -> Result<Record, Invalid> {
        let mut record = blank(&self.world, entity);
        merge(&mut record, input);
        self.check(entity, &mut record, None)?;
        record.insert("created_at".into(), stamp(how.now_s - how.stale_s).into());
        let mut result = self.store_new(entity, record.clone(), how);
        if how.twice {
            result = self.store_new(entity, record, how);
        }
        Ok(result)
    }

    fn store_new(&mut self, entity: Entity, mut record: Record, how: Write) -> Record {
        let id = self.table_mut(entity).next_id();
        record.insert("id".into(), id.into());
        if entity == Entity::Contact {
            record.insert("links".into(), super::seeded::links(id));
        }
        if record.get("owner_id").is_none_or(Value::is_null) {
            record.insert("owner_id".into(), OWNER_BASE.into());
        }
        self.table_mut(entity).counts.created += 1;
        self.save(entity, record, how.now_s - how.stale_s, how, true)
    }

    /// Changes a record and returns it; `None` when there is none.
    pub(crate) fn update(
        &mut self,
        entity: Entity,
        id: u64,
        input: &Record,
        how: Write,
    ) -> Option<Result<Record, Invalid>> {
        let mut record = self.table(entity).live(&self.world, id, false)?;
        let created = self.table(entity).meta(&self.world, id)?.0.created;
        merge(&mut record, input);
        record.insert("id".into(), id.into());
        if let Err(invalid) = self.check(entity, &mut record, Some(id)) {
            return Some(Err(invalid));
        }
        self.table_mut(entity).counts.updated += 1;
        Some(Ok(self.save(entity, record, created, how, false)))
    }

    fn save(&mut self, entity: Entity, mut record: Record, created: i64, how: Write, is_new: bool) -> Record {
        let updated = (how.now_s - how.stale_s).max(created);
        record.insert("updated_at".into(), stamp(updated).into());
        let meta = meta_of(entity, &record, created, updated);
        let keys = keys_of(entity, &record);
        self.table_mut(entity).put(meta, keys, &record, false);
        self.events.push(Event { entity, created: is_new, record: record.clone() });
        record
    }

    /// Moves a record to the recycle bin; false when there is none.
    pub(crate) fn delete(&mut self, entity: Entity, id: u64) -> bool {
        let Some(mut record) = self.table(entity).live(&self.world, id, false) else { return false };
        let Some((meta, _)) = self.table(entity).meta(&self.world, id) else { return false };
        record.insert("is_deleted".into(), true.into());
        let table = self.table_mut(entity);
        table.counts.deleted += 1;
        table.put(meta, [0; 3], &record, true);
        true
    }

    /// Erases a record for good; false when there is none.
    pub(crate) fn forget(&mut self, entity: Entity, id: u64) -> bool {
        let known = self.table(entity).meta(&self.world, id).is_some();
        if known {
            let table = self.table_mut(entity);
            table.counts.deleted += 1;
            table.forget(id);
        }
        known
    }

    /// Live records whose e-mail (contacts) or name is `value`.
    pub(crate) fn by_primary(&self, entity: Entity, value: &str) -> Vec<u64> {
        self.table(entity).find(&self.world, 0, hash(&value.trim().to_lowercase()))
    }

    /// Live records with this `external_id`.
    pub(crate) fn by_external(&self, entity: Entity, value: &str) -> Vec<u64> {
        self.table(entity).find(&self.world, 1, hash(value))
    }

    /// Live records with this phone number, however it is written.
    pub(crate) fn by_phone(&self, entity: Entity, value: &str) -> Vec<u64> {
        self.table(entity).find(&self.world, 2, hash(&digits(value)))
    }

    /// Validates what a record is about to become, and brings e-mail addresses into their two places.
    fn check(&self, entity: Entity, record: &mut Record, id: Option<u64>) -> Result<(), Invalid> {
        let mut messages = Vec::new();
        match entity {
            Entity::Contact => {
                settle_email(record);
                let email = text(record, "email");
                if email.is_empty() && text(record, "last_name").is_empty() && text(record, "mobile_number").is_empty()
                {
                    messages
                        .push("Please fill at least one of the mandatory fields: Email, Mobile, Last name".to_owned());
                } else if !email.is_empty() && !is_email(email) {
                    messages.push("Email is invalid".to_owned());
                } else if !email.is_empty() && self.by_primary(entity, email).iter().any(|found| Some(*found) != id) {
                    messages.push(EMAIL_TAKEN.to_owned());
                }
            }
            Entity::Account => {
                let name = text(record, "name");
                if name.is_empty() {
                    messages.push("Name can't be blank".to_owned());
                } else if self.by_primary(entity, name).iter().any(|found| Some(*found) != id) {
                    messages.push("Name has already been taken".to_owned());
                }
            }
            Entity::Deal => self.check_deal(record, &mut messages),
            Entity::Task | Entity::Appointment if text(record, "title").is_empty() => {
                messages.push("Title can't be blank".to_owned());
            }
            Entity::Note if text(record, "description").is_empty() => {
                messages.push("Description can't be blank".to_owned());
            }
            Entity::Task | Entity::Appointment | Entity::Note => {}
        }
        if matches!(entity, Entity::Task | Entity::Appointment | Entity::Note) {
            self.check_target(record, &mut messages);
        }
        if serde_json::to_string(record).map_or(0, |json| json.len()) > MAX_RECORD {
            messages.push("The record is too large".to_owned());
        }
        if messages.is_empty() { Ok(()) } else { Err(messages) }
    }

    fn check_deal(&self, record: &Record, messages: &mut Invalid) {
        if text(record, "name").is_empty() {
            messages.push("Name can't be blank".to_owned());
        }
        let amount = record.get("amount").unwrap_or(&Value::Null);
        if !amount.is_null() && number(amount).is_none_or(|n| n < 0.0) {
            messages.push("Amount is not a number".to_owned());
        }
        if let Some(account) = record.get("sales_account_id").filter(|v| !v.is_null())
            && !as_id(account).is_some_and(|id| self.exists(Entity::Account, id))
        {
            messages.push("Sales account is invalid".to_owned());
        }
    }

    fn check_target(&self, record: &Record, messages: &mut Invalid) {
        let kind = text(record, "targetable_type");
        if kind.is_empty() {
            return;
        }
        let entity = ENTITIES.into_iter().find(|e| e.type_name() == kind);
        let id = record.get("targetable_id").and_then(as_id);
        if !entity.zip(id).is_some_and(|(entity, id)| self.exists(entity, id)) {
            messages.push("The type for targetable is invalid.".to_owned());
        }
    }

    /// True for a record that exists and is not deleted.
    pub(crate) fn exists(&self, entity: Entity, id: u64) -> bool {
        self.table(entity).meta(&self.world, id).is_some_and(|(_, deleted)| !deleted)
    }

    /// Keeps the result of a bulk call, and gives its id.
    pub(crate) fn add_job(&mut self, succeeded: u64, failed: Vec<(usize, String)>) -> u64 {
        self.jobs_started += 1;
        let id = 70_090_000_000 + self.jobs_started;
        if self.jobs.len() == MAX_JOBS {
            self.jobs.pop_front();
        }
        self.jobs.push_back(Job { id, seen: false, succeeded, failed });
        id
    }
}

/// A record of the kind with every field there and nothing in it.
fn blank(world: &World, entity: Entity) -> Record {
    let mut record = world.json(entity, 0);
    for (key, value) in &mut record {
        *value = match (&*value, key.as_str()) {
            (Value::Array(_), _) => json!([]),
            (Value::Object(_), _) => json!({}),
            (Value::Bool(_), _) => json!(false),
            (_, "open_deals_amount" | "won_deals_amount") => json!("0.0"),
            (_, "record_type_id" | "locale" | "currency_id" | "deal_pipeline_id" | "subscription_status") => {
                value.clone()
            }
            (_, "status") => json!(0),
            (_, "deal_stage_id") => json!(70_000_005_101u64),
            _ => Value::Null,
        };
    }
    record
}

/// Lays `input` over `record`: `custom_field` is merged, ids and times of the server's own making are not taken.
fn merge(record: &mut Record, input: &Record) {
    for (key, value) in input {
        match (key.as_str(), record.get_mut(key), value) {
            ("id" | "created_at" | "updated_at" | "links" | "is_deleted", _, _) => {}
            ("custom_field", Some(Value::Object(custom)), Value::Object(more)) => {
                custom.extend(more.iter().map(|(k, v)| (k.clone(), v.clone())));
            }
            _ => {
                record.insert(key.clone(), value.clone());
            }
        }
    }
    // An address given one way replaces the one known the other way.
    match (input.get("emails"), input.get("email")) {
        (Some(_), None) => drop(record.insert("email".into(), Value::Null)),
        (None, Some(_)) => drop(record.insert("emails".into(), json!([]))),
        _ => {}
    }
}

/// `email`, `emails: "…"` and `emails: [{"value": …}]` are all sent by clients; a contact shows the first and the last.
fn settle_email(record: &mut Record) {
    let first = match record.get("emails") {
        Some(Value::String(email)) => email.clone(),
        Some(Value::Array(list)) => list
            .iter()
            .find_map(|e| e.get("value").unwrap_or(e).as_str().filter(|v| !v.is_empty()))
            .unwrap_or_default()
            .to_owned(),
        _ => String::new(),
    };
    let email = if text(record, "email").is_empty() { first } else { text(record, "email").to_owned() };
    let emails = match email.as_str() {
        "" => json!([]),
        email => json!([{"id": hash(email) % 1_000_000_000, "value": email, "is_primary": true, "label": null}]),
    };
    record.insert("emails".into(), emails);
    record.insert("email".into(), if email.is_empty() { Value::Null } else { email.into() });
    let name = format!("{} {}", text(record, "first_name"), text(record, "last_name"));
    record.insert("display_name".into(), name.trim().into());
}

fn is_email(value: &str) -> bool {
    let Some((local, domain)) = value.split_once('@') else { return false };
    let plain = |s: &str| !s.is_empty() && !s.contains(|c: char| c.is_whitespace() || c == '@' || c == ',');
    plain(local) && plain(domain) && domain.contains('.') && !domain.starts_with('.') && !domain.ends_with('.')
}

fn meta_of(entity: Entity, record: &Record, created: i64, updated: i64) -> Meta {
    let id = |key: &str| record.get(key).and_then(as_id).unwrap_or(0);
    let state = match (entity, id("deal_stage_id")) {
        (Entity::Deal, 70_000_005_106) => WON,
        (Entity::Deal, 70_000_005_107) => LOST,
        (Entity::Task, _) if record.get("status").and_then(number).is_some_and(|n| n > 0.0) => WON,
        _ => OPEN,
    };
    let due = if entity == Entity::Appointment { text(record, "from_date") } else { text(record, "due_date") };
    Meta {
        id: id("id"),
        created,
        updated,
        owner: id("owner_id"),
        state,
        target: id("targetable_id"),
        due: parse_time(due).unwrap_or(created),
    }
}

fn keys_of(entity: Entity, record: &Record) -> Keys {
    let key = |value: &str| if value.is_empty() { 0 } else { hash(value) };
    let primary = if entity == Entity::Contact { text(record, "email") } else { text(record, "name") };
    let external = match record.get("external_id") {
        Some(Value::Number(n)) => n.to_string(),
        _ => text(record, "external_id").to_owned(),
    };
    [key(&primary.trim().to_lowercase()), key(&external), key(&digits(text(record, "mobile_number")))]
}

/// A time with an offset, or a day, as Unix seconds.
pub(crate) fn parse_time(value: &str) -> Option<i64> {
    let at = value.parse::<jiff::Timestamp>().ok().or_else(|| format!("{}T00:00:00Z", value.trim()).parse().ok());
    at.map(jiff::Timestamp::as_second)
}

/// A field's text without space around it, empty where it is missing or not a string.
pub(crate) fn text<'a>(record: &'a Record, key: &str) -> &'a str {
    record.get(key).and_then(Value::as_str).unwrap_or_default().trim()
}

/// A number, also where it was sent as text.
pub(crate) fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// An id, also where it was sent as text.
pub(crate) fn as_id(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
