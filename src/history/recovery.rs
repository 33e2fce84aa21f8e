//! Opening a segment for writing: a new one, or the one that the last agent left, whatever it was doing when it ended.

use super::active::{Active, Pending};
use super::block::{self, Packer};
use super::frames::{self, Growing};
use super::index::Index;
use super::keys::KeyKind;
use super::shape::{Shapes, Told};
use super::tail::{self, Tail};
use super::{Error, day, journal, keys, sealed};
use std::fs::File;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Bytes without a journal that are cut off: what five seconds at full load leave when a power cut takes the journal's
/// end. Where more is unaccounted for, the segment is set aside whole.
const MAX_CUT: u64 = 16 << 20;

/// Makes a directory that only its owner may look into.
pub(super) fn make_dir(dir: &Path) -> Result<(), Error> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|source| Error::io(dir, source))
}

/// A new segment in the day's directory.
pub(super) fn create(day: &Path, number: u32, max_bytes: u64) -> Result<Active, Error> {
    let open = day::segment(day, number, "open");
    let mut blocks = Growing::open(&open, 0)?;
    blocks.append(&sealed::head()).map_err(|e| Error::io(&open, e))?;
    let journal = Growing::open(&day::segment(day, number, "idx"), 0)?;
    assemble(day, number, max_bytes, (blocks, journal), Index::default(), Vec::new())
}

fn assemble(
    day: &Path,
    number: u32,
    max_bytes: u64,
    (blocks, journal): (Growing, Growing),
    mut index: Index,
    keys: Vec<u64>,
) -> Result<Active, Error> {
    let shapes = Shapes::of(std::mem::take(&mut index.shapes));
    Ok(Active {
        day: day.to_owned(),
        number,
        blocks,
        journal,
        tail: None,
        index,
        noted_shapes: shapes.list.len(),
        shapes,
        keys,
        pending: Pending::default(),
        max_bytes,
        committed: 0,
        unsynced: false,
        packer: Packer::new().map_err(|e| Error::io(day, e))?,
        scratch: Vec::new(),
    })
}

/// Goes on with a segment that was being written. What is not whole at its end is cut off, and told in the log: a kill
/// leaves at most what was just being written, a power cut what was not handed to the disk yet.
pub(super) fn reopen(day: &Path, number: u32, max_bytes: u64) -> Result<Active, Error> {
    let (open, idx) = (day::segment(day, number, "open"), day::segment(day, number, "idx"));
    let length = open.metadata().map_err(|e| Error::io(&open, e))?.len();
    if length < sealed::HEAD_BYTES {
        // It was only just being made.
        return create(day, number, max_bytes).and_then(take_tails);
    }
    let file = File::open(&open).map_err(|e| Error::io(&open, e))?;
    sealed::check_head(&file, &open)?;
    let mut notes = frames::read(&idx)?.unwrap_or_default();
    let noted_len = notes.len();
    let (mut index, mut keys) = (Index::default(), Vec::new());
    notes.truncate(note(&notes, &mut index, &mut keys));
    let whole = whole_blocks(&file, &open, &index);
    if whole < index.places.len() {
        notes.truncate(first_frames(&notes, whole));
        (index, keys) = (Index::default(), Vec::new());
        note(&notes, &mut index, &mut keys);
    }
    let end = index.places.last().map_or(sealed::HEAD_BYTES, block::Place::end);
    if length.saturating_sub(end) > MAX_CUT {
        return Err(Error::damaged(&idx, "what it says of the segment's blocks"));
    }
    if end != length || notes.len() != noted_len {
        let (file, bytes) = (open.display(), length.saturating_sub(end));
        tracing::warn!(%file, bytes, "the end of the history's running segment was not whole and is cut off");
    }
    let files = (Growing::open(&open, end)?, Growing::open(&idx, notes.len() as u64)?);
    assemble(day, number, max_bytes, files, index, keys).and_then(take_tails)
}

/// Reads a journal; the length of what is whole.
fn note(notes: &[u8], index: &mut Index, keys: &mut Vec<u64>) -> usize {
    journal::read(notes, sealed::HEAD_BYTES, index, |key, block| keys.push(keys::pack(key, block))) as usize
}

/// How many blocks, from the first, are on the disk as they were written. A write that never reached it is missing from
/// the end, so the last whole block vouches for those before it.
fn whole_blocks(file: &File, path: &Path, index: &Index) -> usize {
    let whole = index.places.iter().rposition(|place| block::is_whole(file, path, place));
    whole.map_or(0, |last| last + 1)
}

