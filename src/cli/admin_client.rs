//! How the commands call a running agent's read side.

use anyhow::Context as _;
use std::path::{Path, PathBuf};

/// Whom to trust when the admin address is `https`.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Trust {
    /// PEM file of the authority that the admin address's certificate comes from, trusted instead of the system's.
    #[arg(long = "admin-ca", env = "VIGIE_ADMIN_CA", value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

impl Trust {
    /// A client for `url`. No proxy: an admin address is near, and its token is nobody else's business.
    ///
    /// # Errors
    /// Names the file that cannot be used.
    pub fn client(&self, url: &str) -> anyhow::Result<reqwest::ClientBuilder> {
        let builder = reqwest::Client::builder().no_proxy();
        if let Some(path) = &self.ca_file {
            return Ok(builder.tls_certs_only(authorities(path)?));
        }
        // Reading the system's certificates is most of what a short command costs, and an image may have none.
        Ok(if url.starts_with("http://") { builder.tls_certs_only([]) } else { builder })
    }
}

fn authorities(path: &Path) -> anyhow::Result<Vec<reqwest::Certificate>> {
    let read = || Ok::<_, anyhow::Error>(reqwest::Certificate::from_pem_bundle(&std::fs::read(path)?)?);
    let found = read().with_context(|| format!("--admin-ca {} cannot be used", path.display()))?;
    anyhow::ensure!(!found.is_empty(), "--admin-ca {} holds no certificate; give a PEM file", path.display());
    Ok(found)
}
