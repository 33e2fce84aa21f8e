//! Every path the read side serves, with who may ask for it and what is written about that. The router is made from this
//! table and from nothing else, so no path can be served without an entry here.

use super::audit::Action;
use super::role::Role::{self, Admin, Auditor, Operator, Steward};
use super::{State, api, guard};
use axum::routing::{MethodRouter, get};
use axum::{Router, middleware};
use std::sync::Arc;

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Everybody who can connect: it tells nothing, and a kubelet knows no token.
    Anyone,
    /// Holders of a token with one of these roles; everybody where no token is configured (on loopback only).
    Roles(&'static [Role]),
}

/// One path.
pub struct Endpoint {
    /// The method.
    pub method: &'static str,
    /// The path, exactly.
    pub path: &'static str,
    /// Who may ask.
    pub who: Who,
    /// What the audit log calls it, where it changes or reveals something.
    pub action: Option<Action>,
    handler: fn() -> MethodRouter<Arc<State>>,
}

/// Whoever holds a token.
const ANY_ROLE: Who = Who::Roles(&Role::ALL);

/// The table.
pub const ALL: &[Endpoint] = &[
    of("/live", Who::Anyone, None, || get(super::live)),
    of("/ready", Who::Anyone, None, || get(super::ready)),
    of("/", ANY_ROLE, None, || get(super::index)),
    of("/metrics", ANY_ROLE, None, || get(super::metrics)),
    of("/api/v1/status", ANY_ROLE, None, || get(api::status)),
    of("/api/v1/quota", ANY_ROLE, None, || get(api::quota)),
    of("/api/v1/records", Who::Roles(&[Steward, Operator, Auditor, Admin]), Some(Action::RecordsSearched), || {
        get(api::records)
    }),
    of("/api/v1/callers", Who::Roles(&[Operator, Admin]), Some(Action::CallersListed), || get(api::callers)),
    of("/api/v1/audit", Who::Roles(&[Auditor, Admin]), Some(Action::AuditRead), || get(api::audit)),
];

const fn of(
    path: &'static str,
    who: Who,
    action: Option<Action>,
    handler: fn() -> MethodRouter<Arc<State>>,
) -> Endpoint {
    Endpoint { method: "GET", path, who, action, handler }
}

/// The table as a router; every entry behind its own guard, whatever the method asked with.
pub(super) fn router(state: &Arc<State>) -> Router<Arc<State>> {
    let guarded = |endpoint: &'static Endpoint| {
        let guard = middleware::from_fn_with_state((Arc::clone(state), endpoint), guard::role);
        (endpoint.handler)().layer(guard)
    };
    ALL.iter().fold(Router::new(), |router, endpoint| router.route(endpoint.path, guarded(endpoint)))
}

/// The table for people: what each role may ask for, and what of it is written down. docs/security.md holds it.
pub fn markdown() -> String {
    let mut table = String::from("| endpoint | no token | ");
    table.push_str(&Role::ALL.map(Role::as_str).join(" | "));
    table.push_str(" | in the audit log as |\n|---|---|---|---|---|---|---|---|\n");
    for endpoint in ALL {
        let yes = |allowed: bool| if allowed { "yes" } else { "-" };
        let (anyone, roles): (_, &[Role]) = match endpoint.who {
            Who::Anyone => (true, &Role::ALL),
            Who::Roles(roles) => (false, roles),
        };
        let cells = Role::ALL.map(|role| yes(roles.contains(&role)));
        let action = endpoint.action.map_or(String::new(), |action| format!("`{}`", action.as_str()));
        let (method, path) = (endpoint.method, endpoint.path);
        table.push_str(&format!("| `{method} {path}` | {} | {} | {action} |\n", yes(anyone), cells.join(" | ")));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viewer_reveals_nothing_and_admin_may_everything() {
        for endpoint in ALL {
            let Who::Roles(roles) = endpoint.who else { continue };
            assert!(roles.contains(&Admin), "{}", endpoint.path);
            assert!(endpoint.action.is_none() || !roles.contains(&Role::Viewer), "{} reveals", endpoint.path);
        }
    }
}
