//! Places shared by all workers: one per (integration, upstream, route), numbered. They stay for as long as the
//! configuration does, so only routes that are few may have one: a profile's own, the templates that metrics let in, and
//! one that stands for all others.

use crate::exchange::{Labelled, Place};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// The registry of places.
#[derive(Default)]
pub struct Places(Mutex<HashMap<Key, Arc<Place>>>);

/// Integration, upstream, route.
type Key = (Arc<str>, Arc<str>, Arc<str>, Labelled);

/// Who calls.
pub struct Caller<'a> {
    /// The integration's name.
    pub integration: &'a Arc<str>,
    /// Its display name.
    pub system: &'a Arc<str>,
}

impl Places {
    /// The place of `route`, made when it is new.
    pub fn get(&self, caller: &Caller<'_>, upstream: &Arc<str>, route: &str, labelled: Labelled) -> Arc<Place> {
        let mut known = self.0.lock();
        let id = known.len() as u32;
        let route: Arc<str> = Arc::from(route);
        let key = (Arc::clone(caller.integration), Arc::clone(upstream), Arc::clone(&route), labelled);
        let make = || Place {
            id,
            integration: Arc::clone(caller.integration),
            system: Arc::clone(caller.system),
            upstream: Arc::clone(upstream),
            route,
            labelled,
        };
        Arc::clone(known.entry(key).or_insert_with(|| Arc::new(make())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_made_once() {
        let places = Places::default();
        let name: Arc<str> = Arc::from("x");
        let caller = Caller { integration: &name, system: &name };
        let get = |route: &str, labelled| places.get(&caller, &name, route, labelled);
        let (a, b) = (get("/a", Labelled::Known), get("/b", Labelled::Known));
        assert!(Arc::ptr_eq(&a, &get("/a", Labelled::Known)));
        // The template of a path may read like a route that it is not.
        let generic = get("/a", Labelled::Generic);
        assert!(a.id != b.id && a.id != generic.id && b.id != generic.id);
    }
}
