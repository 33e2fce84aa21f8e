//! What a day's directory holds at one moment, in the order of recording, while an agent may be writing to it.
//!
//! The tail is read before the journal and the journal before the blocks are opened, so what moves on in between is seen
//! twice rather than missed, and the ids tell. A file that is gone means that the writer has gone on: the day is listed
//! anew.

use crate::history::block::Place;
use crate::history::index::Index;
use crate::history::keys::KeyKind;
use crate::history::sealed::{HEAD_BYTES, Sealed, check_head};
use crate::history::shape::{Shape, Shapes};
use crate::history::tail::{self, Tail};
use crate::history::{Error, day, frames, journal};
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How often a day is listed anew: the writer would have to finish a block each time, within the time of a listing.
const TRIES: u32 = 100;

/// One part of a day.
pub(super) enum Part {
    /// A sealed segment that is not open yet: a day may have hundreds.
    Closed(PathBuf),
    /// A segment's blocks.
    Blocks(Blocks),
    /// Rows that are in no block yet.
    Tail { tail: Tail, shapes: Vec<Shape> },
}

impl Part {
    /// Opens it; `None` if it was dropped meanwhile.
    pub(super) fn opened(self) -> Result<Option<Self>, Error> {
        match self {
            Self::Closed(path) => Ok(Sealed::open(path)?.map(|sealed| Self::Blocks(Blocks::Sealed(sealed)))),
            open => Ok(Some(open)),
        }
    }

    /// The greatest id it holds; 0 when it is not open or holds none.
    pub(super) fn last_id(&self) -> i64 {
        match self {
            Self::Closed(_) => 0,
            Self::Blocks(Blocks::Sealed(sealed)) => sealed.foot.last_id,
            Self::Blocks(Blocks::Running(running)) => running.index.last_id(),
            Self::Tail { tail, .. } => tail.rows.last().map_or(0, |row| row.id),
        }
    }
}

/// The blocks of a segment.
pub(super) enum Blocks {
    Sealed(Sealed),
    Running(Running),
}

/// The blocks of the running segment, as its journal told them.
pub(super) struct Running {
    file: File,
    path: PathBuf,
    index: Arc<Index>,
    /// The blocks with the key that was asked for.
    keyed: Option<Vec<u32>>,
}

impl Blocks {
    pub(super) fn file(&self) -> &File {
        match self {
            Self::Sealed(sealed) => &sealed.file,
            Self::Running(running) => &running.file,
        }
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Sealed(sealed) => &sealed.path,
            Self::Running(running) => &running.path,
        }
    }

    /// The greatest id, and the earliest and latest start.
    pub(super) fn span(&self) -> (i64, i64, i64) {
        match self {
            Self::Sealed(Sealed { foot, .. }) => (foot.last_id, foot.min_ts, foot.max_ts),
            Self::Running(Running { index, .. }) => {
                let times = |time: fn(&Place) -> i64| index.places.iter().map(time);
                let (min, max) = (times(|p| p.min_ts).min(), times(|p| p.max_ts).max());
                (index.last_id(), min.unwrap_or(0), max.unwrap_or(0))
            }
        }
    }

    pub(super) fn index(&self) -> Result<Arc<Index>, Error> {
        match self {
            Self::Sealed(sealed) => sealed.index().map(Arc::new),
            Self::Running(running) => Ok(Arc::clone(&running.index)),
        }
    }

    /// The blocks that may hold the key, in order; `None` if that is not known.
    pub(super) fn blocks_with(&self, kind: KeyKind, hash: u64) -> Result<Option<Vec<u32>>, Error> {
        match self {
            Self::Sealed(sealed) => sealed.blocks_with(kind, hash),
            Self::Running(running) => Ok(running.keyed.clone()),
        }
    }
}

/// The parts of a day, oldest first. `key` is the one that will be asked for.
pub(super) fn of(day: &Path, key: Option<(KeyKind, u64)>) -> Result<Vec<Part>, Error> {
    for _ in 0..TRIES {
        let files = match day::Files::of(day) {
            Ok(files) => files,
            // Dropped between the listing of the days and now.
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(Error::io(day, source)),
        };
        let closed = files.sealed.iter().map(|n| Part::Closed(day::segment(day, *n, "seg")));
        let mut parts: Vec<Part> = closed.collect();
        let mut steady = true;
        for number in &files.running {
            match running(day, *number, &files, key)? {
                Some(more) => parts.extend(more),
                None => steady = false,
            }
        }
        if steady {
            return Ok(parts);
        }
    }
    Err(Error::damaged(day, "its running segment"))
}

/// Blocks and tail of a running segment; `None` if it changed while it was looked at.
fn running(
    day: &Path,
    number: u32,
    files: &day::Files,
    key: Option<(KeyKind, u64)>,
) -> Result<Option<Vec<Part>>, Error> {
    let mut tails = Vec::new();
    for (_, block) in files.tails.iter().filter(|(segment, _)| *segment == number) {
        let Some(tail) = tail::read(&day::tail(day, number, *block))? else { return Ok(None) };
        tails.push(tail);
    }
    let path = day::segment(day, number, "open");
    let Some(notes) = frames::read(&day::segment(day, number, "idx"))? else { return Ok(None) };
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::io(&path, source)),
    };
    let mut index = Index::default();
    let mut keyed = Vec::new();
    journal::read(&notes, HEAD_BYTES, &mut index, |hash, block| {
        if key.is_some_and(|(_, wanted)| wanted == hash) {
            keyed.push(block as u32);
        }
    });
    keyed.dedup();
    let last_id = index.last_id();
    let mut parts = Vec::new();
    if !index.places.is_empty() {
        check_head(&file, &path)?;
        let keyed = key.map(|_| keyed);
        parts.push(Part::Blocks(Blocks::Running(Running { file, path, index: Arc::new(index), keyed })));
    }
    for mut tail in tails {
        let mut shapes = Shapes::default();
        tail.skip_to(last_id);
        tail.find_shapes(&mut shapes);
        parts.push(Part::Tail { tail, shapes: shapes.list });
    }
    Ok(Some(parts))
}
