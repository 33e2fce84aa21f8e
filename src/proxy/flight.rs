//! One exchange under way. However it ends (answered, refused, broken, abandoned), dropping the [`Flight`] records it
//! exactly once, so no path through the proxy can lose an exchange.

use super::added::Added;
use super::body::until_ended;
use super::conn::{Conn, Cut};
use super::interim::Interim;
use super::tee::Tee;
use super::worker::Worker;
use crate::exchange::{AgentError, Attempt, CapturedBody, Exchange};
use crate::telemetry::metrics::{AttemptEnd, DropStage, InterimResult, PathShard};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The exchange, and what is needed to finish it.
pub struct Flight {
    exchange: Option<Box<Exchange>>,
    worker: Rc<Worker>,
    shard: Arc<PathShard>,
    started: Instant,
    upload: Option<Rc<Tee>>,
    delivered_at: Option<Instant>,
    on_wire: Option<Attempt>,
    watch: Option<Rc<Watch>>,
    conn: Option<Rc<Conn>>,
}

/// What a flight and the one who waits for its answer tell each other.
#[derive(Default)]
pub struct Watch {
    left: Cell<Option<Instant>>,
    on_wire: Cell<bool>,
}

impl Watch {
    /// The caller leaves. True if the exchange must go on without it: some of the request may be with the upstream.
    pub fn leave(&self) -> bool {
        self.left.set(Some(Instant::now()));
        self.on_wire.get()
    }
}

impl Flight {
    /// Opens an exchange that began at `started`.
    pub fn new(worker: Rc<Worker>, shard: Arc<PathShard>, started: Instant, exchange: Box<Exchange>) -> Self {
        worker.began();
        let exchange = Some(exchange);
        Self {
            exchange,
            worker,
            shard,
            started,
            upload: None,
            delivered_at: None,
            on_wire: None,
            watch: None,
            conn: None,
        }
    }

    /// Says which connection the caller waits on.
    pub fn of(&mut self, conn: Option<Rc<Conn>>) {
        if let Some(conn) = &conn {
            conn.began();
        }
        self.conn = conn;
    }

    /// The caller's stream, if it speaks HTTP/2.
    pub fn stream(&self) -> Option<Rc<Conn>> {
        self.conn.clone().filter(|conn| conn.is_stream())
    }

    /// Counts the answers that came before the answer.
    pub fn informed(&self, interim: &Interim<'_>) {
        let (forwarded, left_out) = interim.counts();
        if forwarded + left_out > 0 {
            let metrics = self.worker.shared.metrics.agent();
            metrics.interim(InterimResult::Forwarded, forwarded);
            metrics.interim(InterimResult::LeftOut, left_out);
        }
    }

    /// Counts a copy there was no room for.
    pub fn copied(&self, tee: &Tee) {
        if tee.uncopied() {
            self.worker.shared.metrics.recorder().dropped(DropStage::Body);
        }
    }

    /// The raw exchange.
    pub fn exchange(&mut self) -> &mut Exchange {
        self.exchange.as_mut().expect("the exchange is taken out only by drop")
    }

    /// The transaction's id.
    pub fn correlation_id(&self) -> &str {
        self.exchange.as_ref().map_or("", |e| e.correlation_id.as_str())
    }

    /// The integration that the call is attributed to.
    pub fn integration(&self) -> &str {
        self.exchange.as_ref().map_or("", |e| &e.place.integration)
    }

    /// Attaches the request body's count and copy.
    pub fn upload(&mut self, tee: Rc<Tee>) {
        self.upload = Some(tee);
    }

    /// Through this it learns when the caller leaves while nothing else of this exchange notices.
    pub fn watch_caller(&mut self) -> Rc<Watch> {
        Rc::clone(self.watch.get_or_insert_default())
    }

    /// What is left of the time that an answer may still be read for.
    pub fn afterlife(&self) -> Duration {
        let since = self.watch.as_ref().and_then(|w| w.left.get()).map_or(Duration::ZERO, |left| left.elapsed());
        self.worker.shared.afterlife.saturating_sub(since)
    }

    fn caller_left(&self) -> bool {
        self.watch.as_ref().is_some_and(|w| w.left.get().is_some())
    }

    /// Notes that a request is on the wire: it counts, also when nobody waits for its end. `None` takes that back.
    pub fn on_wire(&mut self, attempt: Option<Attempt>) {
        if let Some(watch) = &self.watch {
            watch.on_wire.set(attempt.is_some());
        }
        self.on_wire = attempt;
    }

    /// Notes an answer's head: counts the attempt in the windows and histograms at once.
    pub fn answered(&mut self, attempt: Attempt, head_at: Instant) {
        self.on_wire = None;
        let started = self.started;
        let at = self.worker.shared.clock.at(head_at);
        let exchange = self.exchange();
        let status = attempt.status.unwrap_or(0);
        exchange.status = status;
        exchange.head_at_us = at.as_micros() as u64;
        let to_head = micros(head_at.saturating_duration_since(started));
        exchange.overhead_us = to_head.saturating_sub(attempt.upstream_us).saturating_sub(connect_us(&attempt));
        self.count(&attempt, at);
        self.exchange().attempts.push(attempt);
    }

    /// Notes an attempt that got no answer.
    pub fn unanswered(&mut self, attempt: Attempt) {
        self.on_wire(None);
        let at = self.worker.shared.clock.at(Instant::now());
        self.exchange().head_at_us = at.as_micros() as u64;
        self.count(&attempt, at);
        self.exchange().attempts.push(attempt);
    }

