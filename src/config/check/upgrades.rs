//! Which protocols may be switched to.

use super::Checker;
use crate::config::raw::{Http, Upstream};

/// Protocols that would take HTTP out of sight: whoever speaks one is no longer seen, masked or counted, or is not who the
/// listener's certificate says.
const NEVER: [&str; 3] = ["h2c", "http", "tls"];

/// Refuses those, and any where the upstream is spoken to in HTTP/2 only.
pub fn check(checker: &mut Checker<'_>, name: &str, upstream: &Upstream) {
    for (index, protocol) in upstream.upgrades.iter().enumerate() {
        let family = protocol.split('/').next().unwrap_or_default();
        if NEVER.contains(&family) {
            let path = format!("upstreams/{name}/upgrades/{index}");
            let named = checker.subject(&path);
            checker.error(&path, format!("{named} would hide calls from the agent; name another protocol or none"));
        }
    }
    if !upstream.upgrades.is_empty() && matches!(upstream.http, Http::Two) {
        let message = "needs HTTP/1.1, and http: 2 rules it out; remove one of them";
        checker.error(&format!("upstreams/{name}/upgrades"), message);
    }
}
