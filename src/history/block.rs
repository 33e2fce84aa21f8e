//! A block: some hundred rows, as one compressed text of their JSON lines and the numbers that stand beside each line.
//!
//! The numbers come first and are not compressed, so that times and shapes are looked at without the text.

use super::Error;
use super::codec::{Input, put_signed, put_varint, sum};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes of lines that make a block: larger ones compress no better (measured), smaller ones are read faster.
pub(super) const BLOCK_BYTES: usize = 128 << 10;

/// Bytes of lines after which a block ends within a group of rows; at the group's end less is enough, so that rows which
/// came together are written together.
pub(super) const LONGEST_BLOCK: usize = 2 * BLOCK_BYTES;

/// Most bytes of lines in a block that is read; one holds [`LONGEST_BLOCK`] and one line, whose bodies are bounded.
const MAX_BYTES: u32 = 256 << 20;

/// zstd's cheapest level with entropy coding: half the bytes of LZ4 for a quarter more time (measured on these lines).
const LEVEL: i32 = 1;

/// What stands beside a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Time of recording in microseconds, made unique: only grows.
    pub(super) id: i64,
    /// Request head read: microseconds since the Unix epoch.
    pub(super) ts_us: i64,
    /// The last attempt's answer head arrived, or its failure was known.
    pub(super) head_us: Option<i64>,
    /// Request sent to answer head.
    pub(super) upstream_us: Option<u32>,
    /// Number of its shape.
    pub(super) shape: u32,
}

/// Where a block stands and what it spans: all that has to be known to pass it over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) columns_len: u32,
    pub(super) text_len: u32,
    pub(super) raw_len: u32,
    pub(super) rows: u32,
    pub(super) first_id: i64,
    pub(super) last_id: i64,
    pub(super) min_ts: i64,
    pub(super) max_ts: i64,
    pub(super) columns_sum: u64,
    pub(super) text_sum: u64,
}

/// Bytes of a written [`Place`].
pub(super) const PLACE_BYTES: usize = 72;

impl Place {
    pub(super) fn end(&self) -> u64 {
        self.offset + u64::from(self.columns_len) + u64::from(self.text_len)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.offset.to_le_bytes());
        for number in [self.columns_len, self.text_len, self.raw_len, self.rows] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for number in [self.first_id, self.last_id, self.min_ts, self.max_ts] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.columns_sum.to_le_bytes());
        out.extend_from_slice(&self.text_sum.to_le_bytes());
    }

    pub(super) fn read(input: &mut Input<'_>) -> Option<Self> {
        let place = Self {
            offset: input.u64()?,
            columns_len: input.u32()?,
            text_len: input.u32()?,
            raw_len: input.u32()?,
            rows: input.u32()?,
            first_id: input.i64()?,
            last_id: input.i64()?,
            min_ts: input.i64()?,
            max_ts: input.i64()?,
            columns_sum: input.u64()?,
            text_sum: input.u64()?,
        };
        let lengths = [place.raw_len, place.text_len, place.columns_len];
        let fits = lengths.iter().all(|l| *l <= MAX_BYTES) && place.rows <= place.columns_len;
        (fits && place.offset < u64::MAX >> 1).then_some(place)
    }
}

/// Makes blocks; keeps the compressor's memory from one to the next.
pub(super) struct Packer {
    zstd: zstd::bulk::Compressor<'static>,
    bytes: Vec<u8>,
}

impl Packer {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self { zstd: zstd::bulk::Compressor::new(LEVEL)?, bytes: Vec::new() })
    }

    /// The bytes of a block for this place in the file. There is at least one row.
    pub(super) fn pack(&mut self, rows: &[Row], text: &[u8], offset: u64) -> std::io::Result<(Place, &[u8])> {
        self.bytes.clear();
        put_columns(rows, &mut self.bytes);
        let columns = self.bytes.len();
        let room = zstd::zstd_safe::compress_bound(text.len());
        self.bytes.resize(columns + room, 0);
        let packed = self.zstd.compress_to_buffer(text, &mut self.bytes[columns..])?;
        self.bytes.truncate(columns + packed);
        let times = || rows.iter().map(|row| row.ts_us);
        let place = Place {
            offset,
            columns_len: columns as u32,
            text_len: packed as u32,
            raw_len: text.len() as u32,
            rows: rows.len() as u32,
            first_id: rows.first().map_or(0, |row| row.id),
            last_id: rows.last().map_or(0, |row| row.id),
            min_ts: times().min().unwrap_or(0),
            max_ts: times().max().unwrap_or(0),
            columns_sum: sum(&self.bytes[..columns]),
            text_sum: sum(&self.bytes[columns..]),
        };
        Ok((place, &self.bytes))
    }
}

