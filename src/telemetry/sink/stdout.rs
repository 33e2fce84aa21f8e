//! Lines on standard output, for whoever collects a container's output.

use super::Outcome;
use super::lines::Lines;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;

/// Standard output, written around the standard library's buffer: a chunk is whole lines already.
pub(super) struct Stdout {
    lines: Lines,
    /// Its reader is gone for good: lines are dropped in silence from then on.
    closed: bool,
}

impl Stdout {
    /// Takes a handle of its own on standard output.
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self::over(File::from(io::stdout().as_fd().try_clone_to_owned()?)))
    }

    fn over(file: File) -> Self {
        Self { lines: Lines::new(file, false), closed: false }
    }

    pub(super) fn write(&mut self, chunk: &[u8]) -> Outcome {
        if self.closed {
            return Outcome { lines: 0, error: None };
        }
        let outcome = self.lines.write(chunk);
        if outcome.error.as_ref().is_some_and(|e| e.kind() == ErrorKind::BrokenPipe) {
            self.closed = true;
            return Outcome { error: None, ..outcome };
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::fd::OwnedFd;

    #[test]
    fn a_pipe_gets_the_lines_and_a_reader_that_left_is_no_error() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut stdout = Stdout::over(File::from(OwnedFd::from(writer)));
        assert_eq!(stdout.write(b"one\ntwo\n").lines, 2);
        let mut read = [0; 8];
        reader.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"one\ntwo\n");
        drop(reader);
        for _ in 0..2 {
            let outcome = stdout.write(b"three\n");
            assert_eq!((outcome.lines, outcome.error.is_none()), (0, true));
        }
        assert!(stdout.closed);
    }

    #[test]
    fn a_full_disk_behind_it_is_an_error() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let outcome = Stdout::over(full).write(b"one\n");
        assert_eq!((outcome.lines, outcome.error.map(|e| e.kind())), (0, Some(ErrorKind::StorageFull)));
    }
}
