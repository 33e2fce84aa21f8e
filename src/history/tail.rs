//! The rows that are in no block yet: `NNNNNN-BBBBB.tail`, plain lines in frames, written at once so that a kill loses
//! nothing and readers see them. A file of its own for each block to come, deleted when that block is there: whoever
//! has it open still reads a whole one.

use super::block::{Row, columns, put_columns};
use super::codec::Input;
use super::shape::{Shape, Shapes};
use super::{Error, frames};
use std::path::Path;

/// What a tail holds.
#[derive(Default)]
pub(super) struct Tail {
    pub(super) rows: Vec<Row>,
    /// Their lines, each ended.
    pub(super) text: Vec<u8>,
    /// Bytes of the file that are whole.
    pub(super) len: u64,
    /// Bytes of the file.
    pub(super) file_len: u64,
}

/// Writes the frame of some rows.
pub(super) fn write(rows: &[Row], text: &[u8], out: &mut Vec<u8>) {
    let start = frames::begin(out);
    out.extend_from_slice(&(rows.len() as u32).to_le_bytes());
    let length_at = out.len();
    out.extend_from_slice(&[0; 4]);
    put_columns(rows, out);
    let length = (out.len() - length_at - 4) as u32;
    out[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
    out.extend_from_slice(text);
    frames::end(out, start);
}

/// Reads the file; `None` if it is not there.
pub(super) fn read(path: &Path) -> Result<Option<Tail>, Error> {
    let Some(bytes) = frames::read(path)? else { return Ok(None) };
    let mut tail = Tail { file_len: bytes.len() as u64, ..Tail::default() };
    tail.len = frames::walk(&bytes, |content| {
        let mut input = Input(content);
        let (count, length) = (input.u32()?, input.u32()?);
        tail.rows.extend(columns(input.take(length as usize)?, count)?);
        tail.text.extend_from_slice(input.0);
        Some(())
    });
    if tail.lines().count() != tail.rows.len() {
        return Err(Error::damaged(path, "its lines"));
    }
    Ok(Some(tail))
}

impl Tail {
    /// Its lines, without their ends.
    pub(super) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        lines(&self.text)
    }

    /// Gives its rows the numbers of their shapes, found by reading the lines: the file does not keep the shapes.
    /// Rows whose line cannot be read are taken out.
    pub(super) fn find_shapes(&mut self, shapes: &mut Shapes) {
        let mut kept = Self { len: self.len, file_len: self.file_len, ..Self::default() };
        for (row, line) in self.rows.iter().zip(lines(&self.text)) {
            let number = Shape::of_line(line).and_then(|shape| shapes.number(shape.own_hash(), line));
            if let Some(shape) = number {
                kept.rows.push(Row { shape, ..*row });
                kept.text.extend_from_slice(line);
                kept.text.push(b'\n');
            }
        }
        *self = kept;
    }

    /// Takes out the rows that are in a block already: a kill came between the block and the tail's end.
    pub(super) fn skip_to(&mut self, last_id: i64) {
        let known = self.rows.iter().take_while(|row| row.id <= last_id).count();
        let bytes: usize = self.lines().take(known).map(|line| line.len() + 1).sum();
        self.rows.drain(..known);
        self.text.drain(..bytes);
    }
}

/// The lines of a block or tail, without their ends.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = memchr::memchr(b'\n', rest)?;
        let (line, after) = rest.split_at(end);
        rest = &after[1..];
        Some(line)
    })
}