/// Writes the numbers of rows; ids grow, so they are written as differences.
pub(super) fn put_columns(rows: &[Row], out: &mut Vec<u8>) {
    let mut last = 0;
    for row in rows {
        put_signed(out, row.id.wrapping_sub(last));
        put_signed(out, row.id.wrapping_sub(row.ts_us));
        put_varint(out, u64::from(row.head_us.is_some()));
        if let Some(head) = row.head_us {
            put_signed(out, head.wrapping_sub(row.ts_us));
        }
        put_varint(out, row.upstream_us.map_or(0, |us| u64::from(us) + 1));
        put_varint(out, row.shape.into());
        last = row.id;
    }
}

/// The numbers of so many rows.
pub(super) fn columns(bytes: &[u8], count: u32) -> Option<Vec<Row>> {
    let mut input = Input(bytes);
    let mut rows = Vec::with_capacity((count as usize).min(bytes.len()));
    let mut last = 0_i64;
    for _ in 0..count {
        let id = last.wrapping_add(input.signed()?);
        let ts_us = id.wrapping_sub(input.signed()?);
        let head_us = if input.varint()? == 0 { None } else { Some(ts_us.wrapping_add(input.signed()?)) };
        let upstream_us = u32::try_from(input.varint()?).ok()?.checked_sub(1);
        let shape = u32::try_from(input.varint()?).ok()?;
        rows.push(Row { id, ts_us, head_us, upstream_us, shape });
        last = id;
    }
    input.0.is_empty().then_some(rows)
}

/// The numbers of a block.
pub(super) fn read_columns(file: &File, path: &Path, place: &Place) -> Result<Vec<Row>, Error> {
    let bytes = read_at(file, path, place.offset, place.columns_len as usize)?;
    let whole = sum(&bytes) == place.columns_sum;
    let rows = whole.then(|| columns(&bytes, place.rows)).flatten();
    rows.ok_or_else(|| Error::damaged(path, "the numbers of a block"))
}

/// The lines of a block, each ended.
pub(super) fn read_text(file: &File, path: &Path, place: &Place) -> Result<Vec<u8>, Error> {
    let bytes = packed_text(file, path, place)?;
    let text = zstd::bulk::decompress(&bytes, place.raw_len as usize);
    text.ok().filter(|t| t.len() == place.raw_len as usize).ok_or_else(|| Error::damaged(path, "the text of a block"))
}

/// Whether the block is there as it was written.
pub(super) fn is_whole(file: &File, path: &Path, place: &Place) -> bool {
    read_columns(file, path, place).is_ok() && packed_text(file, path, place).is_ok()
}

fn packed_text(file: &File, path: &Path, place: &Place) -> Result<Vec<u8>, Error> {
    let bytes = read_at(file, path, place.offset + u64::from(place.columns_len), place.text_len as usize)?;
    if sum(&bytes) == place.text_sum { Ok(bytes) } else { Err(Error::damaged(path, "the text of a block")) }
}

/// So many bytes from there.
pub(super) fn read_at(file: &File, path: &Path, offset: u64, length: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; length];
    match file.read_exact_at(&mut bytes, offset) {
        Ok(()) => Ok(bytes),
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Err(Error::damaged(path, "its length")),
        Err(source) => Err(Error::io(path, source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row() -> impl Strategy<Value = Row> {
        let times = (any::<i64>(), any::<i64>(), any::<Option<i64>>());
        (times, proptest::option::of(0..u32::MAX - 1), any::<u32>())
            .prop_map(|((id, ts_us, head_us), upstream_us, shape)| Row { id, ts_us, head_us, upstream_us, shape })
    }

    proptest! {
        #[test]
        fn rows_come_back_whatever_their_times(rows in proptest::collection::vec(row(), 1..20)) {
            let mut bytes = Vec::new();
            put_columns(&rows, &mut bytes);
            prop_assert_eq!(columns(&bytes, rows.len() as u32), Some(rows));
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>, count in 0_u32..1_000) {
            let _ = (columns(&bytes, count), Place::read(&mut Input(&bytes)));
        }
    }

    #[test]
    fn a_block_is_read_as_it_was_written_and_a_changed_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("block");
        let rows = [1, 2].map(|id| Row { id, ts_us: 1, head_us: Some(9), upstream_us: None, shape: 3 });
        let text = b"{\"a\":1}\n{\"a\":2}\n";
        let mut packer = Packer::new().unwrap();
        let (place, bytes) = packer.pack(&rows, text, 5).unwrap();
        let mut bytes = [b"12345", bytes].concat();
        std::fs::write(&path, &bytes).unwrap();
        let file = File::open(&path).unwrap();
        assert_eq!(read_columns(&file, &path, &place).unwrap(), rows);
        assert_eq!(read_text(&file, &path, &place).unwrap(), text);
        assert!(is_whole(&file, &path, &place));
        let mut written = Vec::new();
        place.write(&mut written);
        assert_eq!((written.len(), Place::read(&mut Input(&written))), (PLACE_BYTES, Some(place)));
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert!(!is_whole(&file, &path, &place));
        assert!(matches!(read_text(&file, &path, &place), Err(Error::Damaged { .. })));
        bytes.truncate(8);
        std::fs::write(&path, &bytes).unwrap();
        assert!(matches!(read_columns(&file, &path, &place), Err(Error::Damaged { .. })));
    }
}
