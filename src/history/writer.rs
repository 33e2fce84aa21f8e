//! The thread that writes, and the handle that everybody else holds.

use super::store::{Store, UPKEEP_EVERY};
use super::{Batch, Config, Counters, Entry, Error};
use crate::clock::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Bytes that batches may hold while they wait: a few seconds at full load on a stalled disk.
const QUEUE_BYTES: usize = 32 << 20;

/// Rows after which waiting batches are no longer written together: beyond it a row gets no cheaper.
const GROUP_ROWS: usize = 2_000;

/// Bytes after which they are not either: the history's bound is looked at before a group, so one may go beyond it by
/// so much.
const GROUP_BYTES: usize = 4 << 20;

/// Rest after a group, like the recorder's: what arrives meanwhile is written together, without a wake-up for each batch.
/// Adds so much to the delay of `vigie log -f`, and to what a kill finds in no file yet.
const REST: Duration = Duration::from_millis(25);

enum Message {
    Append(Batch, usize),
    Flush(SyncSender<()>),
    Stop(SyncSender<()>),
}

impl Message {
    fn rows(&self) -> usize {
        if let Self::Append(batch, _) = self { batch.entries.len() } else { 0 }
    }
}

/// So many records did not get into the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the history's queue is full: {0} records dropped")]
pub struct Dropped(
    /// Records.
    pub u64,
);

/// Hands batches to the writer. Clones share it.
#[derive(Clone, Debug)]
pub struct History {
    messages: Sender<Message>,
    queued: Arc<AtomicUsize>,
    counters: Counters,
}

impl History {
    /// Opens the history and starts its thread, which ends at [`History::shutdown`] or with the last handle.
    ///
    /// # Errors
    /// When the running segment was written by a newer version, or no thread can be started. Later
    /// failures never show here: they are counted, logged once, and overcome when the disk is well again.
    pub fn open(config: &Config, clock: Clock, counters: Counters) -> Result<(Self, JoinHandle<()>), Error> {
        let store = Store::open(config, clock, counters.clone())?;
        let (messages, inbox) = channel();
        let queued = Arc::new(AtomicUsize::new(0));
        let history = Self { messages, queued: queued.clone(), counters };
        let thread = std::thread::Builder::new()
            .name("vigie-history".into())
            .spawn(move || write_all(store, inbox, &queued))
            .map_err(|source| Error::Io { path: config.dir.clone(), source })?;
        Ok((history, thread))
    }

    /// Queues a batch; never waits.
    ///
    /// # Errors
    /// [`Dropped`], already counted, when the queue is full or the writer has stopped.
    pub fn try_append(&self, batch: Batch) -> Result<(), Dropped> {
        let rows = batch.entries.len() as u64;
        let bytes = batch.lines.len() + batch.entries.len() * size_of::<Entry>();
        let waiting = self.queued.fetch_add(bytes, Ordering::Relaxed);
        // A batch larger than the whole bound still gets in when nothing waits: its memory is there anyway.
        let fits = waiting == 0 || waiting + bytes <= QUEUE_BYTES;
        if fits && self.messages.send(Message::Append(batch, bytes)).is_ok() {
            return Ok(());
        }
        self.queued.fetch_sub(bytes, Ordering::Relaxed);
        self.counters.dropped.fetch_add(rows, Ordering::Relaxed);
        Err(Dropped(rows))
    }

    /// Waits until all that was queued before is written or dropped; false if that took longer.
    pub fn flush(&self, deadline: Duration) -> bool {
        self.ask(Message::Flush, deadline)
    }

    /// Writes what is queued, hands it to the disk and ends the thread; false if that took longer.
    pub fn shutdown(&self, deadline: Duration) -> bool {
        self.ask(Message::Stop, deadline)
    }

    /// Bytes that all days hold together.
    pub fn bytes(&self) -> u64 {
        self.counters.bytes.load(Ordering::Relaxed)
    }

    fn ask(&self, message: fn(SyncSender<()>) -> Message, deadline: Duration) -> bool {
        let (done, answer) = sync_channel(1);
        self.messages.send(message(done)).is_ok() && answer.recv_timeout(deadline).is_ok()
    }
}

fn write_all(mut store: Store, inbox: Receiver<Message>, queued: &AtomicUsize) {
    loop {
        let wait = store.sync().map_or(UPKEEP_EVERY, |left| left.min(UPKEEP_EVERY));
        let mut next = match inbox.recv_timeout(wait) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => {
                store.tend();
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return store.close(),
        };
        let mut batches = Vec::new();
        let (mut rows, mut bytes, mut full) = (0, 0, false);
        while let Some(Message::Append(batch, weight)) = next {
            rows += batch.entries.len();
            bytes += weight;
            batches.push(batch);
            full = rows >= GROUP_ROWS || bytes >= GROUP_BYTES;
            next = if full { None } else { inbox.try_recv().ok() };
        }
        if !batches.is_empty() {
            store.append(&batches);
            drop(batches);
            queued.fetch_sub(bytes, Ordering::Relaxed);
        }
        match next {
            Some(Message::Flush(done)) => {
                let _asker_gone = done.try_send(());
            }
            Some(Message::Stop(done)) => {
                store.count_dropped(inbox.try_iter().map(|late| late.rows()).sum());
                store.close();
                drop(inbox);
                let _asker_gone = done.try_send(());
                return;
            }
            None if !full => std::thread::park_timeout(REST),
            Some(Message::Append(..)) | None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::testing::{NOON, batch, clock_at, config, record};
    use crate::history::{Filter, Reader};
    use serde_json::json;

    const LONG: Duration = Duration::from_secs(30);

    fn one() -> Batch {
        batch([(NOON, record(json!({})))])
    }

    #[test]
    fn what_was_queued_before_a_flush_is_found_after_it() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        let (history, thread) = History::open(&config, clock_at(NOON), Counters::default()).unwrap();
        for _ in 0..3 {
            history.try_append(one()).unwrap();
        }
        assert!(history.flush(LONG));
        let reader = Reader::open_readonly(&config.dir).unwrap();
        assert_eq!(reader.search(&Filter::default()).unwrap().lines.len(), 3);
        assert!(history.bytes() > 0);
        assert!(history.shutdown(LONG));
        thread.join().unwrap();
        assert_eq!(history.queued.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn shutdown_writes_what_waits_and_later_rows_are_counted_as_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        let counters = Counters::default();
        let (history, thread) = History::open(&config, clock_at(NOON), counters.clone()).unwrap();
        history.try_append(one()).unwrap();
        assert!(history.shutdown(LONG));
        thread.join().unwrap();
        assert_eq!(history.try_append(one()), Err(Dropped(1)));
        assert!(!history.flush(LONG));
        assert_eq!(counters.written.load(Ordering::Relaxed), 1);
        assert_eq!(counters.dropped.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_stalled_writer_costs_rows_not_memory() {
        let (messages, inbox) = channel();
        let history = History { messages, queued: Arc::default(), counters: Counters::default() };
        let large = Batch { lines: Arc::new(vec![b' '; QUEUE_BYTES + 1]), ..one() };
        assert_eq!(history.try_append(large), Ok(()), "alone, any batch gets in");
        assert_eq!(history.try_append(one()), Err(Dropped(1)));
        assert_eq!(history.counters.dropped.load(Ordering::Relaxed), 1);
        assert_eq!(inbox.try_iter().count(), 1);
    }
}
