//! One name: its addresses, how long they hold, and the task that looks after them while somebody asks.

use super::Resolver;
use crate::net::addresses::MAX_ADDRESSES;
use crate::net::dns::{Answer, Family, REFRESH_DELAY, RESOLUTION_DELAY, Trouble};
use parking_lot::Mutex;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// A name with a shorter time to live, or none, is asked for no oftener.
const MIN_TTL: Duration = Duration::from_secs(1);
/// However long a name's time is, a change is noticed within this.
const MAX_TTL: Duration = Duration::from_secs(3600);
/// Addresses past their time are used so long at most (RFC 8767 section 5 allows one to three days).
const MAX_STALE: Duration = Duration::from_secs(86_400);
/// Addresses past their time are used once a resolution takes longer than this. RFC 8767 section 5 has stale answers given
/// before those who wait lose patience, and takes 1.8 s for that; here a connection's own time-out is running.
const PATIENCE: Duration = Duration::from_millis(250);
/// After a failure the next attempt comes after this, then after twice as long.
const RETRY: Duration = Duration::from_secs(1);
/// The longest pause between attempts, and the longest that a missing name is taken to be missing.
const MAX_RETRY: Duration = Duration::from_secs(30);

/// A name has no addresses that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{host}: {reason}")]
pub struct Unresolved {
    /// The name.
    pub host: String,
    /// Why.
    pub reason: String,
}

/// A name and what is known of it. Everybody who asks for it shares this.
pub struct Name {
    host: String,
    resolver: Resolver,
    state: watch::Sender<State>,
    /// Somebody asked since it was resolved last.
    asked: AtomicBool,
    /// Its task runs.
    tended: Mutex<bool>,
}

#[derive(Default)]
struct State {
    known: Option<Known>,
    trouble: Option<Failing>,
    /// It is being resolved, since then.
    asking: Option<Instant>,
}

struct Known {
    addresses: Arc<[IpAddr]>,
    until: Option<Instant>,
    /// The family that nobody could tell of, since when: its addresses are those from before.
    missing: Option<(Family, Instant)>,
}

impl Known {
    /// That may be used past its time.
    fn is_usable(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now < until + MAX_STALE)
    }

    /// True when `addresses` are these, and those of a family of which nobody could tell so far.
    fn is_completed_by(&self, addresses: &[IpAddr]) -> bool {
        let Some((family, _)) = self.missing else { return false };
        let heard = addresses.iter().filter(|ip| Family::of(**ip) != family);
        self.addresses.iter().eq(heard)
    }
}

struct Failing {
    reason: String,
    /// Until then nobody asks again.
    until: Instant,
    pause: Duration,
}

impl State {
    /// What may be used now; `None` when it must be resolved first.
    fn verdict(&self, now: Instant) -> Option<Result<Arc<[IpAddr]>, &str>> {
        if let Some(known) = &self.known {
            let fresh = known.until.is_none_or(|until| now < until);
            let unheard = self.trouble.is_some() || self.asking.is_some_and(|since| since + PATIENCE <= now);
            if fresh || (unheard && known.is_usable(now)) {
                return Some(Ok(Arc::clone(&known.addresses)));
            }
        }
        let failing = self.trouble.as_ref().filter(|failing| now < failing.until)?;
        Some(Err(&failing.reason))
    }

    /// When what is past its time may be used, if it may.
    fn patience(&self, now: Instant) -> Option<Instant> {
        let since = self.asking.filter(|_| self.is_usable(now))?;
        Some(since + PATIENCE)
    }

    fn is_usable(&self, now: Instant) -> bool {
        self.known.as_ref().is_some_and(|known| known.is_usable(now))
    }
}

impl Name {
    pub(super) fn new(host: &str, resolver: Resolver) -> Arc<Self> {
        let fixed = host.parse().ok().map(|ip: IpAddr| Known { addresses: [ip].into(), until: None, missing: None });
        let state = watch::Sender::new(State { known: fixed, ..State::default() });
        Arc::new(Self {
            host: host.to_owned(),
            resolver,
            state,
            asked: AtomicBool::new(false),
            tended: Mutex::default(),
        })
    }

    /// Its addresses; waits only when none are known that may be used, and not for long where there are some past their
    /// time. Bound the wait.
    ///
    /// # Errors
    /// When it has none, or nobody can tell.
    pub async fn addresses(self: &Arc<Self>) -> Result<Arc<[IpAddr]>, Unresolved> {
        let mut state = self.state.subscribe();
        loop {
            self.asked.store(true, Ordering::Relaxed);
            let (seen, patience) = {
                let (state, now) = (state.borrow_and_update(), Instant::now());
                (state.verdict(now).map(|v| v.map_err(str::to_owned)), state.patience(now))
            };
            match seen {
                Some(Ok(addresses)) => {
                    self.keep();
                    return Ok(addresses);
                }
                Some(Err(reason)) => return Err(Unresolved { host: self.host.clone(), reason }),
                None => {}
            }
            self.tend();
            // The sender is this name's own, so it is there.
            match patience {
                Some(over) => drop(tokio::time::timeout_at(over.into(), state.changed()).await),
                None => drop(state.changed().await),
            }
        }
    }

