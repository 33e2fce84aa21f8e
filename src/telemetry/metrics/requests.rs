//! `vigie_requests_total`: exchanges whose outcome is known. Written by the recorder, and at the scrape completed with
//! what the recorder had to drop.

use super::labels::{LabelCaps, Labels, OTHER};
use super::method::{self, METHODS};
use super::shares::Shares;
use crate::exchange::{Outcome, Place};
use foldhash::fast::RandomState as FastHash;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Places whose slot is remembered; beyond, all are forgotten and looked up anew. Above 100 integrations × 300 routes.
const REMEMBERED_PLACES: usize = 65_536;

/// Method index, status, outcome.
type Cell = (u8, u16, Outcome);

struct Slot {
    labels: Labels,
    cells: HashMap<Cell, u64, FastHash>,
}

/// Counts by (integration, upstream, route, method, status, outcome). Upstream and outcome survive the cap: both are
/// closed sets.
pub(super) struct Requests {
    shares: Shares,
    slots: Vec<Slot>,
    by_labels: HashMap<Labels, usize>,
    /// By [`Place::id`], checked against the place's own labels: an id given twice must not merge two series.
    by_place: HashMap<u32, (Labels, usize), FastHash>,
    other: BTreeMap<(Arc<str>, Outcome), u64>,
    pub(super) capped: u64,
}

/// One sample's six label values.
pub(super) type Values<'a> = [&'a str; 6];

impl Requests {
    pub(super) fn new(shares: Shares) -> Self {
        Self {
            shares,
            slots: Vec::new(),
            by_labels: HashMap::new(),
            by_place: HashMap::default(),
            other: BTreeMap::new(),
            capped: 0,
        }
    }

    /// Counts one exchange.
    pub(super) fn count(
        &mut self,
        place: &Place,
        caps: &parking_lot::Mutex<LabelCaps>,
        method: &str,
        status: u16,
        outcome: Outcome,
    ) {
        let slot = match self.by_place.get(&place.id) {
            Some((labels, slot)) if labels.is(place) => *slot,
            _ => self.slot_of(place, caps),
        };
        self.add(slot, (method::index(method), status, outcome), 1);
    }

    fn slot_of(&mut self, place: &Place, caps: &parking_lot::Mutex<LabelCaps>) -> usize {
        let slot = self.slot(&caps.lock().admit(place));
        if self.by_place.len() >= REMEMBERED_PLACES {
            self.by_place.clear();
        }
        self.by_place.insert(place.id, (Labels::of(place), slot));
        slot
    }

    fn slot(&mut self, labels: &Labels) -> usize {
        if let Some(slot) = self.by_labels.get(labels) {
            return *slot;
        }
        self.slots.push(Slot { labels: labels.clone(), cells: HashMap::default() });
        self.by_labels.insert(labels.clone(), self.slots.len() - 1);
        self.slots.len() - 1
    }

    /// Shares the room with these upstreams as well.
    pub(super) fn let_in(&mut self, upstreams: &[Arc<str>]) {
        self.shares.let_in(upstreams);
    }

    /// Forgets the series of upstreams that do not stay.
    pub(super) fn retain(&mut self, stays: impl Fn(&Arc<str>) -> bool) {
        self.slots.retain(|slot| stays(&slot.labels.upstream));
        self.other.retain(|(upstream, _), _| stays(upstream));
        let remaining = self.slots.iter().flat_map(|slot| slot.cells.iter().map(|_| &slot.labels));
        self.shares.retain(stays, remaining);
        self.by_labels = self.slots.iter().enumerate().map(|(at, slot)| (slot.labels.clone(), at)).collect();
        // Slots have moved; places find theirs anew.
        self.by_place.clear();
    }

    fn add(&mut self, slot: usize, cell: Cell, count: u64) {
        let Slot { labels, cells } = &mut self.slots[slot];
        if let Some(total) = cells.get_mut(&cell) {
            *total += count;
        } else if self.shares.take(labels) {
            cells.insert(cell, count);
        } else {
            self.capped += 1;
            *self.other.entry((labels.upstream.clone(), cell.2)).or_default() += count;
        }
    }

    /// Calls `each` with every series, what the data path counted as unrecorded since the start included.
    ///
    /// Those are cumulative counts, so they are laid over the recorder's for the scrape only; a series that only they
    /// have is admitted here, at zero, so that it keeps its place under the cap.
    pub(super) fn samples(&mut self, unrecorded: &[(Labels, u8, u16, u64)], mut each: impl FnMut(Values<'_>, u64)) {
        let mut extra: HashMap<(usize, Cell), u64> = HashMap::new();
        let mut other = self.other.clone();
        for (labels, method, status, count) in unrecorded {
            let (slot, cell) = (self.slot(labels), (*method, *status, Outcome::Unclassified));
            let Slot { labels: own, cells } = &mut self.slots[slot];
            if !cells.contains_key(&cell) && self.shares.take(own) {
                cells.insert(cell, 0);
            }
            if cells.contains_key(&cell) {
                *extra.entry((slot, cell)).or_default() += count;
            } else {
                *other.entry((labels.upstream.clone(), Outcome::Unclassified)).or_default() += count;
            }
        }
        for (i, Slot { labels, cells }) in self.slots.iter().enumerate() {
            for (cell @ (method, status, outcome), count) in cells {
                let [integration, upstream, route] = labels.values();
                let method = METHODS[usize::from(*method)];
                let total = count + extra.get(&(i, *cell)).copied().unwrap_or(0);
                each([integration, upstream, route, method, &status.to_string(), outcome.as_str()], total);
            }
        }
        for ((upstream, outcome), count) in &other {
            each([OTHER, upstream, OTHER, OTHER, OTHER, outcome.as_str()], *count);
        }
    }
}
