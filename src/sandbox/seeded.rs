//! The records the sandbox starts with: computed from the seed whenever they are asked for, never stored.
//!
//! Twenty thousand contacts cost no memory and no start-up time. Record `i` of a kind is the same on every machine and
//! in every run with the same seed and sizes; only appointments lie around the day of the start, so that some are past
//! and some to come.

mod activities;
mod contacts;
mod trade;

pub(crate) use contacts::{customer_number, links, phone};
pub(crate) use trade::{money, order_number};

use super::entity::{Entity, LOST, OPEN, OWNER_BASE, OWNERS, WON};
use super::pairing::{Class, Pairing};
use super::random::{Shuffle, draw, hash};
use serde_json::{Map, Value};
use std::fmt::Write;

/// The first record was created then: 2023-01-02T08:00:00Z.
const FIRST_CREATED_S: i64 = 1_672_646_400;
/// No record starts out changed later than this: 2025-09-30T16:00:00Z.
const LAST_UPDATED_S: i64 = 1_759_248_000;
/// Creation ends this long before [`LAST_UPDATED_S`], so that the youngest records have room for a change.
const SETTLED_S: i64 = 30 * DAY_S;
const DAY_S: i64 = 86_400;

/// What lists, views and sorting need to know of a record, without making it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) id: u64,
    /// Unix seconds.
    pub(crate) created: i64,
    /// Unix seconds.
    pub(crate) updated: i64,
    pub(crate) owner: u64,
    /// One of [`OPEN`], [`WON`], [`LOST`]; 0 for kinds without states.
    pub(crate) state: u8,
    /// What activities hang on (an id), 0 for none; for appointments see `due`.
    pub(crate) target: u64,
    /// Start of an appointment or due date of a task, Unix seconds.
    pub(crate) due: i64,
}

/// Values a record can be looked up by, hashed: (e-mail or name, external id, phone digits). 0 stands for none.
pub(crate) type Keys = [u64; 3];

/// The seed, the sizes, and the arithmetic that follows from them.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) seed: u64,
    counts: [u64; 6],
    /// Unix seconds of the day the sandbox started.
    today_s: i64,
    people: Shuffle,
    companies: Shuffle,
    phones: Shuffle,
    /// Contacts against ERP customers.
    pub(crate) customers: Pairing,
    /// Won deals against ERP orders.
    pub(crate) orders: Pairing,
}

impl World {
    pub(crate) fn new(seed: u64, contacts: u64, accounts: u64, deals: u64, now_s: i64) -> Self {
        let won = deals * 3 / 10;
        Self {
            seed,
            counts: [contacts, accounts, deals, contacts / 10, contacts / 20, contacts / 8],
            today_s: now_s - now_s.rem_euclid(DAY_S),
            people: Shuffle::new(contacts::NAMES, seed ^ 0x9E0),
            companies: Shuffle::new(trade::NAMES, seed ^ 0xC0),
            phones: Shuffle::new(contacts::PHONES, seed ^ 0xF0),
            customers: Pairing::new(contacts, contacts, seed ^ 0xC5),
            orders: Pairing::new(deals, won, seed ^ 0x0D),
        }
    }

    /// How many records of a kind there are at the start.
    pub(crate) fn count(&self, entity: Entity) -> u64 {
        self.counts[entity as usize]
    }

    fn draw(&self, entity: Entity, what: u64, i: u64) -> u64 {
        draw(self.seed, entity as u64 * 64 + what, i)
    }

