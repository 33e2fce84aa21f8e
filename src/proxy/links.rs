//! Staying on the path: what in an answer would lead the caller past the agent, and where it leads instead.
//!
//! - An absolute URL of the upstream's becomes the same URL as the caller reaches it: the scheme and `Host` it called with
//!   (or the listener's `public_url`), the prefixes that were taken off put back; path, query and fragment stay as they are.
//! - What has no place here is left as it is and noted, never guessed: a caller sent astray is worse than one sent past.
//!
//! Heads are always treated; bodies only where the configuration asks for it (`body`). Nothing here is kept: links are
//! wire data.

pub mod body;
mod cookie;
mod head;
pub mod held;
mod link_header;

use super::router::{Routed, Router, Stripped};
use super::worker::Shared;
use super::{Config, PublicUrl};
use crate::exchange::{Bypass, Origin, Reference, Why};
use crate::upstream;
use http::HeaderValue;
use smallvec::SmallVec;

/// Where the upstreams are, and what the listeners are called from outside.
pub struct Places {
    upstreams: Vec<upstream::Config>,
    /// By upstream; `None` for a host that no URL can name.
    origins: Vec<Option<Origin>>,
    /// By listener.
    public: Vec<Option<PublicUrl>>,
}

impl Places {
    /// Of a configuration; `slots` are the numbers of its listeners, in their order.
    pub fn new(config: &Config, upstreams: &[upstream::Config], slots: &[usize]) -> Self {
        let mut public = vec![None; slots.iter().max().map_or(0, |last| last + 1)];
        for (listener, slot) in config.listeners.iter().zip(slots) {
            public[*slot].clone_from(&listener.public_url);
        }
        let origins = upstreams.iter().map(upstream::Config::origin).collect();
        Self { upstreams: upstreams.to_vec(), origins, public }
    }
}

/// How a caller reached the upstream: what a link back needs.
pub struct Way {
    listener: u16,
    integration: u16,
    upstream: u16,
    stripped: Stripped,
    tls: bool,
    /// Copied: a value taken over would hold the parser's buffer while the upstream is waited for.
    host: SmallVec<[u8; 40]>,
}

impl Way {
    /// Of a call that came in by `listener` and was routed.
    pub fn new(listener: usize, routed: &Routed<'_>) -> Self {
        let small = |index: usize| u16::try_from(index).unwrap_or(u16::MAX);
        let (integration, upstream) = (small(routed.integration), small(routed.upstream));
        let (listener, stripped) = (small(listener), routed.stripped);
        Self { listener, integration, upstream, stripped, tls: false, host: SmallVec::new() }
    }

    /// Notes what the caller called; `host` is `None` where it sent none.
    pub fn called(&mut self, tls: bool, host: Option<&HeaderValue>) {
        self.tls = tls;
        self.host.extend_from_slice(host.map(HeaderValue::as_bytes).unwrap_or_default());
    }
}

/// Finds the places of one answer's links.
pub struct Map<'a> {
    places: &'a Places,
    router: &'a Router,
    way: &'a Way,
}

/// What becomes of one link.
#[derive(Default, PartialEq, Eq)]
struct Placed {
    /// What stands in its place; `None` leaves it.
    to: Option<String>,
    /// Set if it leads past the agent.
    past: Option<Why>,
}

impl Placed {
    fn left(why: Why) -> Self {
        Self { to: None, past: Some(why) }
    }
}

impl<'a> Map<'a> {
    /// For the answer to a call that came by `way`.
    pub fn new(shared: &'a Shared, way: &'a Way) -> Self {
        Self { places: &shared.links, router: &shared.router, way }
    }

    fn from(&self) -> usize {
        usize::from(self.way.upstream)
    }

    fn upstream(&self) -> &upstream::Config {
        &self.places.upstreams[self.from()]
    }

    /// Where a reference leads that stands in a header.
    fn place(&self, text: &str) -> Placed {
        match Reference::parse(text, self.upstream().tls) {
            Reference::Absolute(origin, rest) => self.absolute(&origin, rest),
            Reference::Path(rest) => self.path(rest),
            Reference::Odd => Placed::left(Why::OtherHost),
            Reference::Other => Placed::default(),
        }
    }

    /// Where an absolute URL leads that stands in a body. One to somebody else's host is data like any other.
    fn place_in_body(&self, text: &str) -> Placed {
        let Reference::Absolute(origin, rest) = Reference::parse(text, self.upstream().tls) else {
            return Placed::default();
        };
        let placed = self.absolute(&origin, rest);
        if placed.past == Some(Why::OtherHost) && !self.is_known(&origin) { Placed::default() } else { placed }
    }

