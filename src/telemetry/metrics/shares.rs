//! Who gets a family's room. No upstream takes what another one needs, and no templates, which anybody who calls can make
//! up, take what a profile's own routes need.
//!
//! Of an upstream's fair part (the family's cap divided by the configured upstreams) a quarter is kept for its known routes
//! and a quarter for templates. The rest is for whoever comes first, but of templates an upstream never has more than half
//! its fair part.

use super::labels::Labels;
use std::collections::HashMap;
use std::sync::Arc;

/// Tuples an upstream has, by whether their route was made from a path.
type Taken = [usize; 2];

/// The room of one family.
pub(super) struct Shares {
    cap: usize,
    total: usize,
    taken: HashMap<Arc<str>, Taken>,
}

impl Shares {
    /// Room for `cap` tuples of these upstreams.
    pub(super) fn new(cap: usize, upstreams: &[Arc<str>]) -> Self {
        let mut shares = Self { cap, total: 0, taken: HashMap::new() };
        shares.let_in(upstreams);
        shares
    }

    /// Shares the room with these as well.
    pub(super) fn let_in(&mut self, upstreams: &[Arc<str>]) {
        for upstream in upstreams {
            self.taken.entry(upstream.clone()).or_default();
        }
    }

    /// Takes room for one more tuple; false where there is none.
    pub(super) fn take(&mut self, labels: &Labels) -> bool {
        let room = self.total < self.cap && self.has_room(labels);
        if room {
            self.note(labels);
        }
        room
    }

    fn has_room(&self, labels: &Labels) -> bool {
        let fair = self.cap / self.taken.len().max(1);
        let kept = fair / 4;
        let kept_free: usize = self.taken.values().flatten().map(|taken| kept.saturating_sub(*taken)).sum();
        let unkept = self.total + kept_free < self.cap;
        match self.taken.get(&labels.upstream) {
            Some([_, templates]) if labels.generic => *templates < kept || (*templates < (fair / 2).max(1) && unkept),
            Some([known, _]) => *known < kept || unkept,
            // What was refused before an upstream was found.
            None => unkept,
        }
    }

    fn note(&mut self, labels: &Labels) {
        self.total += 1;
        if let Some(taken) = self.taken.get_mut(&labels.upstream) {
            taken[usize::from(labels.generic)] += 1;
        }
    }

    /// Forgets the upstreams that do not stay. `remaining`: the labels of every tuple that does.
    pub(super) fn retain<'a>(
        &mut self,
        stays: impl Fn(&Arc<str>) -> bool,
        remaining: impl Iterator<Item = &'a Labels>,
    ) {
        self.taken.retain(|upstream, _| stays(upstream));
        self.taken.values_mut().for_each(|taken| *taken = Taken::default());
        self.total = 0;
        remaining.for_each(|labels| self.note(labels));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn upstreams(count: usize) -> Vec<Arc<str>> {
        (0..count).map(|i| Arc::from(format!("u{i}"))).collect()
    }

    fn labels(upstream: &Arc<str>, generic: bool) -> Labels {
        Labels { integration: "erp".into(), upstream: upstream.clone(), route: "/".into(), generic }
    }

    fn fill(shares: &mut Shares, labels: &Labels) -> usize {
        (0..10_000).take_while(|_| shares.take(labels)).count()
    }

    #[test]
    fn templates_of_one_upstream_leave_room_for_every_other_route() {
        let names = upstreams(3);
        let mut shares = Shares::new(240, &names);
        assert_eq!(fill(&mut shares, &labels(&names[0], true)), 40, "half of a third");
        assert_eq!(fill(&mut shares, &labels(&names[1], true)), 40);
        assert_eq!(fill(&mut shares, &labels(&names[2], false)), 100, "all but what is kept for others");
        assert_eq!(fill(&mut shares, &labels(&names[0], false)), 20, "what was kept for it");
        assert_eq!(fill(&mut shares, &labels(&names[2], true)), 20);
        assert_eq!(fill(&mut shares, &labels(&names[1], false)), 20);
    }

    #[test]
    fn one_upstream_alone_has_nearly_all_of_it() {
        let names = upstreams(1);
        let mut shares = Shares::new(274, &names);
        assert_eq!(fill(&mut shares, &labels(&names[0], true)), 137);
        assert_eq!(fill(&mut shares, &labels(&names[0], false)), 137);
        shares.retain(|_| false, [].iter());
        shares.let_in(&names);
        assert_eq!(fill(&mut shares, &labels(&names[0], false)), 206, "without what is kept for templates");
    }

    proptest! {
        #[test]
        fn there_are_never_more_than_the_cap(cap in 1..300usize, calls in prop::collection::vec((0..6usize, any::<bool>()), 0..900)) {
            let names = upstreams(6);
            let mut shares = Shares::new(cap, &names[..3]);
            let (first, last) = calls.split_at(calls.len() / 2);
            let taken = |shares: &mut Shares, calls: &[(usize, bool)]| {
                calls.iter().filter(|(upstream, generic)| shares.take(&labels(&names[*upstream], *generic))).count()
            };
            let before = taken(&mut shares, first);
            shares.let_in(&names);
            prop_assert!(before + taken(&mut shares, last) <= cap);
        }
    }
}
