//! An upstream as the data path needs it: everything resolved, nothing to look up.

use super::connect::{Dialer, TlsSetupError};
use super::dots;
use super::h1::Scratch;
use super::pool::Pool;
use crate::exchange::AgentError;
use crate::net::Network;
use crate::telemetry::metrics::{Certificates, Owner};
use crate::tls::Trust;
use crate::upstream::{Config, HttpVersion, Timeouts};
use crate::vendors::Profile;
use http::uri::PathAndQuery;
use http::{HeaderValue, Uri};
use std::rc::Rc;

/// One upstream, ready to be called.
pub struct Upstream {
    /// Its configuration.
    pub config: Config,
    /// Opens connections to it.
    pub dialer: Dialer,
    /// How a connection is opened that is to be switched to another protocol, where TLS might agree on HTTP/2.
    switching: Option<(Config, Dialer)>,
    host: HeaderValue,
    /// Hash of the certificates and keys that connections to it are made with.
    trust: [Option<[u8; 32]>; 2],
}

impl Upstream {
    /// Loads certificates; fails where the upstream could never be verified.
    pub fn new(config: Config, network: &Network, certificates: &Certificates) -> Result<Self, TlsSetupError> {
        let dialer = |config: &Config| Dialer::new(config, network, certificates.of(Owner::Upstream, &config.name));
        let switching = match config.http {
            HttpVersion::Auto if config.tls && !config.upgrades.is_empty() => {
                let only_1 = Config { http: HttpVersion::Http1, max_idle_per_worker: 0, ..config.clone() };
                let dialer = dialer(&only_1)?;
                Some((only_1, dialer))
            }
            _ => None,
        };
        let dialer = dialer(&config)?;
        let host = HeaderValue::try_from(config.authority()).unwrap_or_else(|_| HeaderValue::from_static("invalid"));
        let trust = [Some(&config.trust), config.egress.as_ref().map(|proxy| &proxy.trust)];
        let trust = trust.map(|trust| trust.map(Trust::fingerprint));
        Ok(Self { config, dialer, switching, host, trust })
    }

    /// True when connections made for one serve the other as well.
    pub fn is_called_as(&self, other: &Self) -> bool {
        let (a, b) = (&self.config, &other.config);
        let address = |c: &Config| (c.tls, c.port, c.http, c.max_idle_per_worker, c.timeouts.connect, c.answer_head);
        a.name == b.name
            && a.host == b.host
            && a.egress == b.egress
            && address(a) == address(b)
            && self.trust == other.trust
    }

    /// Where a connection comes from that is to be switched to another protocol, if not from the usual pool. Switches are
    /// rare and take their connection with them: nothing is pooled.
    pub fn switching(&self, scratch: &Rc<Scratch>) -> Option<Rc<Pool>> {
        let (config, dialer) = self.switching.as_ref()?;
        Some(Rc::new(Pool::new(config.clone(), dialer.clone(), Rc::clone(scratch))))
    }

    /// The vendor's profile.
    pub fn profile(&self) -> &Profile {
        &self.config.profile
    }

    /// The value of `Host`.
    pub fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// Time-outs.
    pub fn timeouts(&self) -> Timeouts {
        self.config.timeouts
    }

    /// The target to send: base path, path, query.
    ///
    /// # Errors
    /// They do not make a valid one, or the path could lead out of the place it is put in.
    pub fn target(&self, asked: &Uri, path: &str, query: Option<&str>) -> Result<PathAndQuery, AgentError> {
        let base = &self.config.base_path;
        // Nothing added, nothing stripped: what was asked can be shared instead of copied and parsed again.
        if base.is_empty() && path.len() == asked.path().len() {
            return asked.path_and_query().cloned().ok_or(AgentError::BadRequest);
        }
        if dots::any(path) {
            return Err(AgentError::DotSegments);
        }
        let path = if path.is_empty() { "/" } else { path };
        let mut text = String::with_capacity(base.len() + path.len() + query.map_or(0, |q| q.len() + 1));
        text.push_str(base);
        text.push_str(path);
        if let Some(query) = query {
            text.push('?');
            text.push_str(query);
        }
        PathAndQuery::try_from(text).map_err(|_| AgentError::BadRequest)
    }
}
