//! One caller's HTTP/1.1 connection, as its tap, its exchanges and the watchdog see it; or one stream of HTTP/2, as its bodies
//! do. All of them are on one thread.

use super::framing::Reason;
use super::limits::Pace;
use std::cell::{Cell, RefCell};
use std::task::{Poll, Waker};
use std::time::Duration;

/// A refused or unread request's rest is taken so long after the answer, or the reset that closing then causes could
/// destroy the answer on its way (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(2);

/// Bytes of interim answers that wait for a caller that does not read; beyond, they are left out.
const MAX_INTERIM: usize = 64 << 10;

/// What the connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A request, or it is answering one.
    Between,
    /// The rest of a head.
    Head,
    /// The rest of a body.
    Body,
    /// The caller to close.
    Linger,
}

/// Why the watchdog ends something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nothing was asked for too long, or the caller does not close: nobody needs to be told.
    Idle,
    /// What came last of the caller took too long.
    Read(Reason),
    /// The caller does not take its answer.
    Write,
}

/// The state of one connection.
pub struct Conn {
    phase: Cell<Phase>,
    since: Cell<Duration>,
    inward: Flow,
    outward: Flow,
    in_flight: Cell<usize>,
    calls: Cell<u64>,
    answered: Cell<u64>,
    /// Reading waits for an answer to be given.
    paused: Cell<bool>,
    awaited: Cell<bool>,
    refusal: Cell<Option<(u64, Reason)>>,
    broken: Cell<Option<Reason>>,
    /// Nothing that was written waits: what is written next begins a message.
    clean: Cell<bool>,
    interim: RefCell<Vec<u8>>,
    cut: Cell<Option<Cut>>,
    waker: RefCell<Option<Waker>>,
    /// Wakes who reads the body of a stream: that may be another connection's task.
    reader: RefCell<Option<Waker>>,
    is_stream: bool,
}

/// Bytes one way, and whether the caller is waited for.
#[derive(Default)]
struct Flow {
    bytes: Cell<u64>,
    seen: Cell<u64>,
    waiting: Cell<bool>,
    credit: Cell<Option<i64>>,
}

impl Flow {
    fn moved(&self, bytes: usize) {
        self.bytes.set(self.bytes.get() + bytes as u64);
        self.waiting.set(false);
    }

    /// Bytes since the last look.
    fn news(&self) -> u64 {
        let bytes = self.bytes.get();
        bytes - self.seen.replace(bytes)
    }

    /// False when less than the rate came over the grace time. Time in which the caller is not waited for costs nothing.
    fn keeps_pace(&self, news: u64, passed: Duration, pace: &Pace) -> bool {
        let rate = i64::try_from(pace.min_rate).unwrap_or(i64::MAX);
        let most = rate.saturating_mul(pace.grace.as_secs() as i64);
        let due = if self.waiting.get() { (pace.min_rate as f64 * passed.as_secs_f64()) as i64 } else { 0 };
        let credit = self.credit.get().unwrap_or(most).saturating_add_unsigned(news).saturating_sub(due).min(most);
        self.credit.set(Some(credit));
        credit >= 0
    }
}

impl Conn {
    /// A new connection, at `now` on the agent's clock.
    pub fn new(now: Duration) -> Self {
        Self {
            phase: Cell::new(Phase::Between),
            since: Cell::new(now),
            inward: Flow::default(),
            outward: Flow::default(),
            in_flight: Cell::new(0),
            calls: Cell::new(0),
            answered: Cell::new(0),
            paused: Cell::new(false),
            awaited: Cell::new(false),
            refusal: Cell::new(None),
            broken: Cell::new(None),
            clean: Cell::new(true),
            interim: RefCell::default(),
            cut: Cell::new(None),
            waker: RefCell::new(None),
            reader: RefCell::new(None),
            is_stream: false,
        }
    }

    /// A new stream of HTTP/2.
    pub fn stream(now: Duration) -> Self {
        Self { is_stream: true, ..Self::new(now) }
    }

