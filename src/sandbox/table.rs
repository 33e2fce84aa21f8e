//! One kind of record: the seeded ones, computed, under the ones that were written since the start.
//!
//! A written record is kept as JSON text, a third of the size of the parsed tree.

use super::entity::{Entity, Shows};
use super::seeded::{Keys, Meta, World};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

/// Records created since the start, per kind. A demo left running for days stays small; the oldest created record
/// goes first, counted in `evicted`. At about 1.5 kB each, all kinds together stay under 100 MB.
const MAX_CREATED: usize = 10_000;

/// A written record.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) meta: Meta,
    pub(crate) deleted: bool,
    keys: Keys,
    json: Box<str>,
}

/// The records of one kind.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) entity: Entity,
    seeded: u64,
    next_id: u64,
    rows: BTreeMap<u64, Row>,
    /// How many of `rows` were created, not seeded.
    held: usize,
    /// Records erased for good.
    forgotten: BTreeSet<u64>,
    /// Seeded records by key, built when first asked for.
    index: [OnceLock<Vec<(u64, u32)>>; 3],
    pub(crate) counts: Counts,
}

/// What was done to a table since the start.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub(crate) struct Counts {
    pub(crate) created: u64,
    pub(crate) updated: u64,
    pub(crate) deleted: u64,
    pub(crate) evicted: u64,
}

impl Table {
    pub(crate) fn new(entity: Entity, world: &World) -> Self {
        let seeded = world.count(entity);
        let next_id = entity.base_id() + seeded;
        Self {
            entity,
            seeded,
            next_id,
            rows: BTreeMap::new(),
            held: 0,
            forgotten: BTreeSet::new(),
            index: Default::default(),
            counts: Counts::default(),
        }
    }

    /// The index of a seeded record, or `None` for created and unknown ones.
    pub(crate) fn seeded_index(&self, id: u64) -> Option<u64> {
        id.checked_sub(self.entity.base_id()).filter(|i| *i < self.seeded)
    }

    /// Meta data and whether the record is deleted.
    pub(crate) fn meta(&self, world: &World, id: u64) -> Option<(Meta, bool)> {
        match self.rows.get(&id) {
            _ if self.forgotten.contains(&id) => None,
            Some(row) => Some((row.meta, row.deleted)),
            None => self.seeded_index(id).map(|i| (world.meta(self.entity, i), false)),
        }
    }

    /// The record, deleted or not. `old` reads past what was written, where there is something under it.
    pub(crate) fn get(&self, world: &World, id: u64, old: bool) -> Option<Map<String, Value>> {
        let seeded = self.seeded_index(id);
        match (self.rows.get(&id), seeded) {
            (Some(row), None) => serde_json::from_str(&row.json).ok(),
            (Some(row), Some(_)) if !old => serde_json::from_str(&row.json).ok(),
            (_, Some(i)) => Some(world.json(self.entity, i)),
            (None, None) => None,
        }
    }

    /// The record, unless it does not exist or is deleted.
    pub(crate) fn live(&self, world: &World, id: u64, old: bool) -> Option<Map<String, Value>> {
        self.meta(world, id).filter(|(_, deleted)| !deleted)?;
        self.get(world, id, old)
    }

    /// Every record's meta data by ascending id, with whether it is deleted.
    pub(crate) fn metas<'a>(&'a self, world: &'a World) -> impl Iterator<Item = (Meta, bool)> + 'a {
        let first_created = self.entity.base_id() + self.seeded;
        let mut written = self.rows.range(..first_created).peekable();
        let base = self.entity.base_id();
        let seeded = (0..self.seeded).map(move |i| match written.next_if(|(id, _)| **id == base + i) {
            Some((_, row)) => (row.meta, row.deleted),
            None => (world.meta(self.entity, i), false),
        });
        let all = seeded.chain(self.rows.range(first_created..).map(|(_, row)| (row.meta, row.deleted)));
        all.filter(|(meta, _)| !self.forgotten.contains(&meta.id))
    }

    /// The live records a view shows, by ascending id.
    pub(crate) fn shown<'a>(&'a self, world: &'a World, shows: Shows) -> impl Iterator<Item = Meta> + 'a {
        let wants_deleted = shows == Shows::Deleted;
        let shown = move |meta: &Meta| match shows {
            Shows::All | Shows::Deleted => true,
            Shows::Mine => meta.owner == super::entity::OWNER_BASE,
            Shows::State(state) => meta.state == state,
        };
        self.metas(world).filter(move |(meta, deleted)| *deleted == wants_deleted && shown(meta)).map(|(meta, _)| meta)
    }

