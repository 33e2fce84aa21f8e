//! The credentials that a configuration names: no record may hold one.

use crate::config::Config;
use crate::proxy;
use crate::secret::Secret;
use crate::vendors::Written;

/// Those that the agent puts on calls, and those that callers are recognised by. Tokens of callers are known by their hashes
/// only.
pub fn credentials(config: &Config) -> Vec<Secret> {
    let injected = |written: &Written| written.secrets.clone();
    let mut all: Vec<Secret> =
        config.upstreams.iter().filter_map(|u| u.credential.as_ref()).flat_map(injected).collect();
    for integration in &config.proxy.integrations {
        all.extend(integration.upstream_credentials.iter().flat_map(|(_, written)| injected(written)));
        all.extend(integration.credentials.iter().filter_map(bare));
    }
    all
}

/// The key alone: a whole header value would only be found with its scheme word before it.
fn bare(credential: &Secret) -> Option<Secret> {
    let key = proxy::bare_credential(credential.expose().as_bytes());
    Some(Secret::new(std::str::from_utf8(&key).ok()?))
}
