//! The segment that is being written: blocks in `NNNNNN.open`, what is known of them in its journal, and the rows that
//! fill no block yet in its tail.
//!
//! Every row is in a file before [`Active::save`] returns, so a kill loses nothing that was written. Whatever fails in
//! between leaves files that [`super::recovery`] reads back to exactly the rows counted in [`Active::committed`].

use super::block::{BLOCK_BYTES, LONGEST_BLOCK, Packer, Row};
use super::frames::Growing;
use super::index::Index;
use super::journal::Note;
use super::sealed::Foot;
use super::shape::{MAX_SHAPES, Shapes};
use super::{Batch, Entry, Error, day, keys, tail};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Rows after which a segment is sealed: bounds the keys held in memory (3 MiB), the journal that a search of the
/// running segment reads, and what goes at once when space is short.
pub(super) const MAX_ROWS: u64 = 1 << 17;

/// Unsaved lines that are worth a block of their own; fewer go into the tail.
const WORTH_A_BLOCK: usize = BLOCK_BYTES / 2;

/// See the module.
pub(super) struct Active {
    pub(super) day: PathBuf,
    pub(super) number: u32,
    pub(super) blocks: Growing,
    pub(super) journal: Growing,
    pub(super) tail: Option<Growing>,
    pub(super) index: Index,
    pub(super) shapes: Shapes,
    /// Shapes that the journal knows.
    pub(super) noted_shapes: usize,
    /// Keys of all blocks, as [`keys::pack`] makes them.
    pub(super) keys: Vec<u64>,
    pub(super) pending: Pending,
    /// Bytes of blocks after which it is sealed.
    pub(super) max_bytes: u64,
    /// Rows written since it was opened.
    pub(super) committed: u64,
    /// Something was written since the last [`Active::sync`].
    pub(super) unsynced: bool,
    pub(super) packer: Packer,
    pub(super) scratch: Vec<u8>,
}

/// Rows that are in no block yet.
#[derive(Default)]
pub(super) struct Pending {
    pub(super) rows: Vec<Row>,
    pub(super) text: Vec<u8>,
    pub(super) keys: Vec<u64>,
    /// How many of the rows, and how much of the text, the tail holds.
    pub(super) saved_rows: usize,
    pub(super) saved_text: usize,
}

impl Pending {
    fn push(&mut self, row: Row, line: &[u8], keys: impl IntoIterator<Item = u64>) {
        self.rows.push(row);
        self.text.extend_from_slice(line);
        self.text.push(b'\n');
        self.keys.extend(keys.into_iter().filter(|key| *key != 0));
    }
}

impl Active {
    fn path(&self, end: &str) -> PathBuf {
        day::segment(&self.day, self.number, end)
    }

    /// Takes a batch in; what fills a block is written. `last_id` is the greatest id given out so far. Lines that are
    /// no records are left out.
    pub(super) fn append(&mut self, batch: &Batch, now: i64, last_id: &mut i64) -> Result<(), Error> {
        for entry in &batch.entries {
            let line = batch.lines.get(entry.line.clone()).filter(|line| std::str::from_utf8(line).is_ok());
            let Some(line) = line else { continue };
            let Some(shape) = self.shapes.number(entry.shape, line) else { continue };
            let Entry { ts_us, head_us, upstream_us, .. } = *entry;
            // Never below the start: `since` relies on it even when the wall clock was set back in between.
            let id = last_id.saturating_add(1).max(now).max(ts_us);
            *last_id = id;
            self.pending.push(Row { id, ts_us, head_us, upstream_us, shape }, line, entry.keys);
            if self.pending.text.len() >= LONGEST_BLOCK {
                self.turn_over()?;
            }
        }
        Ok(())
    }

    /// Writes what is in no file yet.
    pub(super) fn save(&mut self) -> Result<(), Error> {
        match self.pending.text.len() - self.pending.saved_text {
            0 => Ok(()),
            unsaved if unsaved >= WORTH_A_BLOCK || self.pending.text.len() >= BLOCK_BYTES => self.turn_over(),
            _ => self.save_tail(),
        }
    }

    fn save_tail(&mut self) -> Result<(), Error> {
        let path = day::tail(&self.day, self.number, self.index.places.len() as u32);
        let tail = match &mut self.tail {
            Some(tail) => tail,
            none => none.insert(Growing::open(&path, 0)?),
        };
        let pending = &mut self.pending;
        self.scratch.clear();
        tail::write(&pending.rows[pending.saved_rows..], &pending.text[pending.saved_text..], &mut self.scratch);
        tail.append(&self.scratch).map_err(|e| Error::io(&path, e))?;
        self.committed += (pending.rows.len() - pending.saved_rows) as u64;
        (pending.saved_rows, pending.saved_text) = (pending.rows.len(), pending.text.len());
        self.unsynced = true;
        Ok(())
    }

