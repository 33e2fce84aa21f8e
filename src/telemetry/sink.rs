//! Where the exchange log's lines go: standard output, a rotated file, or both.
//!
//! Each sink has a bounded queue and a thread of its own: a reader that does not read, or a full disk, costs counted
//! lines of that sink and nothing else. Chunks hold whole lines; a sink never leaves half a line in another's way.

mod file;
mod lines;
mod stdout;

use super::LogConfig;
use crate::clock::Clock;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

/// Bytes that may wait for one sink: a few seconds at full load on a stalled disk or pipe.
const QUEUE_BYTES: usize = 32 << 20;

/// What a waiting chunk weighs beside its bytes, so that empty ones are bounded too.
const CHUNK_BYTES: usize = 128;

/// How often a sink looks after itself (rotation and deletion by age) when nothing is written.
const UPKEEP_EVERY: Duration = Duration::from_secs(60);

/// What one sink counts, in lines; clones share the same numbers.
#[derive(Clone, Debug, Default)]
pub struct SinkCounters {
    /// Lines written.
    pub written: Arc<AtomicU64>,
    /// Lines lost: the queue was full, the disk failed, or nobody reads.
    pub dropped: Arc<AtomicU64>,
    /// Failed writes, however many lines each cost.
    pub errors: Arc<AtomicU64>,
    /// Whole files that went before their days were over.
    pub removed_early: Arc<AtomicU64>,
}

/// The sinks. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct LogSinks {
    sinks: Arc<[Sink]>,
}

#[derive(Debug)]
struct Sink {
    name: &'static str,
    messages: Sender<Message>,
    queued: Arc<AtomicUsize>,
    counters: SinkCounters,
}

enum Message {
    Write(Arc<Vec<u8>>, u64),
    Flush(SyncSender<()>),
    Stop(SyncSender<()>),
}

/// The kinds of sink.
enum Output {
    Stdout(stdout::Stdout),
    File(file::RotatedFile),
}

/// How a write went.
struct Outcome {
    /// Lines that are whole in the sink.
    lines: u64,
    /// What stopped the write.
    error: Option<io::Error>,
}

impl Output {
    fn write(&mut self, chunk: &[u8]) -> Outcome {
        match self {
            Self::Stdout(stdout) => stdout.write(chunk),
            Self::File(file) => file.write(chunk),
        }
    }

    fn tend(&mut self) {
        match self {
            Self::Stdout(_) => {}
            Self::File(file) => file.tend(),
        }
    }
}

impl LogSinks {
    /// Starts the sinks that the configuration asks for; none is fine.
    ///
    /// # Errors
    /// When the file cannot be opened or a thread not started. Later failures are counted, logged once, and overcome
    /// when the disk is well again.
    pub fn start(config: &LogConfig, clock: Clock) -> io::Result<Self> {
        let mut sinks = Vec::new();
        if config.stdout {
            sinks.push(Sink::start("stdout", Output::Stdout(stdout::Stdout::open()?), SinkCounters::default())?);
        }
        if let Some(file) = &config.file {
            let counters = SinkCounters::default();
            let file = file::RotatedFile::open(file.clone(), clock, Arc::clone(&counters.removed_early))?;
            sinks.push(Sink::start("file", Output::File(file), counters)?);
        }
        Ok(Self { sinks: sinks.into() })
    }

    /// True when there is no sink, so that nothing need be serialised for them.
    pub fn is_empty(&self) -> bool {
        self.sinks.is_empty()
    }

    /// Queues `lines` whole lines, each with its line's end, for every sink; never waits. What does not fit is counted.
    pub fn try_write(&self, chunk: &Arc<Vec<u8>>, lines: u64) {
        for sink in self.sinks.iter() {
            sink.try_write(chunk.clone(), lines);
        }
    }

