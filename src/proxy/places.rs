//! Places shared by all workers: one per (integration, upstream, route), numbered, and never more than the caps allow.

use crate::exchange::Place;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The route label of what goes beyond the cap.
pub const OTHER: &str = "other";

/// The registry of places.
pub struct Places {
    routes: usize,
    known: Mutex<Known>,
    /// Exchanges whose route was folded into `other`, per process.
    pub folded: AtomicU64,
}

/// Integration, upstream, route.
type Labels = (Arc<str>, Arc<str>, Arc<str>);

#[derive(Default)]
struct Known {
    places: HashMap<Labels, Arc<Place>>,
    routes: HashMap<Arc<str>, HashMap<Arc<str>, ()>>,
}

impl Places {
    /// Keeps at most `routes` routes an upstream.
    pub fn new(routes: usize) -> Self {
        Self { routes, known: Mutex::default(), folded: AtomicU64::new(0) }
    }

    /// The place for these labels; its route is `other` when the upstream has too many already.
    pub fn get(&self, integration: &Arc<str>, system: &Arc<str>, upstream: &Arc<str>, route: &str) -> Arc<Place> {
        let mut known = self.known.lock();
        let routes = known.routes.entry(Arc::clone(upstream)).or_default();
        let route: Arc<str> = match routes.get_key_value(route) {
            Some((known, ())) => Arc::clone(known),
            None if routes.len() >= self.routes => {
                self.folded.fetch_add(1, Ordering::Relaxed);
                Arc::from(OTHER)
            }
            None => {
                let route: Arc<str> = Arc::from(route);
                routes.insert(Arc::clone(&route), ());
                route
            }
        };
        let id = known.places.len() as u32;
        let key = (Arc::clone(integration), Arc::clone(upstream), Arc::clone(&route));
        let make = || Place {
            id,
            integration: Arc::clone(integration),
            system: Arc::clone(system),
            upstream: Arc::clone(upstream),
            route,
        };
        Arc::clone(known.places.entry(key).or_insert_with(|| Arc::new(make())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_beyond_the_cap_fold_into_other_and_are_counted() {
        let places = Places::new(2);
        let name: Arc<str> = Arc::from("x");
        let get = |route: &str| places.get(&name, &name, &name, route);
        let (a, b, c, d) = (get("/a"), get("/b"), get("/c"), get("/d"));
        assert_eq!((&*a.route, &*b.route, &*c.route), ("/a", "/b", OTHER));
        assert!(Arc::ptr_eq(&c, &d), "everything beyond shares one place");
        assert_eq!(get("/a").id, a.id);
        assert_eq!(places.folded.load(Ordering::Relaxed), 2);
    }
}
