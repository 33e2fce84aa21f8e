//! Files that grow by frames: a length, a checksum, the content. Whatever a kill or a power cut left half-written at the
//! end is no whole frame, and is cut off.

use super::codec::{Input, sum};
use super::{Error, block};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Bytes before a frame's content.
const HEAD: usize = 12;

/// Most bytes of such a file that are read: a segment's places and keys take some megabytes.
const MAX_FILE: u64 = 256 << 20;

/// A file that only grows, and goes back to its last whole state when a write fails.
pub(super) struct Growing {
    file: File,
    pub(super) len: u64,
}

impl Growing {
    /// Opens the file at this length, or makes it, readable by its owner alone.
    pub(super) fn open(path: &Path, len: u64) -> Result<Self, Error> {
        // Never truncated here: what stands beyond `len` is cut below, once the file is known to be ours.
        let options = OpenOptions::new().read(true).append(true).create(true).mode(0o600).to_owned();
        let file = options.open(path).map_err(|e| Error::io(path, e))?;
        file.set_len(len).map_err(|e| Error::io(path, e))?;
        Ok(Self { file, len })
    }

    /// The file, to read from.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Appends all of it or nothing.
    pub(super) fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        if let Err(error) = (&self.file).write_all(bytes) {
            // If even this fails, the next opening cuts it off.
            let _ = self.file.set_len(self.len);
            return Err(error);
        }
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// A file of this length on a disk that is full.
    #[cfg(test)]
    pub(super) fn full(len: u64) -> Self {
        Self { file: OpenOptions::new().append(true).open("/dev/full").unwrap(), len }
    }

    /// Goes back to an earlier length.
    pub(super) fn cut(&mut self, len: u64) {
        let _ = self.file.set_len(len);
        self.len = len;
    }
}

/// Starts a frame; its content follows, then [`end`].
pub(super) fn begin(out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(&[0; HEAD]);
    out.len()
}

/// Ends the frame that [`begin`] started.
pub(super) fn end(out: &mut [u8], start: usize) {
    let (head, content) = out.split_at_mut(start);
    let at = start - HEAD;
    head[at..at + 4].copy_from_slice(&(content.len() as u32).to_le_bytes());
    head[at + 4..].copy_from_slice(&sum(content).to_le_bytes());
}

/// Hands over the content of every whole frame, until one is refused or cut off; the length of what was taken.
pub(super) fn walk<'a>(bytes: &'a [u8], mut take: impl FnMut(&'a [u8]) -> Option<()>) -> u64 {
    let mut input = Input(bytes);
    loop {
        let at = bytes.len() - input.0.len();
        let content = frame(&mut input);
        if content.and_then(&mut take).is_none() {
            return at as u64;
        }
    }
}

fn frame<'a>(input: &mut Input<'a>) -> Option<&'a [u8]> {
    let (length, expected) = (input.u32()?, input.u64()?);
    let content = input.take(length as usize)?;
    (sum(content) == expected && !content.is_empty()).then_some(content)
}

/// The whole file; `None` if it is not there.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::io(path, source)),
    };
    let length = file.metadata().map_err(|e| Error::io(path, e))?.len();
    if length > MAX_FILE {
        return Err(Error::damaged(path, "its length"));
    }
    block::read_at(&file, path, 0, length as usize).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(contents: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        for content in contents {
            let start = begin(&mut out);
            out.extend_from_slice(content);
            end(&mut out, start);
        }
        out
    }

    fn walked(bytes: &[u8]) -> (Vec<Vec<u8>>, u64) {
        let mut seen = Vec::new();
        let length = walk(bytes, |content| {
            seen.push(content.to_vec());
            Some(())
        });
        (seen, length)
    }

    #[test]
    fn wherever_a_file_is_cut_whole_frames_stay() {
        let whole = frames(&[b"one", b"three"]);
        let first = frames(&[b"one"]).len();
        for cut in 0..whole.len() {
            let expected = if cut < first { (vec![], 0) } else { (vec![b"one".to_vec()], first as u64) };
            assert_eq!(walked(&whole[..cut]), expected, "{cut}");
        }
        assert_eq!(walked(&whole).1, whole.len() as u64);
    }

    #[test]
    fn a_changed_byte_and_zeros_end_the_walk() {
        let mut bytes = frames(&[b"one", b"two"]);
        let length = bytes.len() as u64;
        bytes.extend_from_slice(&[0; 40]);
        assert_eq!(walked(&bytes).1, length);
        bytes[HEAD] ^= 1;
        assert_eq!(walked(&bytes).1, 0);
    }

    #[test]
    fn a_failed_write_leaves_the_file_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let mut growing = Growing::open(&path, 0).unwrap();
        growing.append(b"abc").unwrap();
        let mut full = Growing::full(0);
        assert!(full.append(b"abc").is_err());
        assert_eq!(full.len, 0);
        growing.append(b"def").unwrap();
        growing.cut(4);
        assert_eq!(std::fs::read(&path).unwrap(), b"abcd");
        assert_eq!(Growing::open(&path, 2).unwrap().len, 2);
        assert_eq!(std::fs::read(&path).unwrap(), b"ab");
    }
}