    /// The addresses as last known, if any: for whoever holds connections to them. Keeps the name current.
    pub fn current(self: &Arc<Self>) -> Option<Arc<[IpAddr]>> {
        let addresses = self.state.borrow().known.as_ref().map(|known| Arc::clone(&known.addresses))?;
        self.keep();
        Some(addresses)
    }

    /// Somebody goes on using what is known: it is looked after, unless it never changes.
    fn keep(self: &Arc<Self>) {
        if self.state.borrow().known.as_ref().is_some_and(|known| known.until.is_some()) {
            self.asked.store(true, Ordering::Relaxed);
            self.tend();
        }
    }

    /// Starts the task that keeps it current, unless it runs.
    fn tend(self: &Arc<Self>) {
        let mut tended = self.tended.lock();
        if !*tended {
            *tended = true;
            self.resolver.0.runtime.spawn(keep_current(Arc::downgrade(self)));
        }
    }

    /// Notes that it is being resolved; gives how long one family is to wait for the other.
    fn ask(&self) -> Duration {
        let now = Instant::now();
        self.state.send_modify(|state| state.asking = Some(now));
        if self.state.borrow().is_usable(now) { REFRESH_DELAY } else { RESOLUTION_DELAY }
    }

    /// Notes what was resolved; gives the time until it is to be resolved again.
    fn note(&self, resolved: Result<Answer, Trouble>) -> Duration {
        let now = Instant::now();
        let mut wait = RETRY;
        self.state.send_modify(|state| {
            let was_stale = is_stale(state);
            state.asking = None;
            wait = match resolved {
                Ok(answer) => self.found(state, answer, now),
                Err(trouble) => self.failed(state, trouble, now),
            };
            self.resolver.0.counters.stale(i64::from(is_stale(state)) - i64::from(was_stale));
        });
        wait
    }

    fn found(&self, state: &mut State, answer: Answer, now: Instant) -> Duration {
        let ttl = answer.ttl.clamp(MIN_TTL, MAX_TTL);
        let before = state.known.take();
        let since = |family| before.as_ref().and_then(|known| known.missing).filter(|(other, _)| *other == family);
        let missing = answer.missing.map(|family| since(family).unwrap_or((family, now)));
        let mut addresses = answer.addresses;
        if let (Some((family, since)), Some(before)) = (missing, &before)
            && now < since + MAX_STALE
        {
            addresses.extend(before.addresses.iter().filter(|ip| Family::of(**ip) == family));
        }
        addresses.truncate(MAX_ADDRESSES);
        // In an order of its own, so that a server that answers in turns does not look like a change.
        addresses.sort_unstable();
        addresses.dedup();
        if state.trouble.take().is_some() {
            tracing::info!(name = %self.host, "the name resolves again");
        }
        if before.as_ref().is_some_and(|b| *b.addresses != *addresses && !b.is_completed_by(&addresses)) {
            self.resolver.0.counters.changed();
            tracing::debug!(name = %self.host, ?addresses, "the name has other addresses");
        }
        // Before the time is over, so that nobody has to wait; and soon for the family that was not waited for.
        let wait = if before.is_none() && missing.is_some() { RETRY } else { ttl * 4 / 5 };
        let same = before.map(|known| known.addresses).filter(|known| **known == *addresses);
        let addresses = same.unwrap_or_else(|| addresses.into());
        state.known = Some(Known { addresses, until: Some(now + ttl), missing });
        wait
    }

    fn failed(&self, state: &mut State, trouble: Trouble, now: Instant) -> Duration {
        let before = state.trouble.take();
        let pause = before.as_ref().map_or(RETRY, |failing| (failing.pause * 2).min(MAX_RETRY));
        let (reason, pause, gone) = match trouble {
            Trouble::Nothing(ttl) => {
                ("there is no such name, or it has no address".into(), ttl.clamp(RETRY, MAX_RETRY), true)
            }
            Trouble::Failed(reason) | Trouble::Unheard(reason) => (reason, pause, false),
        };
        if gone {
            state.known = None;
        }
        if before.is_none_or(|failing| failing.reason != reason) {
            let kept = state.known.is_some();
            tracing::warn!(name = %self.host, reason, kept, "the name does not resolve");
        }
        state.trouble = Some(Failing { reason, until: now + pause, pause });
        pause
    }
}

fn is_stale(state: &State) -> bool {
    state.known.is_some() && state.trouble.is_some()
}

/// Resolves the name again and again, until nobody asks for it.
async fn keep_current(name: Weak<Name>) {
    loop {
        let Some(here) = name.upgrade() else { return };
        let delay = here.ask();
        let resolved = here.resolver.resolve(&here.host, delay).await;
        here.asked.store(false, Ordering::Relaxed);
        let wait = here.note(resolved);
        drop(here);
        tokio::time::sleep(wait).await;
        let Some(here) = name.upgrade() else { return };
        let mut tended = here.tended.lock();
        if !here.asked.load(Ordering::Relaxed) {
            *tended = false;
            return;
        }
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        self.resolver.0.counters.stale(-i64::from(is_stale(&self.state.borrow())));
    }
}
