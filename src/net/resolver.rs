//! Names and their addresses, kept current beside the traffic.
//!
//! A name that is used is resolved anew before its time is over, so that connections wait for DNS at the first use only.
//! When nobody can tell, or it takes long to learn that, the addresses from before stay (RFC 8767: stale is better than none);
//! that a name does not exist is an answer, and takes them away. So it is for each family by itself.

mod counters;
mod name;

pub use counters::{Counters, DnsResult};
pub use name::{Name, Unresolved};

use super::dns::{self, Answer, Trouble};
use super::{Config, ResolverKind};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::runtime::Handle;

/// Resolves names. Cheap to clone.
#[derive(Clone)]
pub struct Resolver(Arc<Inner>);

struct Inner {
    source: Source,
    runtime: Handle,
    counters: Arc<Counters>,
    /// Everybody who asks for a name shares it. Names come from the configuration, which bounds them.
    names: Mutex<HashMap<String, Weak<Name>>>,
}

/// Who is asked.
enum Source {
    Dns(Vec<SocketAddr>),
    System(Duration),
}

impl Resolver {
    /// Asks as configured; names are kept current on `runtime`.
    pub fn new(config: &Config, counters: Arc<Counters>, runtime: Handle) -> Self {
        let source = match config.resolver {
            ResolverKind::Dns => Source::Dns(config.servers.clone()),
            ResolverKind::System => Source::System(config.refresh),
        };
        Self(Arc::new(Inner { source, runtime, counters, names: Mutex::default() }))
    }

    /// What is known of `host`, a name or an address. It is kept current while somebody holds it and asks.
    pub fn name(&self, host: &str) -> Arc<Name> {
        let mut names = self.0.names.lock();
        if let Some(known) = names.get(host).and_then(Weak::upgrade) {
            return known;
        }
        names.retain(|_, name| name.strong_count() > 0);
        let name = Name::new(host, self.clone());
        names.insert(host.to_owned(), Arc::downgrade(&name));
        name
    }

    /// What was resolved so far.
    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// Where names are kept current.
    pub fn runtime(&self) -> &Handle {
        &self.0.runtime
    }

    /// `delay`: how long one family waits for the other.
    async fn resolve(&self, host: &str, delay: Duration) -> Result<Answer, Trouble> {
        let resolved = match &self.0.source {
            Source::Dns(servers) => dns::addresses(host, servers, delay).await,
            Source::System(refresh) => by_system(host, *refresh).await,
        };
        self.0.counters.resolved(match &resolved {
            Ok(_) => DnsResult::Found,
            Err(Trouble::Nothing(_)) => DnsResult::None,
            Err(Trouble::Failed(_) | Trouble::Unheard(_)) => DnsResult::Failed,
        });
        resolved
    }
}

/// The C library tells neither times nor, on every system, whether a name does not exist or nobody could say.
async fn by_system(host: &str, refresh: Duration) -> Result<Answer, Trouble> {
    match tokio::net::lookup_host((host, 0)).await {
        Ok(found) => {
            let mut addresses: Vec<_> = found.map(|address| address.ip()).collect();
            addresses.dedup();
            let answer = Answer { addresses, ttl: refresh, missing: None };
            if answer.addresses.is_empty() { Err(Trouble::Nothing(refresh)) } else { Ok(answer) }
        }
        Err(error) => Err(Trouble::Failed(error.to_string())),
    }
}

#[cfg(test)]
mod tests;
