//! What the agent tells of itself: recorder, log, history, spans, configuration.

use super::certificates::Certificates;
use super::family::{Family, single};
use super::recorder::RecorderMetrics;
use crate::telemetry::catalogue;
use crate::tls::HandshakeFailure;
use prometheus::proto::MetricFamily;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

/// A closed set of label values, each with a counter that exists from the start.
macro_rules! counted_set {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$vdoc])* $variant),* }

        impl $name {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The label's value.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }
    };
}

counted_set! {
    /// What the recorder had to give up.
    DropStage {
        /// A whole exchange: no room in the channel.
        Queue = "queue",
        /// A body: no room for its bytes, or not readable within bounds.
        Body = "body",
        /// A line of the exchange log.
        Log = "log",
        /// A row of the history.
        History = "history",
        /// The spans of an exchange.
        Trace = "trace",
    }
}

counted_set! {
    /// Where the exchange log goes.
    LogSink {
        /// Standard output.
        Stdout = "stdout",
        /// The rotated file.
        File = "file",
    }
}

counted_set! {
    /// What became of spans.
    SpanResult {
        /// The collector took them.
        Sent = "sent",
        /// The collector refused them, or rejected them from a batch that it took, or could not be reached.
        Failed = "failed",
        /// There was no room to wait for the collector.
        Dropped = "dropped",
    }
}

counted_set! {
    /// Why the read side refused a call.
    Refusal {
        /// The `Host` is not the agent's.
        Host = "host",
        /// A page of another origin asks.
        Origin = "origin",
        /// No token.
        Missing = "missing",
        /// A token that is nobody's.
        Invalid = "invalid",
        /// Too many of those from one address.
        Limited = "limited",
        /// The token's role does not allow it.
        Role = "role",
    }
}

counted_set! {
    /// What became of an entry of the audit log.
    AuditResult {
        /// On disk.
        Written = "written",
        /// The same as one of the last minute.
        Folded = "folded",
        /// Not on disk, so what it was to tell of was not done.
        Failed = "failed",
    }
}

counted_set! {
    /// Why a caller's connection was refused.
    ConnectionRefused {
        /// There are already as many as there may be.
        Total = "total",
        /// There are already as many from its address.
        PerCaller = "per_caller",
    }
}

counted_set! {
    /// Why an HTTP/2 connection was cut: its caller cost more than it waited for.
    ConnectionCut {
        /// Streams reset faster than they were looked at.
        ResetFlood = "reset_flood",
        /// More exchanges abandoned than waited for.
        Abandoned = "abandoned",
        /// Answers that were given long ago are not read.
        Unread = "unread",
    }
}

counted_set! {
    /// Which way bytes of a switched connection went.
    Carried {
        /// From a caller to an upstream.
        ToUpstream = "to_upstream",
        /// From an upstream to a caller.
        FromUpstream = "from_upstream",
    }
}

counted_set! {
    /// What became of an interim answer.
    InterimResult {
        /// The caller got it.
        Forwarded = "forwarded",
        /// The caller could not get it.
        LeftOut = "left_out",
    }
}

/// The rest.
pub struct AgentMetrics {
    version: &'static str,
    commit: &'static str,
    start_us: i64,
    log_lines: [AtomicU64; LogSink::ALL.len()],
    log_write_errors: [AtomicU64; LogSink::ALL.len()],
    log_files_removed_early: AtomicU64,
    spans: [AtomicU64; SpanResult::ALL.len()],
    refused: [AtomicU64; Refusal::ALL.len()],
    audited: [AtomicU64; AuditResult::ALL.len()],
    tokens_ok: AtomicBool,
    connections_refused: [AtomicU64; ConnectionRefused::ALL.len()],
    history_bytes: AtomicU64,
    history_evicted: AtomicU64,
    unknown_callers: AtomicU64,
    handshake_failures: [AtomicU64; HandshakeFailure::ALL.len()],
    connections_cut: [AtomicU64; ConnectionCut::ALL.len()],
    tunnels: AtomicI64,
    interim: [AtomicU64; InterimResult::ALL.len()],
    certificates: Certificates,
    carried: [AtomicU64; Carried::ALL.len()],
    reload_ok: AtomicBool,
    reload_us: AtomicI64,
}

