//! Looks after one worker's connections once a second: a timer for each of them would have to be set anew for every
//! request.

use super::conn::{Conn, Phase};
use super::limits::Pace;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

/// One worker's.
pub struct Watchdog {
    pace: Cell<Pace>,
    next: Cell<u64>,
    last: Cell<Duration>,
    watched: RefCell<HashMap<u64, (Rc<Conn>, Phase)>>,
}

impl Watchdog {
    /// Begins at `now` on the agent's clock.
    pub fn new(pace: Pace, now: Duration) -> Self {
        Self { pace: Cell::new(pace), next: Cell::new(0), last: Cell::new(now), watched: RefCell::default() }
    }

    /// Another pace from now on.
    pub fn pace(&self, pace: Pace) {
        self.pace.set(pace);
    }

    /// Watches a connection while the guard lives.
    pub fn watch(self: &Rc<Self>, conn: &Rc<Conn>) -> Watched {
        let id = self.next.get();
        self.next.set(id + 1);
        self.watched.borrow_mut().insert(id, (Rc::clone(conn), Phase::Between));
        Watched { dog: Rc::clone(self), id }
    }

    /// Looks at all of them.
    pub fn look(&self, now: Duration) {
        let passed = now.saturating_sub(self.last.replace(now));
        let pace = self.pace.get();
        for (conn, seen) in self.watched.borrow_mut().values_mut() {
            conn.look(now, passed, seen, &pace);
        }
    }
}

/// A place among the watched.
pub struct Watched {
    dog: Rc<Watchdog>,
    id: u64,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.dog.watched.borrow_mut().remove(&self.id);
    }
}
