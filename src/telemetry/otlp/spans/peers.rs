//! The two ends of a call: the listener it came by, and the upstream it went to.

use crate::upstream;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// An upstream's address. Made once and shared by all its spans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// `http` or `https`.
    pub(super) scheme: &'static str,
    /// Host name or address.
    pub(super) address: Arc<str>,
    /// Port.
    pub(super) port: u16,
}

impl From<&upstream::Config> for Endpoint {
    fn from(config: &upstream::Config) -> Self {
        let scheme = if config.tls { "https" } else { "http" };
        Self { scheme, address: config.host.as_str().into(), port: config.port }
    }
}

/// Who talks to Vigie where, and whom Vigie talks to.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    listeners: Listeners,
    /// Those of the configuration before: what came by them may end later.
    gone: Listeners,
    upstreams: HashMap<Arc<str>, Endpoint>,
}

type Listeners = HashMap<u32, (Arc<str>, u16)>;

impl Peers {
    /// The listeners by number, with the addresses they are bound to, and the configured upstreams.
    pub fn new<'a>(
        listeners: impl IntoIterator<Item = (u32, SocketAddr)>,
        upstreams: impl IntoIterator<Item = &'a upstream::Config>,
    ) -> Self {
        let listener = |(number, at): (u32, SocketAddr)| (number, (at.ip().to_string().into(), at.port()));
        Self {
            listeners: listeners.into_iter().map(listener).collect(),
            gone: Listeners::default(),
            upstreams: upstreams.into_iter().map(|u| (u.name.clone(), u.into())).collect(),
        }
    }

    /// Takes the addresses of another configuration.
    pub(in crate::telemetry::otlp) fn renew(&mut self, new: Self) {
        let old = std::mem::replace(self, new);
        self.gone = old.listeners;
    }

    /// Address and port of a listener.
    pub(super) fn listener(&self, number: u32) -> Option<(&Arc<str>, u16)> {
        let listener = self.listeners.get(&number).or_else(|| self.gone.get(&number));
        listener.map(|(address, port)| (address, *port))
    }

    /// An upstream's address.
    pub(super) fn upstream(&self, name: &str) -> Option<&Endpoint> {
        self.upstreams.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_that_went_is_known_until_the_next_change() {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let mut peers = Peers::new([(0, at(80)), (1, at(81))], []);
        let port = |peers: &Peers, number| peers.listener(number).map(|(_, port)| port);
        peers.renew(Peers::new([(1, at(81)), (2, at(82))], []));
        assert_eq!([0, 1, 2, 3].map(|n| port(&peers, n)), [Some(80), Some(81), Some(82), None]);
        peers.renew(Peers::new([(2, at(82))], []));
        assert_eq!([0, 1, 2].map(|n| port(&peers, n)), [None, Some(81), Some(82)]);
    }
}