/// Bytes of the first so many frames.
fn first_frames(notes: &[u8], count: usize) -> usize {
    let mut seen = 0;
    let length = frames::walk(notes, |_| {
        seen += 1;
        (seen <= count).then_some(())
    });
    length as usize
}

/// Takes in the rows that were in no block yet.
fn take_tails(mut active: Active) -> Result<Active, Error> {
    let files = day::Files::of(&active.day).map_err(|e| Error::io(&active.day, e))?;
    let next = active.index.places.len() as u32;
    for (_, block) in files.tails.iter().filter(|(segment, _)| *segment == active.number) {
        let path = day::tail(&active.day, active.number, *block);
        let Some(mut tail) = tail::read(&path)? else { continue };
        tail.skip_to(active.index.last_id());
        if tail.rows.is_empty() && *block != next {
            day::remove(&path).map_err(|e| Error::io(&path, e))?;
            continue;
        }
        if tail.len < tail.file_len {
            let bytes = tail.file_len - tail.len;
            tracing::warn!(file = %path.display(), bytes, "the end of the history's newest rows was not whole and is cut off");
        }
        let length = tail.len;
        tail.find_shapes(&mut active.shapes);
        take(&mut active.pending, &tail);
        if *block == next {
            active.tail = Some(Growing::open(&path, length)?);
        }
    }
    let pending = &mut active.pending;
    (pending.saved_rows, pending.saved_text) = (pending.rows.len(), pending.text.len());
    Ok(active)
}

fn take(pending: &mut Pending, tail: &Tail) {
    pending.rows.extend_from_slice(&tail.rows);
    pending.text.extend_from_slice(&tail.text);
    for line in tail.lines() {
        let Ok(told) = serde_json::from_slice::<Told<'_>>(line) else { continue };
        let vendor = told.vendor_request_id.as_deref().unwrap_or("");
        let keys = [
            keys::hash(KeyKind::Correlation, &told.correlation_id),
            keys::hash(KeyKind::Trace, &told.trace_id),
            keys::hash(KeyKind::VendorRequest, vendor),
        ];
        pending.keys.extend(keys.into_iter().filter(|key| *key != 0));
    }
}

/// Seals what older agents left unsealed in a day's directory, but for the segment `but`, and deletes what a kill left
/// over while a segment was sealed. One that cannot be read is set aside, never deleted.
pub(super) fn tidy(day: &Path, but: Option<u32>, max_bytes: u64) -> Result<(), Error> {
    let files = day::Files::of(day).map_err(|e| Error::io(day, e))?;
    let over = |number: &u32| files.sealed.contains(number) && !files.running.contains(number);
    let journals = files.journals.iter().filter(|n| over(n)).map(|n| day::segment(day, *n, "idx"));
    let tails = files.tails.iter().filter(|(n, _)| over(n)).map(|(n, block)| day::tail(day, *n, *block));
    for path in journals.chain(tails) {
        day::remove(&path).map_err(|e| Error::io(&path, e))?;
    }
    for number in files.running.iter().copied().filter(|n| Some(*n) != but) {
        reopen_or_new(day, number, max_bytes)?.seal()?;
    }
    Ok(())
}

/// Goes on with a segment; where it cannot be read it is set aside, and a new one takes its place.
pub(super) fn reopen_or_new(day: &Path, number: u32, max_bytes: u64) -> Result<Active, Error> {
    let error = match reopen(day, number, max_bytes) {
        Err(error @ Error::Damaged { .. }) => error,
        other => return other,
    };
    let files = day::Files::of(day).map_err(|e| Error::io(day, e))?;
    let (aside, next) = (day::segment(day, number, "damaged"), files.next());
    tracing::error!(%error, kept_as = %aside.display(), "a segment of the history cannot be read and is set aside");
    let renamed = std::fs::rename(day::segment(day, number, "open"), &aside);
    renamed.and_then(|()| day::remove(&day::segment(day, number, "idx"))).map_err(|e| Error::io(&aside, e))?;
    let active = create(day, next, max_bytes)?;
    // Its newest rows stand apart, and are whole or cut by themselves.
    for (_, block) in files.tails.iter().filter(|(segment, _)| *segment == number) {
        let from = day::tail(day, number, *block);
        std::fs::rename(&from, day::tail(day, next, *block)).map_err(|e| Error::io(&from, e))?;
    }
    take_tails(active)
}

/// The greatest id in a day's newest sealed segment; 0 when there is none.
pub(super) fn last_sealed_id(day: &Path, files: &day::Files) -> i64 {
    let newest = files.sealed.last().and_then(|n| sealed::Sealed::open(day::segment(day, *n, "seg")).ok().flatten());
    newest.map_or(0, |segment| segment.foot.last_id)
}
