//! A sealed segment: `NNNNNN.seg`, never changed again.
//!
//! ```text
//! head     magic, version                                   16 bytes
//! blocks   numbers, compressed lines; one after the other
//! index    places of the blocks, shapes and where they occur
//! keys     hash -> block, for look-ups by id
//! foot     where all of that stands, what it spans, sums    120 bytes, the last 16 of them version, length and magic
//! ```

use super::block::read_at;
use super::codec::{Input, sum};
use super::index::Index;
use super::keys::{KeyKind, Table};
use super::{Error, VERSION};
use std::fs::File;
use std::path::{Path, PathBuf};

/// At the beginning and the end of every segment.
const MAGIC: [u8; 8] = *b"VIGIEHSG";

/// Bytes before the first block.
pub(super) const HEAD_BYTES: u64 = 16;

/// Bytes of the foot, and of its end that any version has.
const FOOT_BYTES: usize = 120;
const FOOT_END: usize = 16;

/// The first version with segments (1 was a database): its key tables hold correlation ids alone.
const CORRELATION_ONLY: u32 = 2;

/// Most bytes of an index: some thousand blocks and shapes.
const MAX_INDEX: u64 = 64 << 20;

/// The beginning of a segment.
pub(super) fn head() -> [u8; HEAD_BYTES as usize] {
    let mut head = [0; HEAD_BYTES as usize];
    head[..8].copy_from_slice(&MAGIC);
    head[8..12].copy_from_slice(&VERSION.to_le_bytes());
    head
}

/// Checks a segment's beginning.
pub(super) fn check_head(file: &File, path: &Path) -> Result<(), Error> {
    let bytes = read_at(file, path, 0, HEAD_BYTES as usize)?;
    let mut input = Input(&bytes);
    let magic = input.take(8);
    match input.u32() {
        Some(found) if magic == Some(&MAGIC) => check_version(path, found),
        _ => Err(Error::damaged(path, "its beginning")),
    }
}

fn check_version(path: &Path, found: u32) -> Result<(), Error> {
    if found > VERSION {
        return Err(Error::Newer { file: path.to_owned(), found, known: VERSION });
    }
    Ok(())
}

/// The end of a segment: what it spans, and where its parts stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Foot {
    pub(super) version: u32,
    /// The kinds of keys its table covers (see [`KeyKind::bit`]).
    pub(super) kinds: u32,
    pub(super) rows: u64,
    pub(super) blocks: u32,
    pub(super) first_id: i64,
    pub(super) last_id: i64,
    pub(super) min_ts: i64,
    pub(super) max_ts: i64,
    pub(super) index_offset: u64,
    pub(super) index_len: u64,
    pub(super) index_sum: u64,
    pub(super) keys: Table,
}

