//! Which CRM record stands for which ERP record, and what is wrong between them: exact by construction.
//!
//! The CRM's records are put in a shuffled order; the first so many positions of that order have the first flaw, the
//! next the second, and so on. Nothing is stored, every question is arithmetic, and the counts of each flaw are known
//! before the first record is made. That makes the sandbox a yardstick for reconciliation.

use super::random::Shuffle;
use serde::Serialize;

/// How a CRM record and its ERP record relate. Each CRM record is in exactly one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Class {
    /// The ERP has no such record; the CRM's `external_id` is empty.
    OnlyCrm,
    /// The CRM holds the record twice: same person and `external_id` as a record of class `Equal`.
    DuplicateCrm,
    /// Both sides have it, neither points to the other; only the values tell.
    NoReference,
    /// The ERP holds it twice, both pointing to the one CRM record.
    DuplicateErp,
    /// The CRM's `external_id` names an ERP record that points to another CRM record.
    Divergent,
    /// Same references, another value in one field.
    Different,
    /// The CRM changed after the ERP last read it: the ERP holds the older value.
    Stale,
    /// In order.
    Equal,
}

/// Per mille of the CRM's records, in the order of the positions; what remains is `Equal`.
const PER_MILLE: [(Class, u64); 7] = [
    (Class::OnlyCrm, 10),
    (Class::DuplicateCrm, 2),
    (Class::NoReference, 5),
    (Class::DuplicateErp, 4),
    (Class::Divergent, 3),
    (Class::Different, 15),
    (Class::Stale, 10),
];

/// ERP records the CRM knows nothing of, per mille of the CRM's.
const ONLY_ERP_PER_MILLE: u64 = 5;

/// An ERP record, by what it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counterpart {
    /// The record of the CRM's record `index`.
    Of(u64),
    /// A second record of the CRM's record `index`.
    SecondOf(u64),
    /// Number so many of the records only the ERP has.
    Extra(u64),
}

/// The arithmetic for one pair of record kinds.
#[derive(Clone, Debug)]
pub(crate) struct Pairing {
    order: Shuffle,
    numbers: Shuffle,
    population: u64,
    crm_total: u64,
    ends: [u64; 7],
    extra: u64,
}

impl Pairing {
    /// Pairs the first `paired` positions of `population` records; the others have no place in the ERP.
    pub(crate) fn new(population: u64, paired: u64, seed: u64) -> Self {
        let mut end = 0;
        let ends = PER_MILLE.map(|(class, rate)| {
            let mut count = paired * rate / 1000;
            if class == Class::Divergent && count == 1 {
                // One record alone has nobody to swap its reference with.
                count = 0;
            }
            end += count;
            end
        });
        let extra = paired * ONLY_ERP_PER_MILLE / 1000;
        let mut pairing = Self {
            order: Shuffle::new(population, seed),
            numbers: Shuffle::new(1, seed),
            population,
            crm_total: paired,
            ends,
            extra,
        };
        pairing.numbers = Shuffle::new(pairing.erp_total(), seed ^ 0xE4B);
        pairing
    }

    fn start(&self, class: Class) -> u64 {
        let i = PER_MILLE.iter().position(|(c, _)| *c == class).unwrap_or(PER_MILLE.len());
        if i == 0 { 0 } else { self.ends[i - 1] }
    }

    /// How many CRM records are in `class`.
    pub(crate) fn count(&self, class: Class) -> u64 {
        match PER_MILLE.iter().position(|(c, _)| *c == class) {
            Some(i) => self.ends[i] - self.start(class),
            None => self.crm_total - self.ends[6],
        }
    }

    /// How many CRM records take part.
    pub(crate) fn crm_total(&self) -> u64 {
        self.crm_total
    }

    /// How many records only the ERP has.
    pub(crate) fn extra(&self) -> u64 {
        self.extra
    }

    /// How many records the ERP has.
    pub(crate) fn erp_total(&self) -> u64 {
        self.crm_total - self.first_position() + self.count(Class::DuplicateErp) + self.extra
    }

    /// The first position that has an ERP record of its own.
    fn first_position(&self) -> u64 {
        self.start(Class::NoReference)
    }

    /// The position of CRM record `index`; at `crm_total` and beyond it takes no part.
    pub(crate) fn position(&self, index: u64) -> u64 {
        self.order.position(index)
    }