    fn is_known(&self, origin: &Origin) -> bool {
        let of_vendor = |name| self.upstream().profile.is_vendor_host(name);
        self.places.origins.iter().flatten().any(|o| o == origin) || origin.name().is_some_and(of_vendor)
    }

    fn absolute(&self, origin: &Origin, rest: &str) -> Placed {
        let mut why = Why::OtherHost;
        for to in self.candidates(origin) {
            match self.way_back(to, rest).and_then(|path| Some(self.base()? + &path)) {
                Some(url) => return Placed { to: Some(url), past: None },
                None => why = Why::Unreachable,
            }
        }
        Placed::left(why)
    }

    /// The upstreams at `origin` that a link may be sent to: the one that answered first. Another host must be of the same
    /// known vendor: whoever follows the link sends it the same credential.
    fn candidates(&self, origin: &Origin) -> impl Iterator<Item = usize> {
        let from = self.from();
        let at = |i: &usize| self.places.origins[*i].as_ref() == Some(origin);
        let own = &self.upstream().profile;
        let same_host = self.places.origins[from].as_ref() == Some(origin);
        let same =
            |i: &usize| same_host || (own.is_of_a_vendor() && self.places.upstreams[*i].profile.name() == own.name());
        let others = (0..self.places.upstreams.len()).filter(move |i| *i != from).filter(same).filter(at);
        same_host.then_some(from).into_iter().chain(others.collect::<SmallVec<[usize; 4]>>())
    }

    /// A path of the upstream's own, as `Location` may give it.
    fn path(&self, rest: &str) -> Placed {
        let upstream = self.upstream();
        match self.way_back(self.from(), rest) {
            Some(path) => {
                let path = self.public().map_or("", |public| public.path.as_str()).to_owned() + &path;
                Placed { to: Some(path).filter(|path| path != rest), past: None }
            }
            // Left as it is, it would lead to another place here.
            None => {
                let scheme = if upstream.tls { "https" } else { "http" };
                let url = format!("{scheme}://{}{rest}", upstream.authority());
                Placed { to: Some(url), past: Some(Why::Unreachable) }
            }
        }
    }

    /// From path, query and fragment at the upstream `to` to those by which the caller reaches it.
    fn way_back(&self, to: usize, rest: &str) -> Option<String> {
        let (path, after) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
        if has_dots(path) {
            return None;
        }
        let below = below(&self.places.upstreams[to].base_path, path)?;
        // As a path this would name a host.
        if below.starts_with("//") || below.starts_with("/\\") {
            return None;
        }
        let Way { listener, integration, stripped, .. } = *self.way;
        let caller = (usize::from(integration), self.from());
        let path = self.router.way_back(usize::from(listener), caller, stripped, to, below)?;
        Some(path + after)
    }

    fn public(&self) -> Option<&PublicUrl> {
        self.places.public.get(usize::from(self.way.listener))?.as_ref()
    }

    /// Scheme and authority by which callers reach this listener, with the path before its own.
    fn base(&self) -> Option<String> {
        if let Some(public) = self.public() {
            return Some(format!("{}{}", public.origin, public.path));
        }
        let host = std::str::from_utf8(&self.way.host).ok().filter(|host| !host.is_empty())?;
        Some(format!("{}://{host}", if self.way.tls { "https" } else { "http" }))
    }

    /// The prefixes in front of the upstream's paths, as the caller writes them.
    fn front(&self) -> String {
        let public = self.public().map_or("", |public| public.path.as_str());
        let Way { listener, integration, stripped, .. } = *self.way;
        let caller = (usize::from(integration), self.from());
        let root = self.router.way_back(usize::from(listener), caller, stripped, self.from(), "");
        format!("{public}{}", root.as_deref().unwrap_or_default().trim_end_matches('/'))
    }
}

/// What follows `base` in `path`, at a segment's border.
fn below<'p>(base: &str, path: &'p str) -> Option<&'p str> {
    path.strip_prefix(base).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Clients resolve `.` and `..` before they call: such a path may leave its prefix again.
fn has_dots(path: &str) -> bool {
    let is_dots = |segment: &str| {
        let plain = segment.to_ascii_lowercase().replace("%2e", ".");
        plain == "." || plain == ".."
    };
    path.split(['/', '\\']).any(is_dots)
}

fn bypass(field: &str, why: Why) -> Bypass {
    Bypass { field: field.into(), why }
}

#[cfg(test)]
mod tests;