    /// True for a stream, whose bytes its bodies tell; a connection's tap tells its own.
    pub fn is_stream(&self) -> bool {
        self.is_stream
    }

    /// The body of a stream is read: it is waited for, or `came` of it. False when it has taken too long.
    pub fn keeps_sending(&self, came: Poll<usize>, waker: &Waker) -> bool {
        match came {
            Poll::Ready(bytes) => self.read(bytes),
            Poll::Pending => {
                self.enter(Phase::Body);
                self.starves();
                self.reader.replace(Some(waker.clone()));
            }
        }
        if let Some(Cut::Read(reason)) = self.cut() {
            self.break_body(reason);
        }
        self.broken().is_none()
    }

    /// Bytes came.
    pub fn read(&self, bytes: usize) {
        self.inward.moved(bytes);
    }

    /// The caller is waited for, for bytes.
    pub fn starves(&self) {
        self.inward.waiting.set(true);
    }

    /// Bytes went.
    pub fn wrote(&self, bytes: usize) {
        self.outward.moved(bytes);
    }

    /// The caller takes no more.
    pub fn blocked(&self) {
        self.outward.waiting.set(true);
    }

    /// What is waited for now.
    pub fn enter(&self, phase: Phase) {
        // The watchdog notes when: this is called for every read, and a clock costs more than all of it.
        self.phase.set(phase);
    }

    /// A head is refused: the call after `heads` others is its stand-in's.
    pub fn refuse(&self, heads: u64, reason: Reason) {
        self.refusal.set(Some((heads, reason)));
    }

    /// Counts a call of the service; gives the reason when it is the stand-in's.
    pub fn call(&self) -> Option<Reason> {
        let calls = self.calls.get();
        self.calls.set(calls + 1);
        if self.awaited.take() {
            self.wake();
        }
        self.refusal.get().filter(|(heads, _)| calls >= *heads).map(|(_, reason)| reason)
    }

    /// A call of the service has its answer, and HTTP goes on behind it.
    pub fn answered(&self) {
        self.answered.set(self.answered.get() + 1);
        if self.paused.take() {
            self.wake();
        }
    }

    /// Nothing is read until the next answer is given.
    pub fn pause(&self) {
        self.paused.set(true);
    }

    /// True once so many heads have their answers.
    pub fn has_answered(&self, heads: u64) -> bool {
        self.answered.get() >= heads
    }

    /// Writes an interim answer (1xx) to the caller before anything else. False when it must be left out: answers before it
    /// are still being written, or too many wait.
    pub fn inform(&self, answer: &[u8]) -> bool {
        let mut interim = self.interim.borrow_mut();
        let fits = self.clean.get() && interim.len() + answer.len() <= MAX_INTERIM;
        if fits {
            interim.extend_from_slice(answer);
        }
        fits
    }

    /// Interim answers that are to be written before anything else, and those not yet written in part.
    pub fn interim(&self) -> &RefCell<Vec<u8>> {
        &self.interim
    }

    /// Something is being written, or all of it was.
    pub fn set_clean(&self, clean: bool) {
        self.clean.set(clean);
    }

    /// True while fewer than `heads` calls have begun; then the connection's task is woken at the next.
    pub fn is_behind(&self, heads: u64) -> bool {
        let behind = self.calls.get() < heads;
        self.awaited.set(behind);
        behind
    }

    /// A body broke.
    pub fn break_body(&self, reason: Reason) {
        self.broken.set(Some(reason));
    }

    /// Why the body under way broke, if it did.
    pub fn broken(&self) -> Option<Reason> {
        self.broken.get()
    }

    /// What the watchdog decided.
    pub fn cut(&self) -> Option<Cut> {
        self.cut.get()
    }

    /// An exchange began.
    pub fn began(&self) {
        self.in_flight.set(self.in_flight.get() + 1);
    }

    /// An exchange ended.
    pub fn ended(&self) {
        self.in_flight.set(self.in_flight.get().saturating_sub(1));
    }

    /// Keeps the waker of the task that drives the connection; it never changes, so the first is enough.
    pub fn driven_by(&self, waker: &Waker) {
        self.waker.borrow_mut().get_or_insert_with(|| waker.clone());
    }

