//! What is known of a segment's blocks: where each stands, what shapes it holds.

use super::block::{PLACE_BYTES, Place};
use super::codec::{Input, put_varint};
use super::shape::Shape;

/// The blocks of a segment, in the order of recording, and in which of them each shape occurs.
#[derive(Default)]
pub(super) struct Index {
    pub(super) places: Vec<Place>,
    rows: u64,
    pub(super) shapes: Vec<Shape>,
    /// For each shape, the numbers of the blocks that hold it, growing.
    pub(super) occurs: Vec<Vec<u32>>,
}

impl Index {
    /// Notes the next block, which holds these shapes.
    pub(super) fn add(&mut self, place: Place, shapes: &[u32]) {
        let block = self.places.len() as u32;
        for shape in shapes {
            let shape = *shape as usize;
            if self.occurs.len() <= shape {
                self.occurs.resize(shape + 1, Vec::new());
            }
            self.occurs[shape].push(block);
        }
        self.rows += u64::from(place.rows);
        self.places.push(place);
    }

    /// Rows in all blocks.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// The greatest id; 0 when there is none.
    pub(super) fn last_id(&self) -> i64 {
        self.places.last().map_or(0, |place| place.last_id)
    }

    /// Which blocks hold a row of an accepted shape.
    pub(super) fn holding(&self, accepted: &[bool]) -> Vec<bool> {
        let mut holding = vec![false; self.places.len()];
        let lists = self.occurs.iter().zip(accepted).filter(|(_, accepted)| **accepted);
        for block in lists.flat_map(|(list, _)| list) {
            if let Some(held) = holding.get_mut(*block as usize) {
                *held = true;
            }
        }
        holding
    }

    /// `shapes` stands apart from the index while it is written.
    pub(super) fn write(&self, shapes: &[Shape], out: &mut Vec<u8>) {
        out.reserve(self.places.len() * PLACE_BYTES);
        self.places.iter().for_each(|place| place.write(out));
        put_varint(out, shapes.len() as u64);
        for (number, shape) in shapes.iter().enumerate() {
            shape.write(out);
            let blocks = self.occurs.get(number).map_or(&[][..], Vec::as_slice);
            put_varint(out, blocks.len() as u64);
            let mut last = 0;
            for block in blocks {
                put_varint(out, u64::from(block - last));
                last = *block;
            }
        }
    }

    pub(super) fn read(bytes: &[u8], blocks: u32) -> Option<Self> {
        let mut input = Input(bytes);
        let places = (0..blocks).map(|_| Place::read(&mut input)).collect::<Option<Vec<_>>>()?;
        let mut index = Self { rows: count(&places), places, ..Self::default() };
        for _ in 0..input.count()? {
            index.shapes.push(Shape::read(&mut input)?);
            let (mut list, mut last) = (Vec::new(), 0_u32);
            for _ in 0..input.count()? {
                last = last.checked_add(u32::try_from(input.varint()?).ok()?)?;
                list.push(last);
            }
            index.occurs.push(list);
        }
        Some(index)
    }
}

fn count(places: &[Place]) -> u64 {
    places.iter().map(|place| u64::from(place.rows)).sum()
}
