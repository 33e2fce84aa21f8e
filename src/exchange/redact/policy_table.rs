//! Field names to statements: an open-addressing table whose look-up neither allocates nor depends on ASCII case.
//!
//! It is filled when a profile is loaded and never by traffic, so nobody outside can make its probes long.

use super::policy::{MAX_NAME_BYTES, Rule};

/// Everything said about fields of one name.
#[derive(Debug)]
pub(super) struct Entry {
    /// The profile's spelling.
    pub(super) name: Box<str>,
    /// For the name wherever it stands.
    pub(super) bare: Option<Rule>,
    /// For the name inside these parents, nearest first; more parents first.
    pub(super) dotted: Vec<(Vec<Box<str>>, Rule)>,
}

/// The table. Slots hold an entry's index plus one; zero is free.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: Vec<Entry>,
    slots: Vec<u32>,
}

impl Table {
    pub(super) fn find(&self, name: &str) -> Option<&Entry> {
        if name.len() > MAX_NAME_BYTES || self.slots.is_empty() {
            return None;
        }
        let mut slot = self.home(name);
        // There is always a free slot: the table is kept at most half full.
        while let Some(index) = self.slots[slot].checked_sub(1) {
            let entry = &self.entries[index as usize];
            if entry.name.eq_ignore_ascii_case(name) {
                return Some(entry);
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        None
    }

    /// The entry of `name`, made if there is none.
    pub(super) fn insert(&mut self, name: &str) -> &mut Entry {
        let found = self.entries.iter().position(|e| e.name.eq_ignore_ascii_case(name));
        let index = found.unwrap_or_else(|| {
            self.entries.push(Entry { name: name.into(), bare: None, dotted: Vec::new() });
            self.rebuild();
            self.entries.len() - 1
        });
        &mut self.entries[index]
    }

    fn rebuild(&mut self) {
        let size = (self.entries.len() * 2).next_power_of_two().max(16);
        self.slots = vec![0; size];
        for (number, entry) in (1..).zip(&self.entries) {
            let mut slot = self.home(&entry.name);
            while self.slots[slot] != 0 {
                slot = (slot + 1) & (size - 1);
            }
            self.slots[slot] = number;
        }
    }

    fn home(&self, name: &str) -> usize {
        (hash(name.as_bytes()) >> 32) as usize & (self.slots.len() - 1)
    }
}

/// Eight bytes a step. Setting bit 5 makes upper and lower case equal (and a few signs, which costs a probe at most).
fn hash(name: &[u8]) -> u64 {
    const CASE: u64 = 0x2020_2020_2020_2020;
    const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
    let (words, rest) = name.as_chunks::<8>();
    let mut state = name.len() as u64;
    for word in words {
        state = (state ^ (u64::from_le_bytes(*word) | CASE)).wrapping_mul(ODD).rotate_left(29);
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    (state ^ (u64::from_le_bytes(last) | CASE)).wrapping_mul(ODD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case_and_no_other() {
        let mut table = Table::default();
        assert!(table.find("x").is_none());
        let names: Vec<String> = (0..500).map(|i| format!("Field_{i}_{}", "x".repeat(i % 20))).collect();
        for name in &names {
            table.insert(name).bare = Some(Rule::Secret);
        }
        for name in &names {
            assert_eq!(&*table.find(&name.to_uppercase()).unwrap().name, name.as_str());
            assert!(table.find(&format!("{name}y")).is_none());
        }
        assert!(table.find("").is_none());
        assert!(table.find(&"x".repeat(MAX_NAME_BYTES + 1)).is_none());
    }
}
