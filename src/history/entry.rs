//! One record on its way into the history: what the writer needs beside its line, computed where the record is at hand.

use super::keys::{self, KeyKind};
use super::shape::Shape;
use crate::exchange::record::Record;
use std::ops::Range;

/// One record of a [`super::Batch`]. Holds no text: the line has it all.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Request head read: microseconds since the Unix epoch, wall clock.
    pub(super) ts_us: i64,
    /// When the last attempt's answer head arrived, or its failure was known; `None` when nothing was sent.
    pub(super) head_us: Option<i64>,
    /// Request sent to answer head.
    pub(super) upstream_us: Option<u32>,
    /// Hash of the words that filters look at.
    pub(super) shape: u64,
    /// Hashes of the ids it is looked up by; 0 for one it does not have.
    pub(super) keys: [u64; KeyKind::ALL.len()],
    /// Where its JSON object stands in [`super::Batch::lines`], without the line's end.
    pub(super) line: Range<usize>,
}

impl Entry {
    /// The entry of a record whose JSON object stands at `line` of the batch. `ts_us`: request head read; `head_us`: the
    /// last attempt's answer head arrived, or its failure was known, `None` when nothing was sent; both in
    /// microseconds since the Unix epoch, wall clock.
    pub fn of(record: &Record, ts_us: i64, head_us: Option<i64>, line: Range<usize>) -> Self {
        let vendor = record.vendor_request_id.as_ref().map_or("", |id| id.as_str());
        Self {
            ts_us,
            head_us,
            upstream_us: record.upstream_ms.map(us),
            shape: Shape::hash(
                [
                    &record.endpoint,
                    &record.method,
                    &record.outcome,
                    record.error_kind.as_deref().unwrap_or(""),
                    &record.kind,
                    &record.integration,
                    &record.upstream,
                ],
                record.status_code,
                record.inner_status,
            ),
            keys: [
                keys::hash(KeyKind::Correlation, record.correlation_id.as_str()),
                keys::hash(KeyKind::Trace, &record.trace_id),
                keys::hash(KeyKind::VendorRequest, vendor),
            ],
            line,
        }
    }
}

/// Milliseconds as whole microseconds, as far as they go.
pub(super) fn us(ms: f64) -> u32 {
    (ms * 1000.0).round() as u32
}
