//! One agent a data directory: two would write the same history and log files, and hand out addresses over each other.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The locked file's name, in the data directory. It holds the process id of who locked it last.
const NAME: &str = "vigie.lock";

/// Bytes of the file that are read: a process id and a line's end.
const MAX_PID_BYTES: u64 = 16;

/// The data directory, held until it is dropped. The kernel lets go when the process ends, however it ends.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Its drop unlocks.
    _lock: Option<File>,
}

/// Why the directory cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another agent has it.
    #[error(
        "data_dir {} is in use by another Vigie{holder}; stop that one, or give this one a data_dir of its own",
        dir.display()
    )]
    Held {
        /// The directory.
        dir: PathBuf,
        /// ` (process 123)`, where that is known.
        holder: String,
    },
    /// The directory or its lock's file cannot be used.
    #[error("data_dir {} cannot be made or locked: {source}", dir.display())]
    Io {
        /// The directory.
        dir: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl DataDir {
    /// Makes and locks `dir`. On a file system that knows no locks it only warns.
    ///
    /// # Errors
    /// At once when another process holds it, naming that, and when the file cannot be used.
    pub fn take(dir: &Path) -> Result<Self, LockError> {
        let io = |source| LockError::Io { dir: dir.to_owned(), source };
        let holding = |lock| Self { path: dir.to_owned(), _lock: lock };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io)?;
        let mut options = OpenOptions::new();
        // Not truncated: it tells who holds the lock.
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(dir.join(NAME)).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {
                // A disk without room for it costs the other one's message its number.
                let _ = tell_pid(&mut file);
                Ok(holding(Some(file)))
            }
            Err(TryLockError::WouldBlock) => Err(LockError::Held { dir: dir.to_owned(), holder: holder(&file) }),
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                tracing::warn!(%error, dir = %dir.display(), "the data directory cannot be locked: nothing keeps a second agent out");
                Ok(holding(None))
            }
            Err(TryLockError::Error(error)) => Err(io(error)),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn tell_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

/// Only a number is quoted: anybody who may write the directory may have put anything there.
fn holder(file: &File) -> String {
    let mut text = String::new();
    let read = file.take(MAX_PID_BYTES).read_to_string(&mut text);
    let pid = read.ok().and_then(|_| text.trim().parse::<u32>().ok());
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_holds_it_and_a_third_gets_it_later() {
        let dir = tempfile::tempdir().expect("a directory");
        let first = DataDir::take(dir.path()).expect("free");
        let refused = DataDir::take(dir.path()).expect_err("held").to_string();
        let expected = format!("{} is in use by another Vigie (process {});", dir.path().display(), std::process::id());
        assert!(refused.contains(&expected), "{refused}");
        drop(first);
        DataDir::take(dir.path()).expect("free again");
    }

    #[test]
    fn what_is_no_number_is_not_quoted() {
        let dir = tempfile::tempdir().expect("a directory");
        let _first = DataDir::take(dir.path()).expect("free");
        std::fs::write(dir.path().join(NAME), "jean@example.com").expect("written");
        let refused = DataDir::take(dir.path()).expect_err("held").to_string();
        assert!(refused.contains("by another Vigie; stop"), "{refused}");
    }
}