    /// Notes an attempt whose caller left before its answer's head: the upstream's for as long as it was waited for.
    fn abandoned(&mut self, mut attempt: Attempt) {
        let sent_at = self.started + Duration::from_micros(attempt.start_us);
        let sent_at = match &self.upload {
            Some(upload) => upload.ended().map(|ended| ended.max(sent_at)),
            None => Some(sent_at),
        };
        // What the caller itself broke, or never sent to its end, says nothing of the upstream.
        if let (Some(sent_at), None) = (sent_at, self.exchange().error) {
            attempt.upstream_us = micros(sent_at.elapsed());
            self.shard.abandoned();
        }
        self.unanswered(attempt);
    }

    /// Vigie's own share of the time so far of an exchange that it answers itself, microseconds.
    pub fn own_us(&self) -> u64 {
        let attempt = self.exchange.as_ref().and_then(|e| e.attempts.last()).or(self.on_wire.as_ref());
        attempt.map_or_else(|| micros(self.started.elapsed()), |a| a.start_us.saturating_sub(connect_us(a)))
    }

    /// Notes why an attempt came to nothing, and makes `added` the next one's.
    pub fn send_again(&mut self, attempt: &mut Attempt, why: AgentError, added: &mut Added) {
        attempt.error = Some(why);
        self.unanswered(attempt.clone());
        let span = self.worker.ids.next();
        added.set_span(&self.exchange().trace, span);
        *attempt = Attempt { span, error: None, connect: None, ..attempt.clone() };
    }

    fn count(&self, attempt: &Attempt, at: Duration) {
        let Attempt { status, error, upstream_us, .. } = *attempt;
        self.shard.attempt_end(&AttemptEnd { status, error, upstream_us, at });
    }

    /// Ends the exchange with an error; the first one stands.
    pub fn fail(&mut self, error: AgentError) {
        let left = self.caller_left();
        let exchange = self.exchange();
        exchange.error.get_or_insert(error);
        // A caller that left gets no status at all.
        if exchange.status == 0 && !left {
            exchange.status = error.status();
        }
    }

    /// The last byte was handed to the caller.
    pub fn delivered(&mut self, at: Instant) {
        self.delivered_at.get_or_insert(at);
    }

    /// The caller left.
    pub fn abandon(&mut self) {
        self.exchange().client_closed = true;
        self.delivered(Instant::now());
    }

    /// True once the request's last byte was taken.
    pub fn was_sent(&self) -> bool {
        self.upload.as_ref().is_none_or(|u| u.ended().is_some())
    }

    /// True for a write that was sent whole: its end must be known even when its caller has left.
    pub fn must_know_the_end(&mut self) -> bool {
        let sent = self.was_sent();
        let exchange = self.exchange();
        sent && !exchange.method.is_safe() && exchange.error.is_none()
    }

    /// The worker that carries it.
    pub fn worker(&self) -> Rc<Worker> {
        Rc::clone(&self.worker)
    }

    /// Adds the answer's body.
    pub fn set_response(&mut self, bytes: u64, body: CapturedBody) {
        let response = &mut self.exchange().response;
        response.body_bytes = bytes;
        response.body = body;
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.worker.ended();
        if let Some(attempt) = self.on_wire.take() {
            self.abandoned(attempt);
        }
        let left = self.caller_left();
        let conn = self.conn.take();
        if let Some(conn) = &conn {
            conn.ended();
        }
        let Some(mut exchange) = self.exchange.take() else { return };
        if conn.is_some_and(|conn| conn.cut() == Some(Cut::Write)) {
            exchange.error.get_or_insert(AgentError::DownloadTimeout);
        }
        exchange.client_closed |= left;
        let end = self.delivered_at.unwrap_or_else(Instant::now);
        exchange.total_us = micros(end.saturating_duration_since(self.started));
        if let Some(upload) = &self.upload {
            self.copied(upload);
            exchange.request.body_bytes = upload.bytes();
            exchange.request.body = upload.take();
            exchange.client_closed |= upload.failed() && !upload.malformed() && exchange.error.is_none();
            if let Some(body) = upload.unended() {
                self.worker.spawn(until_ended(body));
            }
        }
        // Neither an answer nor an error: the future was dropped because the caller went away.
        if exchange.status == 0 && exchange.error.is_none() {
            exchange.client_closed = true;
        }
        self.shard.observe_exchange(exchange.total_us, exchange.overhead_us);
        if let Some(error) = exchange.error {
            self.shard.agent_error(error);
        }
        if exchange.trace.sampled {
            let upstream_us = exchange.attempts.last().filter(|a| a.status.is_some()).map(|a| a.upstream_us);
            self.shard.exemplar(exchange.trace.trace_id, exchange.total_us, upstream_us, exchange.started_us);
        }
        let (method, status) = (exchange.method.clone(), exchange.status);
        let calls = exchange.attempts.iter().filter(|attempt| attempt.was_sent()).count() as u64;
        if !self.worker.record(exchange) {
            self.shard.unrecorded(method.as_str(), status, calls);
        }
    }
}

fn connect_us(attempt: &Attempt) -> u64 {
    attempt.connect.map_or(0, |c| c.total_us())
}

/// Whole microseconds.
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