    /// Each sink's name (`stdout`, `file`) and what it counts.
    pub fn counters(&self) -> impl Iterator<Item = (&'static str, SinkCounters)> + '_ {
        self.sinks.iter().map(|sink| (sink.name, sink.counters.clone()))
    }

    /// Waits until all that was queued before is written or dropped; false if that took longer.
    pub fn flush(&self, deadline: Duration) -> bool {
        self.ask(Message::Flush, deadline)
    }

    /// Writes what is queued and ends the threads; false if that took longer.
    pub fn shutdown(&self, deadline: Duration) -> bool {
        self.ask(Message::Stop, deadline)
    }

    fn ask(&self, message: fn(SyncSender<()>) -> Message, deadline: Duration) -> bool {
        let until = Instant::now() + deadline;
        let ask = |sink: &Sink| {
            let (done, answer) = sync_channel(1);
            sink.messages.send(message(done)).ok().map(|()| answer)
        };
        let answers: Vec<Option<Receiver<()>>> = self.sinks.iter().map(ask).collect();
        let in_time =
            |answer: Receiver<()>| answer.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok();
        // Every answer is waited for, so that one slow sink does not hide that another is done.
        answers.into_iter().map(|answer| answer.is_some_and(in_time)).filter(|in_time| !in_time).count() == 0
    }
}

impl Sink {
    fn start(name: &'static str, output: Output, counters: SinkCounters) -> io::Result<Self> {
        let (messages, inbox) = channel();
        let sink = Self { name, messages, queued: Arc::default(), counters };
        let (queued, counters) = (sink.queued.clone(), sink.counters.clone());
        std::thread::Builder::new()
            .name(format!("vigie-log-{name}"))
            .spawn(move || write_all(name, output, inbox, &queued, &counters))?;
        Ok(sink)
    }

    fn try_write(&self, chunk: Arc<Vec<u8>>, lines: u64) {
        let bytes = chunk.len() + CHUNK_BYTES;
        let waiting = self.queued.fetch_add(bytes, Ordering::Relaxed);
        // A chunk larger than the whole bound still gets in when nothing waits: its memory is there anyway.
        let fits = waiting == 0 || waiting + bytes <= QUEUE_BYTES;
        if !fits || self.messages.send(Message::Write(chunk, lines)).is_err() {
            self.queued.fetch_sub(bytes, Ordering::Relaxed);
            self.counters.dropped.fetch_add(lines, Ordering::Relaxed);
        }
    }
}

fn write_all(
    name: &'static str,
    mut output: Output,
    inbox: Receiver<Message>,
    queued: &AtomicUsize,
    counters: &SinkCounters,
) {
    let mut failing = false;
    loop {
        match inbox.recv_timeout(UPKEEP_EVERY) {
            Ok(Message::Write(chunk, lines)) => {
                let outcome = output.write(&chunk);
                queued.fetch_sub(chunk.len() + CHUNK_BYTES, Ordering::Relaxed);
                counters.written.fetch_add(outcome.lines, Ordering::Relaxed);
                counters.dropped.fetch_add(lines.saturating_sub(outcome.lines), Ordering::Relaxed);
                counters.errors.fetch_add(u64::from(outcome.error.is_some()), Ordering::Relaxed);
                report(name, &mut failing, outcome.error.as_ref());
            }
            Ok(Message::Flush(done)) => {
                let _asker_gone = done.try_send(());
            }
            Ok(Message::Stop(done)) => {
                drop(output);
                count_late(inbox, counters);
                let _asker_gone = done.try_send(());
                return;
            }
            Err(RecvTimeoutError::Timeout) => output.tend(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Counts what came behind the order to stop; what comes later still is counted by its sender.
fn count_late(inbox: Receiver<Message>, counters: &SinkCounters) {
    let late = inbox.try_iter().map(|message| if let Message::Write(_, lines) = message { lines } else { 0 });
    counters.dropped.fetch_add(late.sum(), Ordering::Relaxed);
}

/// Logs a change for the worse or the better, once.
fn report(name: &'static str, failing: &mut bool, error: Option<&io::Error>) {
    match error {
        Some(error) if !*failing => {
            tracing::error!(sink = name, %error, "the exchange log cannot be written; lines are dropped until it can");
        }
        None if *failing => tracing::info!(sink = name, "the exchange log is written again"),
        _ => {}
    }
    *failing = error.is_some();
}

#[cfg(test)]
mod tests;