    fn pick<'a, T>(&self, from: &'a [T], entity: Entity, what: u64, i: u64) -> &'a T {
        &from[(self.draw(entity, what, i) % from.len() as u64) as usize]
    }

    /// The meta data of seeded record `i`.
    pub(crate) fn meta(&self, entity: Entity, i: u64) -> Meta {
        let span = (LAST_UPDATED_S - SETTLED_S - FIRST_CREATED_S) as u64;
        let step = (span / self.count(entity).max(1)).max(1);
        let created = FIRST_CREATED_S + (i * step + self.draw(entity, 0, i) % step) as i64;
        let (target, due) = match entity {
            Entity::Task | Entity::Appointment | Entity::Note => self.activity(entity, i, created),
            _ => (0, 0),
        };
        Meta {
            id: entity.base_id() + i,
            created,
            updated: self.updated(entity, i, created),
            owner: OWNER_BASE + self.draw(entity, 2, i) % OWNERS,
            state: self.state(entity, i),
            target,
            due,
        }
    }

    /// Three in ten were never touched again; the others changed within 120 days, more of them early than late.
    fn updated(&self, entity: Entity, i: u64, created: i64) -> i64 {
        let draw = self.draw(entity, 1, i);
        let stale = match entity {
            Entity::Contact => self.customers.class(i) == Some(Class::Stale),
            Entity::Deal => self.orders.class(i) == Some(Class::Stale),
            _ => false,
        };
        if draw % 10 < 3 && !stale {
            return created;
        }
        let share = ((draw >> 8) % 1000) as i64;
        // A record the ERP has missed a change of must have changed well after the ERP read it.
        let least = if stale { DAY_S } else { 60 };
        (created + least + 120 * DAY_S * share * share / 1_000_000).min(LAST_UPDATED_S).max(created + least)
    }

    fn state(&self, entity: Entity, i: u64) -> u8 {
        match entity {
            Entity::Deal => match self.orders.class(i) {
                Some(_) => WON,
                None if self.draw(entity, 3, i) % 10 < 3 => LOST,
                None => OPEN,
            },
            Entity::Task if self.draw(entity, 3, i) % 10 < 6 => WON,
            _ => OPEN,
        }
    }

    /// The look-up keys of seeded record `i`.
    pub(crate) fn keys(&self, entity: Entity, i: u64) -> Keys {
        match entity {
            Entity::Contact => [
                hash(&self.contact_email(i)),
                self.contact_external(i).map_or(0, |e| hash(&e)),
                hash(&digits(&self.contact_mobile(i))),
            ],
            Entity::Account => [hash(&self.account_name(i).to_lowercase()), hash(&account_external(i)), 0],
            Entity::Deal => [hash(&self.deal_name(i).to_lowercase()), 0, 0],
            Entity::Task | Entity::Appointment | Entity::Note => [0; 3],
        }
    }

    /// Seeded record `i` as the API shows it.
    pub(crate) fn json(&self, entity: Entity, i: u64) -> Map<String, Value> {
        let meta = self.meta(entity, i);
        let value = match entity {
            Entity::Contact => self.contact_json(i, &meta),
            Entity::Account => self.account_json(i, &meta),
            Entity::Deal => self.deal_json(i, &meta),
            Entity::Task => self.task_json(i, &meta),
            Entity::Appointment => self.appointment_json(i, &meta),
            Entity::Note => self.note_json(i, &meta),
        };
        match value {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }

    /// The text searches look into, lower case, written over `to`.
    pub(crate) fn search_text(&self, entity: Entity, i: u64, to: &mut String) {
        to.clear();
        match entity {
            Entity::Contact => {
                let (first, last) = self.contact_name(i);
                let _ = write!(to, "{first} {last} {}", self.contact_email(i));
            }
            Entity::Account => to.push_str(&self.account_name(i)),
            Entity::Deal => to.push_str(&self.deal_name(i)),
            Entity::Task | Entity::Appointment | Entity::Note => {}
        }
        if to.bytes().any(|b| b.is_ascii_uppercase() || b >= 128) {
            *to = to.to_lowercase();
        }
    }
}

/// The `external_id` of seeded account `i`.
fn account_external(i: u64) -> String {
    format!("A-{}", 30_000 + i)
}

/// The digits of a phone number, so that `+1-415-555-0101` and `14155550101` are one.
pub(crate) fn digits(phone: &str) -> String {
    phone.chars().filter(char::is_ascii_digit).collect()
}

/// A time as the newer hosts write it: with an offset, `2022-08-30T00:33:27-04:00`.
pub(crate) fn stamp(unix_s: i64) -> String {
    match jiff::Timestamp::from_second(unix_s) {
        Ok(at) => at.display_with_offset(jiff::tz::Offset::constant(-4)).to_string(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::entity::ENTITIES;
    use super::*;
    use std::collections::HashSet;

    fn world() -> World {
        World::new(1, 20_000, 4_000, 8_000, 1_764_000_000)
    }

    #[test]
    fn the_same_seed_gives_the_same_records() {
        for entity in ENTITIES {
            for i in [0, 1, world().count(entity) - 1] {
                assert_eq!(world().json(entity, i), world().json(entity, i));
            }
        }
        let other = World::new(2, 20_000, 4_000, 8_000, 1_764_000_000);
        assert_ne!(world().json(Entity::Contact, 0), other.json(Entity::Contact, 0));
    }

    #[test]
    fn addresses_are_unique_and_reach_nobody() {
        let world = world();
        let mut seen = HashSet::new();
        for i in 0..20_000 {
            let email = world.contact_email(i);
            assert!(email.ends_with(".example"), "{email}");
            assert!(email.is_ascii(), "{email}");
            assert!(seen.insert(email.clone()), "{email} twice");
            let phone = world.contact_mobile(i);
            assert!(phone.contains("-555-01"), "{phone}");
        }
    }

    #[test]
    fn accounts_have_names_of_their_own() {
        let world = world();
        let names: HashSet<String> = (0..4_000).map(|i| world.account_name(i)).collect();
        assert_eq!(names.len(), 4_000);
    }

    #[test]
    fn nothing_changes_before_it_exists() {
        let world = world();
        for entity in ENTITIES {
            for i in 0..world.count(entity) {
                let meta = world.meta(entity, i);
                assert!(meta.updated >= meta.created, "{entity:?} {i}");
                assert!(meta.updated <= LAST_UPDATED_S, "{entity:?} {i}");
            }
        }
    }

    #[test]
    fn times_carry_an_offset() {
        assert_eq!(stamp(1_661_834_007), "2022-08-30T00:33:27-04:00");
    }
}