    /// The watchdog's look, `passed` after the one before.
    pub fn look(&self, now: Duration, passed: Duration, seen: &mut Phase, pace: &Pace) {
        if self.cut.get().is_some() {
            return;
        }
        if let Some(cut) = self.judge(now, passed, seen, pace) {
            self.cut.set(Some(cut));
            self.wake();
        }
    }

    fn wake(&self) {
        for waker in [&self.waker, &self.reader] {
            if let Some(waker) = &*waker.borrow() {
                waker.wake_by_ref();
            }
        }
    }

    fn judge(&self, now: Duration, passed: Duration, seen: &mut Phase, pace: &Pace) -> Option<Cut> {
        let phase = self.phase.get();
        let (came, went) = (self.inward.news(), self.outward.news());
        let busy = came > 0 || went > 0 || self.in_flight.get() > 0;
        // A head's clock runs from its first byte, whatever drips in behind it.
        if phase != *seen || (phase == Phase::Between && busy) {
            *seen = phase;
            self.since.set(now);
        }
        let lasted = now.saturating_sub(self.since.get());
        if pace.min_rate > 0 && !self.outward.keeps_pace(went, passed, pace) {
            return Some(Cut::Write);
        }
        if phase != Phase::Body {
            self.inward.credit.set(None);
        }
        match phase {
            Phase::Between => (lasted >= pace.keep_alive).then_some(Cut::Idle),
            Phase::Linger => (lasted >= LINGER).then_some(Cut::Idle),
            Phase::Head => (lasted >= pace.head).then_some(Cut::Read(Reason::HeadTooSlow)),
            Phase::Body if pace.min_rate == 0 || self.inward.keeps_pace(came, passed, pace) => None,
            Phase::Body => Some(Cut::Read(Reason::BodyTooSlow)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace {
        head: Duration::from_secs(3),
        keep_alive: Duration::from_secs(5),
        min_rate: 100,
        grace: Duration::from_secs(4),
    };

    /// Looks once a second; gives the second in which it was cut.
    fn cut_after(conn: &Conn, each_second: impl Fn(&Conn)) -> Option<(u64, Cut)> {
        let mut seen = Phase::Between;
        (1..=20).find_map(|second| {
            each_second(conn);
            conn.look(Duration::from_secs(second), Duration::from_secs(1), &mut seen, &PACE);
            conn.cut().map(|cut| (second, cut))
        })
    }

    fn conn(phase: Phase) -> Conn {
        let conn = Conn::new(Duration::ZERO);
        conn.enter(phase);
        conn
    }

    #[test]
    fn what_waits_too_long_is_cut() {
        assert_eq!(cut_after(&conn(Phase::Between), |_| {}), Some((5, Cut::Idle)));
        assert_eq!(cut_after(&conn(Phase::Between), Conn::began), None, "an answer is under way");
        let drips = |c: &Conn| c.read(1);
        assert_eq!(cut_after(&conn(Phase::Head), drips), Some((4, Cut::Read(Reason::HeadTooSlow))));
        assert_eq!(cut_after(&conn(Phase::Linger), drips), Some((3, Cut::Idle)));
    }

    #[test]
    fn a_body_must_keep_its_rate_while_it_is_waited_for() {
        let slow = |c: &Conn| {
            c.read(50);
            c.starves();
        };
        assert_eq!(cut_after(&conn(Phase::Body), slow), Some((9, Cut::Read(Reason::BodyTooSlow))));
        let fast = |c: &Conn| {
            c.read(100);
            c.starves();
        };
        assert_eq!(cut_after(&conn(Phase::Body), fast), None);
        assert_eq!(cut_after(&conn(Phase::Body), |_| {}), None, "the upstream takes no more");
    }

    #[test]
    fn a_caller_that_does_not_read_is_cut() {
        let deaf = |c: &Conn| {
            c.began();
            c.blocked();
        };
        assert_eq!(cut_after(&conn(Phase::Between), deaf), Some((5, Cut::Write)));
    }
}