    /// Makes a block of all that is pending.
    fn turn_over(&mut self) -> Result<(), Error> {
        if self.pending.rows.is_empty() {
            return Ok(());
        }
        let (path, offset) = (self.path("open"), self.blocks.len);
        let packed = self.packer.pack(&self.pending.rows, &self.pending.text, offset);
        let place = packed.and_then(|(place, bytes)| self.blocks.append(bytes).map(|()| place));
        let place = place.map_err(|e| Error::io(&path, e))?;
        let mut numbers: Vec<u32> = self.pending.rows.iter().map(|row| row.shape).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let new_shapes = &self.shapes.list[self.noted_shapes..];
        self.scratch.clear();
        Note { place, new_shapes, shapes: &numbers, keys: &self.pending.keys }.write(&mut self.scratch);
        if let Err(error) = self.journal.append(&self.scratch) {
            self.blocks.cut(offset);
            return Err(Error::io(&self.path("idx"), error));
        }
        if self.tail.take().is_some() {
            // One that stays is known by its ids to hold nothing new.
            let _ = day::remove(&day::tail(&self.day, self.number, self.index.places.len() as u32));
        }
        let block = self.index.places.len();
        self.keys.extend(self.pending.keys.iter().map(|key| keys::pack(*key, block)));
        self.index.add(place, &numbers);
        self.noted_shapes = self.shapes.list.len();
        self.committed += (self.pending.rows.len() - self.pending.saved_rows) as u64;
        self.unsynced = true;
        let Pending { rows, text, keys, .. } = &mut self.pending;
        rows.clear();
        text.clear();
        keys.clear();
        // One huge line must not hold its memory for ever.
        text.shrink_to(2 * LONGEST_BLOCK);
        (self.pending.saved_rows, self.pending.saved_text) = (0, 0);
        Ok(())
    }

    /// Whether it should be sealed.
    pub(super) fn is_full(&self) -> bool {
        let blocks = self.index.places.len();
        // A batch makes some ten blocks, so the margin is never used up.
        self.index.rows() >= MAX_ROWS
            || self.blocks.len >= self.max_bytes
            || blocks >= keys::MAX_BLOCKS - 4_096
            || self.shapes.list.len() >= MAX_SHAPES
    }

    /// Bytes of its files.
    pub(super) fn bytes(&self) -> u64 {
        self.blocks.len + self.journal.len + self.tail.as_ref().map_or(0, |tail| tail.len)
    }

    /// The greatest id it holds; 0 when it holds none.
    pub(super) fn last_id(&self) -> i64 {
        self.pending.rows.last().map_or(self.index.last_id(), |row| row.id)
    }

    /// Hands all that was written to the disk: a power cut loses nothing of it.
    pub(super) fn sync(&mut self) -> Result<(), Error> {
        if !self.unsynced {
            return Ok(());
        }
        self.unsynced = false;
        let files = [Some(&self.blocks), Some(&self.journal), self.tail.as_ref()];
        let synced = files.into_iter().flatten().try_for_each(|growing| growing.file().sync_data());
        synced.and_then(|()| sync_dir(&self.day)).map_err(|e| Error::io(&self.day, e))
    }

    /// Makes a block of what is in the tail and hands everything to the disk, at an orderly end.
    pub(super) fn close(&mut self) -> Result<(), Error> {
        self.turn_over()?;
        self.sync()
    }

    /// Ends the segment: what is pending becomes its last block, index and keys follow, and it gets its final name. Gives
    /// the bytes of the sealed file; 0 if there was nothing to keep.
    pub(super) fn seal(mut self) -> Result<u64, Error> {
        self.turn_over()?;
        let open = self.path("open");
        let mut bytes = 0;
        if !self.index.places.is_empty() {
            let mut index = Vec::new();
            self.index.write(&self.shapes.list, &mut index);
            let end = Foot::seal(&index, &self.index, &mut self.keys, self.blocks.len);
            let written = self.blocks.append(&end).and_then(|()| self.blocks.file().sync_all());
            written.and_then(|()| std::fs::rename(&open, self.path("seg"))).map_err(|e| Error::io(&open, e))?;
            bytes = self.blocks.len;
        }
        let files = day::Files::of(&self.day).map_err(|e| Error::io(&self.day, e))?;
        let tails = files.tails.iter().filter(|(segment, _)| *segment == self.number);
        let tails = tails.map(|(segment, block)| day::tail(&self.day, *segment, *block));
        for path in [open, self.path("idx")].into_iter().chain(tails) {
            day::remove(&path).map_err(|e| Error::io(&path, e))?;
        }
        sync_dir(&self.day).map_err(|e| Error::io(&self.day, e))?;
        Ok(bytes)
    }
}

/// Makes new and deleted names in the directory last through a power cut.
pub(super) fn sync_dir(dir: &Path) -> std::io::Result<()> {
    File::open(dir)?.sync_all()
}
