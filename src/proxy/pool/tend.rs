//! Looking after open connections beside the traffic: what is idle for too long, was closed, or leads where the upstream's
//! name no longer does, carries nothing more.

use super::{MAX_IDLE, Peer, Pool, h1};
use std::net::IpAddr;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

/// How often open connections are looked at: one that its peer has closed must not be held open from this side, nor one
/// to an address that is no longer the upstream's.
const TEND: Duration = Duration::from_secs(5);

impl Pool {
    pub(super) fn keep(self: &Rc<Self>, connection: h1::Connection, mut peer: Peer) {
        if peer.era != self.era.get() {
            if !self.leads_to(peer.ip) {
                return self.dialer.outlet().drained(1);
            }
            peer.era = self.era.get();
        }
        let mut idle = self.idle.borrow_mut();
        if self.config.max_idle_per_worker == 0 {
            return;
        }
        if idle.len() >= self.config.max_idle_per_worker {
            idle.pop_front();
        }
        idle.push_back((connection, peer, Instant::now()));
        drop(idle);
        self.look_after();
    }

    pub(super) fn look_after(self: &Rc<Self>) {
        if !self.tended.replace(true) {
            tokio::task::spawn_local(tend(Rc::downgrade(self)));
        }
    }

    fn leads_to(&self, ip: IpAddr) -> bool {
        self.places.borrow().as_ref().is_none_or(|places| places.contains(&ip))
    }

    /// Follows the upstream to other addresses: connections to those it had before carry nothing more.
    fn follow(&self) {
        let Some(places) = self.dialer.outlet().current() else { return };
        if self.places.borrow().as_ref().is_some_and(|known| *known == places) {
            return;
        }
        self.places.replace(Some(places));
        self.era.set(self.era.get().wrapping_add(1));
        let (mut idle, mut shared) = (self.idle.borrow_mut(), self.shared.borrow_mut());
        let before = idle.len() + shared.len();
        idle.retain(|(_, peer, _)| self.leads_to(peer.ip));
        shared.retain(|connection| self.leads_to(connection.peer.ip));
        self.dialer.outlet().drained((before - idle.len() - shared.len()) as u64);
    }
}

/// Closes idle connections that are too old, were closed by their peer or lead elsewhere, until there are none.
async fn tend(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(TEND).await;
        let Some(pool) = pool.upgrade() else { return };
        pool.follow();
        let (mut idle, mut shared) = (pool.idle.borrow_mut(), pool.shared.borrow_mut());
        idle.retain_mut(|(connection, _, since)| since.elapsed() < MAX_IDLE && connection.is_usable());
        shared.retain(|connection| !connection.sender.is_closed());
        if idle.is_empty() && shared.is_empty() {
            pool.tended.set(false);
            return;
        }
    }
}
