//! The keys that the agent holds, and who may use them.

use crate::config::scalar::{HeaderName, HeaderSecret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A credential that Vigie puts on calls, in place of whatever the caller sent.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// The key, token or password alone, without the words that stand before it in the header.
    pub key: HeaderSecret,
    /// What the CRM wants beside the key: a user's name, an e-mail address.
    #[serde(default)]
    #[schemars(extend("format" = "vigie-header-value", "x-vigie-hidden" = true))]
    pub user: Option<String>,
    /// Which of the vendor's forms it is sent in, e.g. `basic` where there is one; the usual one if absent.
    #[serde(default)]
    pub form: Option<String>,
    /// The header it is sent in, where the vendor has no form for it.
    #[serde(default)]
    pub header: Option<HeaderName>,
    /// What stands before the key in that header, e.g. `Bearer` and a space.
    #[serde(default)]
    #[schemars(length(max = 100), pattern(r"^[ -~]*$"))]
    pub before: Option<String>,
}

/// Who may call an upstream.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Access {
    /// Where callers must show a token of an integration or, on a listener that asks for one, a certificate: `always`; or `off_loopback`, where they must only if Vigie puts a credential on.
    pub authenticate: Authenticate,
    /// Only these integrations may call it, and must prove that they are: by a token, or by a listener of their own. Everybody may if absent.
    #[schemars(length(min = 1, max = 100))]
    pub integrations: Option<Vec<String>>,
}

/// Where callers must show who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Authenticate {
    #[default]
    OffLoopback,
    Always,
}
