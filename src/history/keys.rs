//! The ids that a record is looked up by, as hashes, and the table of a sealed segment that leads from one to its block.
//!
//! The table is sorted by hash and cut into buckets of about eight, found by the hash's first bits; an entry is the
//! next 16 bits and the block's number. A look-up reads two numbers and one bucket: nothing grows with the segment.
//! About one look-up in ten thousand meets a stranger with the same bits; the row itself decides.

use super::codec::Input;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// What a key is. The number is its seed and its bit in a segment's list of kinds: never reuse one. More kinds (tokens
/// of people) may follow: a segment says which it covers, and the others are searched block by block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyKind {
    /// The correlation id.
    Correlation = 0,
    /// The W3C trace id.
    Trace = 1,
    /// The vendor's own request id.
    VendorRequest = 2,
}

impl KeyKind {
    pub(super) const ALL: [Self; 3] = [Self::Correlation, Self::Trace, Self::VendorRequest];

    /// Its bit in a segment's list of kinds.
    pub(super) fn bit(self) -> u32 {
        1 << self as u32
    }

    /// The list with every kind there is.
    pub(super) fn all_bits() -> u32 {
        Self::ALL.iter().fold(0, |bits, kind| bits | kind.bit())
    }
}

/// The hash of a key; 0, which is nobody's, for an empty one.
pub(super) fn hash(kind: KeyKind, text: &str) -> u64 {
    if text.is_empty() { 0 } else { xxh3_64_with_seed(text.as_bytes(), kind as u64).max(1) }
}

/// Bits of a hash that are kept while a segment is written; the rest of the number holds the block.
const BLOCK_BITS: u32 = 16;

/// Most blocks of a segment.
pub(super) const MAX_BLOCKS: usize = 1 << BLOCK_BITS;

/// Entries a bucket holds on average.
const BUCKET: usize = 8;

/// A key and its block in one number that sorts by key.
pub(super) fn pack(hash: u64, block: usize) -> u64 {
    hash & !((1 << BLOCK_BITS) - 1) | block as u64 & ((1 << BLOCK_BITS) - 1)
}

/// Where a table stands in its file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    /// First bits of a hash that name its bucket.
    pub(super) bits: u32,
    /// Where the table begins: the numbers of the buckets' ends, then the entries.
    pub(super) offset: u64,
    /// Entries in all.
    pub(super) entries: u32,
}

impl Table {
    /// Writes the table of these keys (see [`pack`]; sorted here) for a place in the file.
    pub(super) fn write(keys: &mut Vec<u64>, offset: u64, out: &mut Vec<u8>) -> Self {
        keys.sort_unstable();
        keys.dedup();
        let bits = (keys.len() / BUCKET).max(1).ilog2();
        let mut end = 0;
        out.reserve(4 * ((1 << bits) + 1 + keys.len()));
        out.extend_from_slice(&0_u32.to_le_bytes());
        for bucket in 0..1_u64 << bits {
            end += keys[end..].partition_point(|key| bucket_of(*key, bits) <= bucket);
            out.extend_from_slice(&(end as u32).to_le_bytes());
        }
        for key in keys.iter() {
            out.extend_from_slice(&(print_of(*key, bits) << BLOCK_BITS | *key as u32 & 0xffff).to_le_bytes());
        }
        Self { bits, offset, entries: keys.len() as u32 }
    }

    /// Bytes in the file.
    pub(super) fn len(&self) -> u64 {
        4 * ((1_u64 << self.bits.min(32)) + 1 + u64::from(self.entries))
    }

    /// Where the two ends stand between which the key's bucket lies.
    pub(super) fn ends_at(&self, hash: u64) -> u64 {
        self.offset + 4 * bucket_of(hash, self.bits)
    }

    /// Where the entries from `from` to `to` stand, and how many bytes they take; `None` when the ends make no sense.
    pub(super) fn entries_at(&self, from: u32, to: u32) -> Option<(u64, usize)> {
        let first = self.offset + 4 * ((1_u64 << self.bits) + 1);
        (from <= to && to <= self.entries).then(|| (first + 4 * u64::from(from), 4 * (to - from) as usize))
    }

    /// The blocks that a bucket's entries name for this key, in order.
    pub(super) fn blocks(&self, hash: u64, bucket: &[u8]) -> Vec<u32> {
        let print = print_of(hash, self.bits);
        let mut input = Input(bucket);
        let mut blocks = Vec::new();
        while let Some(entry) = input.u32() {
            if entry >> BLOCK_BITS == print {
                blocks.push(entry & 0xffff);
            }
        }
        blocks.sort_unstable();
        blocks.dedup();
        blocks
    }
}

fn bucket_of(hash: u64, bits: u32) -> u64 {
    hash.checked_shr(64 - bits).unwrap_or(0)
}

fn print_of(hash: u64, bits: u32) -> u32 {
    (hash >> (48 - bits.min(32))) as u32 & 0xffff
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(table: &Table, bytes: &[u8], hash: u64) -> Vec<u32> {
        let at = (table.ends_at(hash) - table.offset) as usize;
        let mut ends = Input(&bytes[at..at + 8]);
        let (offset, length) = table.entries_at(ends.u32().unwrap(), ends.u32().unwrap()).unwrap();
        let start = (offset - table.offset) as usize;
        table.blocks(hash, &bytes[start..start + length])
    }

    #[test]
    fn every_key_is_found_and_strangers_hardly_ever() {
        for count in [0, 1, 7, 8, 100, 20_000] {
            let key = |n: usize| hash(KeyKind::Correlation, &format!("c-{n}"));
            let mut keys: Vec<u64> = (0..count).map(|n| pack(key(n), n % 700)).collect();
            let mut bytes = Vec::new();
            let table = Table::write(&mut keys, 1_000, &mut bytes);
            assert_eq!(bytes.len() as u64, table.len());
            assert!((0..count).all(|n| lookup(&table, &bytes, key(n)).contains(&((n % 700) as u32))), "{count}");
            let strangers = (count..count + 20_000).filter(|n| !lookup(&table, &bytes, key(*n)).is_empty()).count();
            assert!(strangers < 20, "{strangers} of {count}");
        }
    }

    #[test]
    fn one_key_may_be_in_many_blocks_and_kinds_do_not_mix() {
        let shared = hash(KeyKind::Trace, "same");
        let mut keys: Vec<u64> = [5, 3, 5, 9].map(|block| pack(shared, block)).to_vec();
        let mut bytes = Vec::new();
        let table = Table::write(&mut keys, 0, &mut bytes);
        assert_eq!(lookup(&table, &bytes, shared), [3, 5, 9]);
        assert_eq!(lookup(&table, &bytes, hash(KeyKind::Correlation, "same")), [] as [u32; 0]);
        assert_eq!(hash(KeyKind::VendorRequest, ""), 0);
    }
}
