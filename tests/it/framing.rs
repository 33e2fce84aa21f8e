//! The corpora of raw bytes, through the whole agent: what is refused is told, recorded, counted and never forwarded.

mod answers;
pub mod cases;
mod limits;
mod messages;
mod requests;