impl AgentMetrics {
    pub(super) fn new(version: &'static str, commit: &'static str, start_us: i64) -> Self {
        Self {
            version,
            commit,
            start_us,
            log_lines: Default::default(),
            log_write_errors: Default::default(),
            log_files_removed_early: AtomicU64::new(0),
            spans: Default::default(),
            refused: Default::default(),
            audited: Default::default(),
            // As the configuration: it was read, or there would be no metrics.
            tokens_ok: AtomicBool::new(true),
            connections_refused: Default::default(),
            history_bytes: AtomicU64::new(0),
            history_evicted: AtomicU64::new(0),
            unknown_callers: AtomicU64::new(0),
            handshake_failures: Default::default(),
            connections_cut: Default::default(),
            tunnels: AtomicI64::new(0),
            interim: Default::default(),
            certificates: Certificates::default(),
            carried: Default::default(),
            // Metrics only exist once a configuration was loaded.
            reload_ok: AtomicBool::new(true),
            reload_us: AtomicI64::new(start_us),
        }
    }

    /// Counts written lines of the exchange log.
    pub fn log_lines(&self, sink: LogSink, lines: u64) {
        self.log_lines[sink as usize].fetch_add(lines, Ordering::Relaxed);
    }

    /// Counts failed writes of the exchange log.
    pub fn log_write_errors(&self, sink: LogSink, writes: u64) {
        self.log_write_errors[sink as usize].fetch_add(writes, Ordering::Relaxed);
    }

    /// Counts files of the exchange log that went before their days were over.
    pub fn log_files_removed_early(&self, files: u64) {
        self.log_files_removed_early.fetch_add(files, Ordering::Relaxed);
    }

    /// Counts spans.
    pub fn spans(&self, result: SpanResult, count: u64) {
        self.spans[result as usize].fetch_add(count, Ordering::Relaxed);
    }