    /// The class of CRM record `index`, or `None` where it takes no part.
    pub(crate) fn class(&self, index: u64) -> Option<Class> {
        let position = self.position(index);
        // Indexes beyond the population are people only the ERP knows.
        if index >= self.population || position >= self.crm_total {
            return None;
        }
        let i = self.ends.iter().position(|end| position < *end);
        Some(i.map_or(Class::Equal, |i| PER_MILLE[i].0))
    }

    /// The record whose person and reference CRM record `index` repeats: itself unless it is a duplicate.
    pub(crate) fn original(&self, index: u64) -> u64 {
        match self.class(index) {
            Some(Class::DuplicateCrm) => {
                let nth = self.position(index) - self.start(Class::DuplicateCrm);
                self.order.at(self.ends[6] + nth)
            }
            _ => index,
        }
    }

    /// The number of the ERP record that the CRM's `external_id` names.
    pub(crate) fn external_number(&self, index: u64) -> Option<u64> {
        let position = match self.class(index)? {
            Class::OnlyCrm | Class::NoReference => return None,
            Class::DuplicateCrm => self.position(self.original(index)),
            Class::Divergent => {
                let (start, count) = (self.start(Class::Divergent), self.count(Class::Divergent));
                start + (self.position(index) - start + 1) % count
            }
            _ => self.position(index),
        };
        Some(self.numbers.at(position - self.first_position()))
    }

    /// What the ERP record with this number stands for.
    pub(crate) fn counterpart(&self, number: u64) -> Counterpart {
        let place = self.numbers.position(number) + self.first_position();
        if place < self.crm_total {
            return Counterpart::Of(self.order.at(place));
        }
        let second = place - self.crm_total;
        if second < self.count(Class::DuplicateErp) {
            return Counterpart::SecondOf(self.order.at(self.start(Class::DuplicateErp) + second));
        }
        Counterpart::Extra(second - self.count(Class::DuplicateErp))
    }

    /// The CRM records of a class, in the order of their positions.
    pub(crate) fn members(&self, class: Class) -> impl Iterator<Item = u64> + '_ {
        let start = if class == Class::Equal { self.ends[6] } else { self.start(class) };
        (start..start + self.count(class)).map(|p| self.order.at(p))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    const CLASSES: [Class; 8] = [
        Class::OnlyCrm,
        Class::DuplicateCrm,
        Class::NoReference,
        Class::DuplicateErp,
        Class::Divergent,
        Class::Different,
        Class::Stale,
        Class::Equal,
    ];

    #[test]
    fn classes_are_a_partition_with_the_stated_counts() {
        for (population, paired) in [(20_000, 20_000), (8_000, 2_400), (10, 10), (1, 1)] {
            let pairing = Pairing::new(population, paired, 3);
            let mut seen: HashMap<String, u64> = HashMap::new();
            for class in (0..population).filter_map(|i| pairing.class(i)) {
                *seen.entry(format!("{class:?}")).or_default() += 1;
            }
            for class in CLASSES {
                let counted = seen.get(&format!("{class:?}")).copied().unwrap_or(0);
                assert_eq!(counted, pairing.count(class), "{class:?} of {paired}");
                assert!(pairing.members(class).all(|i| pairing.class(i) == Some(class)));
            }
            assert_eq!(seen.values().sum::<u64>(), paired);
        }
    }

    #[test]
    fn references_meet_except_where_they_must_not() {
        let pairing = Pairing::new(20_000, 20_000, 9);
        for index in 0..20_000 {
            let back = pairing.external_number(index).map(|n| pairing.counterpart(n));
            match pairing.class(index) {
                Some(Class::OnlyCrm | Class::NoReference) => assert_eq!(back, None),
                Some(Class::DuplicateCrm) => assert_eq!(back, Some(Counterpart::Of(pairing.original(index)))),
                Some(Class::Divergent) => assert_ne!(back, Some(Counterpart::Of(index))),
                _ => assert_eq!(back, Some(Counterpart::Of(index))),
            }
        }
    }

    #[test]
    fn every_erp_number_stands_for_one_thing() {
        let pairing = Pairing::new(5_000, 5_000, 1);
        let (mut of, mut second, mut extra) = (0, 0, 0);
        for number in 0..pairing.erp_total() {
            match pairing.counterpart(number) {
                Counterpart::Of(_) => of += 1,
                Counterpart::SecondOf(i) => {
                    assert_eq!(pairing.class(i), Some(Class::DuplicateErp));
                    second += 1;
                }
                Counterpart::Extra(_) => extra += 1,
            }
        }
        assert_eq!((of, second, extra), (5_000 - 60, 20, 25));
    }
}
