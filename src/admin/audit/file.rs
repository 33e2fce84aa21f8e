//! The files: `<data_dir>/audit/2026-11.jsonl`, one a month, for their owner alone, appended to and never rewritten.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Months kept, the current one among them: a year can be looked back on, at any day of it.
pub const MONTHS: usize = 13;

/// A month holds at most this. Folding and roles keep it far below; when it is reached, acts are refused rather than
/// entries lost.
pub const MAX_MONTH_BYTES: u64 = 256 << 20;

/// Read at most at a time: some 4,000 entries.
const MAX_READ: u64 = 1 << 20;

/// The month under way.
pub struct Months {
    dir: PathBuf,
    month: String,
    open: Option<(File, u64)>,
}

impl Months {
    /// Files in `dir`.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, month: String::new(), open: None }
    }

    /// Appends whole lines, each beginning with its timestamp's object, and waits until they are on disk.
    pub fn append(&mut self, lines: &str) -> io::Result<()> {
        let month = month_of(lines).to_owned();
        if self.month != month || !self.is_in_place() {
            self.open = Some(self.open_month(&month)?);
            self.month = month;
            forget_old(&self.dir)?;
        }
        let Some((file, bytes)) = &mut self.open else { return Ok(()) };
        let more = lines.len() as u64;
        if *bytes + more > MAX_MONTH_BYTES {
            return Err(io::Error::other(format!("this month's file holds {} MiB, the most it may", *bytes >> 20)));
        }
        let written = file.write_all(lines.as_bytes()).and_then(|()| file.sync_data());
        match written {
            Ok(()) => *bytes += more,
            // Opened anew, and after a line break, so that half a line spoils no other.
            Err(_) => self.open = None,
        }
        written
    }

    /// Whether what is open is still what its name leads to: a file that was removed takes no more lines with it.
    fn is_in_place(&self) -> bool {
        let Some((file, _)) = &self.open else { return false };
        let named = std::fs::metadata(self.path(&self.month));
        let same =
            |named: Metadata| file.metadata().is_ok_and(|open| (open.dev(), open.ino()) == (named.dev(), named.ino()));
        named.is_ok_and(same)
    }

    fn path(&self, month: &str) -> PathBuf {
        self.dir.join(format!("{month}.jsonl"))
    }

    fn open_month(&self, month: &str) -> io::Result<(File, u64)> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        let mut file = OpenOptions::new().create(true).append(true).read(true).mode(0o600).open(self.path(month))?;
        let bytes = file.seek(SeekFrom::End(0))?;
        let mut last = [b'\n'];
        if bytes > 0 {
            file.seek(SeekFrom::Start(bytes - 1))?;
            file.read_exact(&mut last)?;
        }
        if last != [b'\n'] {
            file.write_all(b"\n")?;
        }
        Ok((file, bytes))
    }
}

/// The first seven characters of the first line's timestamp: a batch across midnight of a month goes to the month it began in.
fn month_of(lines: &str) -> &str {
    let at = lines.find("\"timestamp\":\"").map(|at| at + 13);
    at.and_then(|at| lines.get(at..at + 7)).unwrap_or("undated")
}

fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.map(|e| e.path())).collect::<io::Result<_>>()?;
    found.retain(|path| path.extension().is_some_and(|e| e == "jsonl"));
    found.sort();
    Ok(found)
}

fn forget_old(dir: &Path) -> io::Result<()> {
    let found = files(dir)?;
    let old = found.len().saturating_sub(MONTHS);
    found[..old].iter().try_for_each(std::fs::remove_file)
}

/// The newest lines over all months, oldest first.
pub fn newest(dir: &Path, limit: usize) -> io::Result<Vec<String>> {
    let mut lines: Vec<String> = Vec::new();
    let mut left = MAX_READ;
    for path in files(dir)?.iter().rev() {
        let text = tail(path, left)?;
        left -= text.len() as u64;
        let missing = limit - lines.len();
        lines.extend(text.lines().rev().filter(|line| line.ends_with('}')).take(missing).map(str::to_owned));
        if lines.len() == limit || left == 0 {
            break;
        }
    }
    lines.reverse();
    Ok(lines)
}

/// The last whole lines of a file, `most` bytes of them.
fn tail(path: &Path, most: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    let from = file.metadata()?.len().saturating_sub(most);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let whole = if from == 0 { &*text } else { text.split_once('\n').map_or("", |(_, rest)| rest) };
    Ok(whole.to_owned())
}