    /// Counts a connection refused.
    pub fn connection_refused(&self, why: ConnectionRefused) {
        self.connections_refused[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Spans so far.
    pub fn span_count(&self, result: SpanResult) -> u64 {
        self.spans[result as usize].load(Ordering::Relaxed)
    }

    /// Sets the history's size on disk.
    pub fn set_history_bytes(&self, bytes: u64) {
        self.history_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Counts records that left the history before their days were over.
    pub fn history_evicted(&self, records: u64) {
        self.history_evicted.fetch_add(records, Ordering::Relaxed);
    }

    /// Counts a call that the read side refused.
    pub fn refused(&self, reason: Refusal) {
        self.refused[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an entry of the audit log.
    pub fn audited(&self, result: AuditResult) {
        self.audited[result as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Notes whether the tokens file could be read the last time it changed.
    pub fn tokens_read(&self, ok: bool) {
        self.tokens_ok.store(ok, Ordering::Relaxed);
    }

    /// Sets how many unknown credential fingerprints are listed.
    pub fn set_unknown_callers(&self, count: u64) {
        self.unknown_callers.store(count, Ordering::Relaxed);
    }

    /// Counts a caller's handshake that failed.
    pub fn handshake_failed(&self, failure: HandshakeFailure) {
        self.handshake_failures[failure as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection that was cut.
    pub fn connection_cut(&self, cut: ConnectionCut) {
        self.connections_cut[cut as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// A connection switched to another protocol.
    pub fn tunnel_opened(&self) {
        self.tunnels.fetch_add(1, Ordering::Relaxed);
    }

    /// It ended.
    pub fn tunnel_closed(&self) {
        self.tunnels.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts bytes of switched connections.
    pub fn carried(&self, way: Carried, bytes: u64) {
        self.carried[way as usize].fetch_add(bytes, Ordering::Relaxed);
    }

    /// Certificates and their ends.
    pub fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// Counts interim answers.
    pub fn interim(&self, result: InterimResult, answers: u64) {
        self.interim[result as usize].fetch_add(answers, Ordering::Relaxed);
    }

    /// Notes a reload at `now_us` (microseconds since the Unix epoch).
    pub fn config_reloaded(&self, ok: bool, now_us: i64) {
        self.reload_ok.store(ok, Ordering::Relaxed);
        if ok {
            self.reload_us.store(now_us, Ordering::Relaxed);
        }
    }
}

pub(super) fn families(agent: &AgentMetrics, recorder: &RecorderMetrics) -> Vec<MetricFamily> {
    let load = |value: &AtomicU64| value.load(Ordering::Relaxed) as f64;
    let sinks = || LogSink::ALL.iter().map(|sink| sink.as_str());
    let reasons = HandshakeFailure::ALL.iter().map(|failure| failure.as_str());
    let mut build = Family::new(&catalogue::BUILD_INFO);
    build.add(&[agent.version, agent.commit], 1.0);
    vec![
        build.finish(),
        agent.certificates.family(),
        set(&catalogue::RECORDER_DROPPED, DropStage::ALL.iter().map(|stage| stage.as_str()), recorder.drops()),
        set(&catalogue::LOG_LINES, sinks(), &agent.log_lines),
        set(&catalogue::LOG_WRITE_ERRORS, sinks(), &agent.log_write_errors),
        single(&catalogue::LOG_FILES_REMOVED_EARLY, load(&agent.log_files_removed_early)),
        set(&catalogue::OTLP_SPANS, SpanResult::ALL.iter().map(|result| result.as_str()), &agent.spans),
        set(&catalogue::ADMIN_REFUSED, Refusal::ALL.iter().map(|reason| reason.as_str()), &agent.refused),
        set(&catalogue::AUDIT_ENTRIES, AuditResult::ALL.iter().map(|result| result.as_str()), &agent.audited),
        single(&catalogue::ADMIN_TOKENS_OK, f64::from(u8::from(agent.tokens_ok.load(Ordering::Relaxed)))),
        set(
            &catalogue::CONNECTIONS_REFUSED,
            ConnectionRefused::ALL.iter().map(|why| why.as_str()),
            &agent.connections_refused,
        ),
        set(&catalogue::TLS_HANDSHAKE_FAILURES, reasons, &agent.handshake_failures),
        set(
            &catalogue::HTTP2_CONNECTIONS_CUT,
            ConnectionCut::ALL.iter().map(|cut| cut.as_str()),
            &agent.connections_cut,
        ),
        single(&catalogue::RECORDER_QUEUE_DEPTH, recorder.depth() as f64),
        single(&catalogue::RECORDER_QUEUE_BYTES, recorder.queued_bytes() as f64),
        single(&catalogue::RECORDER_RECORDS, recorder.records() as f64),
        single(&catalogue::HISTORY_BYTES, load(&agent.history_bytes)),
        single(&catalogue::HISTORY_EVICTED, load(&agent.history_evicted)),
        single(&catalogue::UNKNOWN_CALLERS, load(&agent.unknown_callers)),
        single(&catalogue::CONFIG_LAST_RELOAD_SUCCESSFUL, f64::from(u8::from(agent.reload_ok.load(Ordering::Relaxed)))),
        single(&catalogue::CONFIG_LAST_RELOAD_SUCCESS, unix_seconds(agent.reload_us.load(Ordering::Relaxed))),
        set(&catalogue::INTERIM_ANSWERS, InterimResult::ALL.iter().map(|result| result.as_str()), &agent.interim),
        single(&catalogue::UPGRADED_CONNECTIONS, agent.tunnels.load(Ordering::Relaxed).max(0) as f64),
        set(&catalogue::UPGRADED_BYTES, Carried::ALL.iter().map(|way| way.as_str()), &agent.carried),
        single(&catalogue::START_TIME, unix_seconds(agent.start_us)),
    ]
}

fn set(
    entry: &'static catalogue::Entry,
    words: impl Iterator<Item = &'static str>,
    counts: &[AtomicU64],
) -> MetricFamily {
    let mut family = Family::new(entry);
    words.zip(counts).for_each(|(word, count)| family.add(&[word], count.load(Ordering::Relaxed) as f64));
    family.finish()
}

/// Microseconds since the epoch as seconds, exact to the millisecond: more digits than a double shows well.
fn unix_seconds(us: i64) -> f64 {
    (us / 1_000) as f64 / 1_000.0
}
