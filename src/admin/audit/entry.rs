//! One entry: who, what, to what, from where, when.

use crate::admin::tokens::Holder;
use serde_json::json;
use std::net::IpAddr;
use std::sync::Arc;

/// What is written down. The words stay: people search for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Masked records were searched or followed.
    RecordsSearched,
    /// The callers' credentials were listed, by fingerprint.
    CallersListed,
    /// The audit log was read.
    AuditRead,
    /// A token that is nobody's was shown.
    LoginFailed,
    /// A token's role did not allow what was asked for.
    AccessRefused,
    /// The tokens file brought other tokens into force.
    TokensChanged,
    /// Another configuration is in force.
    ConfigReloaded,
}

impl Action {
    /// The word in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RecordsSearched => "records.searched",
            Self::CallersListed => "callers.listed",
            Self::AuditRead => "audit.read",
            Self::LoginFailed => "login.failed",
            Self::AccessRefused => "access.refused",
            Self::TokensChanged => "tokens.changed",
            Self::ConfigReloaded => "config.reloaded",
        }
    }
}

/// Who.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The token's name; `local` where none is configured, `-` for a token that is nobody's.
    pub name: Arc<str>,
    /// The token's role.
    pub role: &'static str,
    /// Where the call came from: the connection's other end, whatever headers say.
    pub address: Option<IpAddr>,
}

impl Actor {
    /// A token's holder.
    pub fn holder(holder: &Holder, address: Option<IpAddr>) -> Self {
        Self { name: Arc::clone(&holder.name), role: holder.role.as_str(), address }
    }

    /// Whoever can connect, where no token is configured.
    pub fn local(address: Option<IpAddr>) -> Self {
        Self { name: "local".into(), role: "admin", address }
    }

    /// Nobody who is known.
    pub fn nobody(address: Option<IpAddr>) -> Self {
        Self { name: "-".into(), role: "-", address }
    }

    /// The agent itself.
    pub fn agent() -> Self {
        Self { name: "vigie".into(), role: "-", address: None }
    }
}

/// Who does what to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Who.
    pub actor: Actor,
    /// What.
    pub action: Action,
    /// To what: a path, a masked query, a count; never text as a caller typed it.
    pub object: String,
}

impl Entry {
    /// What is the same in entries that are folded into one.
    pub(super) fn key(&self) -> String {
        let Actor { name, address, .. } = &self.actor;
        format!("{name} {address:?} {} {}", self.action.as_str(), self.object)
    }

    pub(super) fn line(&self, wall_us: i64, repeated: u32) -> String {
        let timestamp = jiff::Timestamp::from_microsecond(wall_us).map(|t| format!("{t:.3}")).unwrap_or_default();
        let Actor { name, role, address } = &self.actor;
        let mut line = json!({
            "timestamp": timestamp,
            "actor": &**name,
            "role": role,
            "action": self.action.as_str(),
            "object": self.object,
            "address": address.map(|a| a.to_string()),
        });
        if repeated > 0 {
            line["repeated"] = repeated.into();
        }
        format!("{line}\n")
    }
}
