//! Whole lines into a file or a pipe, also when a write stops half-way.

use super::Outcome;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::time::Duration;

/// How long to wait before a pipe that its owner made non-blocking is tried again.
const FULL_PIPE_WAIT: Duration = Duration::from_millis(10);

/// An open output, and whether half a line stands at its end.
#[derive(Debug)]
pub(super) struct Lines {
    file: File,
    /// A regular file of ours, opened for appending: its end may be cut off.
    ours: bool,
    torn: bool,
}

impl Lines {
    /// `ours`: a file opened for appending that nobody else writes to.
    pub(super) fn new(file: File, ours: bool) -> Self {
        Self { file, ours, torn: false }
    }

    /// Half a line stands at the end already, left by a process that was killed: it is ended before the next.
    pub(super) fn torn(self, torn: bool) -> Self {
        Self { torn, ..self }
    }

    /// Writes a chunk of whole lines. When that stops half-way, the half line is cut off, or else ended before the next.
    pub(super) fn write(&mut self, chunk: &[u8]) -> Outcome {
        if self.torn {
            if let (_, Some(error)) = push(&mut self.file, b"\n") {
                return Outcome { lines: 0, error: Some(error) };
            }
            self.torn = false;
        }
        let (written, error) = push(&mut self.file, chunk);
        let whole = memchr::memrchr(b'\n', &chunk[..written]).map_or(0, |at| at + 1);
        if written > whole {
            self.torn = !self.cut_off(written - whole);
        }
        Outcome { lines: memchr::memchr_iter(b'\n', &chunk[..whole]).count() as u64, error }
    }

    fn cut_off(&self, bytes: usize) -> bool {
        let cut = |len: u64| self.file.set_len(len.saturating_sub(bytes as u64));
        self.ours && self.file.metadata().and_then(|m| cut(m.len())).is_ok()
    }
}

/// Writes as much as it can; how much that was, and what stopped it.
fn push(out: &mut impl Write, bytes: &[u8]) -> (usize, Option<io::Error>) {
    let mut done = 0;
    while done < bytes.len() {
        match out.write(&bytes[done..]) {
            Ok(0) => return (done, Some(ErrorKind::WriteZero.into())),
            Ok(n) => done += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            // Standard output shared with a program that made it non-blocking: a full pipe is no failure.
            Err(e) if e.kind() == ErrorKind::WouldBlock => std::thread::park_timeout(FULL_PIPE_WAIT),
            Err(e) => return (done, Some(e)),
        }
    }
    (done, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes, then fails as a full disk does.
    struct Quota(Vec<u8>, usize);

    impl Write for Quota {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let n = bytes.len().min(self.1).min(3);
            if n == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            self.0.extend_from_slice(&bytes[..n]);
            self.1 -= n;
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn pushing_tells_how_far_it_came() {
        let mut disk = Quota(Vec::new(), 5);
        let (done, error) = push(&mut disk, b"one\ntwo\n");
        assert_eq!((done, error.map(|e| e.kind())), (5, Some(ErrorKind::StorageFull)));
        assert_eq!(disk.0, b"one\nt");
    }

    #[test]
    fn half_a_line_is_cut_off_a_file_of_ours() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let open = || std::fs::OpenOptions::new().append(true).create(true).open(&path).unwrap();
        let mut lines = Lines::new(open(), true);
        let outcome = lines.write(b"one\nhal");
        assert_eq!((outcome.lines, lines.torn), (1, false));
        lines.write(b"two\n");
        assert_eq!(std::fs::read(&path).unwrap(), b"one\ntwo\n");
    }

    #[test]
    fn half_a_line_elsewhere_is_ended_before_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut lines = Lines::new(File::create(&path).unwrap(), false);
        assert_eq!(lines.write(b"one\nhal").lines, 1);
        assert_eq!(lines.write(b"two\n").lines, 1);
        assert_eq!(std::fs::read(&path).unwrap(), b"one\nhal\ntwo\n");
    }
}
