//! For HTTP clients that make their own connections: names by the same resolver as everything else.

use super::resolver::{Name, Resolver};
use parking_lot::Mutex;
use reqwest::dns::{Addrs, Resolve, Resolving};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Names that one client may ask for: the few that the configuration names for it, and no redirects are followed.
const MAX_NAMES: usize = 16;

/// A client's names; they are kept current while the client lives.
pub struct Names {
    resolver: Resolver,
    held: Mutex<HashMap<String, Arc<Name>>>,
}

impl Names {
    /// For one client.
    pub fn new(resolver: Resolver) -> Self {
        Self { resolver, held: Mutex::default() }
    }

    fn name(&self, host: &str) -> Arc<Name> {
        let mut held = self.held.lock();
        if let Some(name) = held.get(host) {
            return Arc::clone(name);
        }
        let name = self.resolver.name(host);
        if held.len() < MAX_NAMES {
            held.insert(host.to_owned(), Arc::clone(&name));
        }
        name
    }
}

impl Resolve for Names {
    fn resolve(&self, host: reqwest::dns::Name) -> Resolving {
        let name = self.name(host.as_str());
        Box::pin(async move {
            let found = name.addresses().await?;
            // The client knows the port; it races both families itself.
            let addresses: Vec<_> = found.iter().map(|ip: &IpAddr| SocketAddr::new(*ip, 0)).collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
