//! The running segment's journal, `NNNNNN.idx`: a frame a block, with all that the sealed segment's index and key table
//! will be made of. A block counts once its frame is whole.

use super::block::Place;
use super::codec::{Input, put_varint};
use super::frames;
use super::index::Index;
use super::shape::Shape;

/// One block's frame.
pub(super) struct Note<'a> {
    pub(super) place: Place,
    /// Shapes first met in this block; they take the next numbers.
    pub(super) new_shapes: &'a [Shape],
    /// Numbers of the shapes in the block.
    pub(super) shapes: &'a [u32],
    /// Hashes of the keys in the block.
    pub(super) keys: &'a [u64],
}

impl Note<'_> {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let start = frames::begin(out);
        self.place.write(out);
        put_varint(out, self.new_shapes.len() as u64);
        self.new_shapes.iter().for_each(|shape| shape.write(out));
        put_varint(out, self.shapes.len() as u64);
        self.shapes.iter().for_each(|shape| put_varint(out, (*shape).into()));
        self.keys.iter().for_each(|key| out.extend_from_slice(&key.to_le_bytes()));
        frames::end(out, start);
    }
}

/// Reads a journal into an index whose first block stands at `offset`; each key is handed over with its block's number.
/// Gives the length of what is whole.
pub(super) fn read(bytes: &[u8], offset: u64, index: &mut Index, mut key: impl FnMut(u64, usize)) -> u64 {
    let mut next = offset;
    frames::walk(bytes, |content| {
        let mut input = Input(content);
        let place = Place::read(&mut input).filter(|place| place.offset == next)?;
        let new = (0..input.count()?).map(|_| Shape::read(&mut input)).collect::<Option<Vec<_>>>()?;
        let numbers = (0..input.count()?).map(|_| u32::try_from(input.varint()?).ok()).collect::<Option<Vec<_>>>()?;
        let known = (index.shapes.len() + new.len()) as u32;
        if numbers.iter().any(|number| *number >= known) {
            return None;
        }
        let block = index.places.len();
        while let Some(hash) = input.u64() {
            key(hash, block);
        }
        index.shapes.extend(new);
        index.add(place, &numbers);
        next = place.end();
        Some(())
    })
}
