//! Certificates and keys, of listeners and towards upstreams.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// TLS of one listener.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenerTls {
    /// PEM file of the certificate and its chain, its own first.
    #[schemars(length(min = 1))]
    pub certificate_file: String,
    /// PEM file of the certificate's private key, without passphrase.
    #[schemars(length(min = 1))]
    pub key_file: String,
    /// PEM file of the authorities that callers' certificates must come from. Callers are asked for none if absent.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub client_ca_file: Option<String>,
    /// Whether callers without a certificate are let in, where `client_ca_file` asks for one.
    #[serde(default)]
    pub client_auth: ClientAuth,
}

/// Whether callers must show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum ClientAuth {
    #[default]
    Required,
    Optional,
}

/// Certificates towards an upstream.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// PEM file of a private CA, trusted beside the system's.
    #[schemars(length(min = 1))]
    pub ca_file: Option<String>,
    /// PEM file of revocation lists: a certificate that its issuer's list names is refused.
    #[schemars(length(min = 1))]
    pub crl_file: Option<String>,
    /// PEM file of Vigie's own certificate and its chain, shown where the upstream asks for one. Needs `key_file`.
    #[schemars(length(min = 1))]
    pub certificate_file: Option<String>,
    /// PEM file of that certificate's private key, without passphrase.
    #[schemars(length(min = 1))]
    pub key_file: Option<String>,
}