impl Foot {
    /// Index, keys and foot of a segment whose blocks end at `offset`.
    pub(super) fn seal(index: &[u8], spans: &Index, keys: &mut Vec<u64>, offset: u64) -> Vec<u8> {
        let mut out = index.to_vec();
        let index_len = out.len() as u64;
        let table = Table::write(keys, offset + index_len, &mut out);
        let places = &spans.places;
        let foot = Self {
            version: VERSION,
            kinds: KeyKind::all_bits(),
            rows: spans.rows(),
            blocks: places.len() as u32,
            first_id: places.first().map_or(0, |p| p.first_id),
            last_id: spans.last_id(),
            min_ts: places.iter().map(|p| p.min_ts).min().unwrap_or(0),
            max_ts: places.iter().map(|p| p.max_ts).max().unwrap_or(0),
            index_offset: offset,
            index_len,
            index_sum: sum(index),
            keys: table,
        };
        foot.write(&mut out);
        out
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.kinds.to_le_bytes());
        out.extend_from_slice(&self.blocks.to_le_bytes());
        out.extend_from_slice(&self.rows.to_le_bytes());
        for number in [self.first_id, self.last_id, self.min_ts, self.max_ts] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for number in [self.index_offset, self.index_len, self.index_sum, self.keys.offset] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.keys.bits.to_le_bytes());
        out.extend_from_slice(&self.keys.entries.to_le_bytes());
        let own = sum(&out[start..]);
        out.extend_from_slice(&own.to_le_bytes());
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&(FOOT_BYTES as u32).to_le_bytes());
        out.extend_from_slice(&MAGIC);
    }

    pub(super) fn read(file: &File, path: &Path) -> Result<Self, Error> {
        let damaged = || Error::damaged(path, "its end");
        let length = file.metadata().map_err(|e| Error::io(path, e))?.len();
        let at = |back: usize| length.checked_sub(back as u64).ok_or_else(damaged);
        let end = read_at(file, path, at(FOOT_END)?, FOOT_END)?;
        let mut input = Input(&end);
        let (version, foot_len) = input.u32().zip(input.u32()).filter(|_| input.0 == MAGIC).ok_or_else(damaged)?;
        check_version(path, version)?;
        if foot_len as usize != FOOT_BYTES {
            return Err(damaged());
        }
        let bytes = read_at(file, path, at(FOOT_BYTES)?, FOOT_BYTES)?;
        let foot = Self::parse(&bytes, version).ok_or_else(damaged)?;
        let ends = foot.index_offset.checked_add(foot.index_len).zip(foot.keys.offset.checked_add(foot.keys.len()));
        let inside = ends.is_some_and(|(index, keys)| index <= length && keys <= length);
        if inside && foot.index_len <= MAX_INDEX { Ok(foot) } else { Err(damaged()) }
    }

    fn parse(bytes: &[u8], version: u32) -> Option<Self> {
        let body = bytes.get(..FOOT_BYTES - FOOT_END - 16)?;
        let mut input = Input(bytes);
        let kinds = input.u32()?;
        let blocks = input.u32()?;
        let rows = input.u64()?;
        let (first_id, last_id, min_ts, max_ts) = (input.i64()?, input.i64()?, input.i64()?, input.i64()?);
        let (index_offset, index_len, index_sum) = (input.u64()?, input.u64()?, input.u64()?);
        let keys = Table { offset: input.u64()?, bits: input.u32()?, entries: input.u32()? };
        let kinds = if version == CORRELATION_ONLY { KeyKind::Correlation.bit() } else { kinds };
        let whole = input.u64()? == sum(body) && keys.bits <= 32;
        let spans = Self {
            version,
            kinds,
            rows,
            blocks,
            first_id,
            last_id,
            min_ts,
            max_ts,
            index_offset,
            index_len,
            index_sum,
            keys,
        };
        whole.then_some(spans)
    }
}

/// A sealed segment, opened.
pub(super) struct Sealed {
    pub(super) file: File,
    pub(super) path: PathBuf,
    pub(super) foot: Foot,
}

impl Sealed {
    /// Opens it; `None` when it was dropped meanwhile.
    pub(super) fn open(path: PathBuf) -> Result<Option<Self>, Error> {
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::io(&path, source)),
        };
        let foot = Foot::read(&file, &path)?;
        Ok(Some(Self { file, path, foot }))
    }

    pub(super) fn index(&self) -> Result<Index, Error> {
        let bytes = read_at(&self.file, &self.path, self.foot.index_offset, self.foot.index_len as usize)?;
        let whole = sum(&bytes) == self.foot.index_sum;
        let index = whole.then(|| Index::read(&bytes, self.foot.blocks)).flatten();
        index.ok_or_else(|| Error::damaged(&self.path, "its index"))
    }

    /// The blocks that may hold the key; `None` if the table does not cover its kind.
    pub(super) fn blocks_with(&self, kind: KeyKind, hash: u64) -> Result<Option<Vec<u32>>, Error> {
        if self.foot.kinds & kind.bit() == 0 {
            return Ok(None);
        }
        let table = &self.foot.keys;
        let ends = read_at(&self.file, &self.path, table.ends_at(hash), 8)?;
        let mut ends = Input(&ends);
        let place = ends.u32().zip(ends.u32()).and_then(|(from, to)| table.entries_at(from, to));
        let (offset, length) = place.ok_or_else(|| Error::damaged(&self.path, "its table of keys"))?;
        let bucket = read_at(&self.file, &self.path, offset, length)?;
        Ok(Some(table.blocks(hash, &bucket)))
    }
}