    /// Live records whose key number `which` has this hash, by ascending id.
    pub(crate) fn find(&self, world: &World, which: usize, hash: u64) -> Vec<u64> {
        let index = self.index[which].get_or_init(|| {
            let mut keys: Vec<(u64, u32)> =
                (0..self.seeded).map(|i| (world.keys(self.entity, i)[which], i as u32)).collect();
            keys.sort_unstable();
            keys
        });
        let from = index.partition_point(|(key, _)| *key < hash);
        let mut found: Vec<u64> = index[from..]
            .iter()
            .take_while(|(key, _)| *key == hash)
            .map(|(_, i)| self.entity.base_id() + u64::from(*i))
            .filter(|id| !self.is_written(*id))
            .collect();
        found.extend(self.rows.iter().filter(|(_, row)| !row.deleted && row.keys[which] == hash).map(|(id, _)| *id));
        found.sort_unstable();
        found
    }

    /// Written records, newest first: what searches look through beside the seeded ones.
    pub(crate) fn written(&self) -> impl Iterator<Item = (u64, &Row)> {
        self.rows.iter().rev().map(|(id, row)| (*id, row))
    }

    /// True when the record was written or erased since the start.
    pub(crate) fn is_written(&self, id: u64) -> bool {
        self.rows.contains_key(&id) || self.forgotten.contains(&id)
    }

    /// A new id, larger than all before.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
    }

    /// Stores a record; the oldest created one makes room.
    pub(crate) fn put(&mut self, meta: Meta, keys: Keys, record: &Map<String, Value>, deleted: bool) {
        let json = serde_json::to_string(record).unwrap_or_default().into_boxed_str();
        let first_created = self.entity.base_id() + self.seeded;
        let fresh = self.rows.insert(meta.id, Row { meta, deleted, keys, json }).is_none();
        self.held += usize::from(fresh && meta.id >= first_created);
        if self.held > MAX_CREATED
            && let Some(oldest) = self.rows.range(first_created..).next().map(|(id, _)| *id)
        {
            self.rows.remove(&oldest);
            self.held -= 1;
            self.counts.evicted += 1;
        }
    }

    /// Erases a record for good: no view, not even the bin, shows it again.
    pub(crate) fn forget(&mut self, id: u64) {
        let seeded = self.seeded_index(id).is_some();
        if self.rows.remove(&id).is_some() && !seeded {
            self.held -= 1;
        }
        if seeded {
            self.forgotten.insert(id);
        }
    }
}

impl Row {
    /// The record as JSON text.
    pub(crate) fn text(&self) -> &str {
        &self.json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> (World, Table) {
        let world = World::new(5, 100, 20, 40, 1_764_000_000);
        let table = Table::new(Entity::Contact, &world);
        (world, table)
    }

    fn write(world: &World, table: &mut Table, id: u64, deleted: bool) {
        let mut meta = world.meta(Entity::Contact, 0);
        meta.id = id;
        table.put(meta, [11, 0, 0], &Map::from_iter([("id".into(), id.into())]), deleted);
    }

    #[test]
    fn what_is_written_stands_before_what_was_seeded() {
        let (world, mut table) = small();
        let id = Entity::Contact.base_id() + 3;
        let before = table.get(&world, id, false);
        write(&world, &mut table, id, false);
        assert_eq!(table.get(&world, id, false).map(|m| m.len()), Some(1));
        assert_eq!(table.get(&world, id, true), before);
        assert_eq!(table.metas(&world).count(), 100);
        assert_eq!(table.find(&world, 0, 11), [id]);
    }

    #[test]
    fn deleted_records_leave_the_views_for_the_bin() {
        let (world, mut table) = small();
        let id = Entity::Contact.base_id() + 99;
        write(&world, &mut table, id, true);
        assert_eq!(table.shown(&world, Shows::All).count(), 99);
        assert_eq!(table.shown(&world, Shows::Deleted).map(|m| m.id).collect::<Vec<_>>(), [id]);
        assert_eq!(table.find(&world, 0, world.keys(Entity::Contact, 99)[0]), [] as [u64; 0]);
    }

    #[test]
    fn created_records_are_bounded_and_the_loss_is_counted() {
        let (world, mut table) = small();
        for _ in 0..MAX_CREATED + 2 {
            let id = table.next_id();
            write(&world, &mut table, id, false);
        }
        assert_eq!(table.counts.evicted, 2);
        assert_eq!(table.metas(&world).count(), 100 + MAX_CREATED);
    }
}
