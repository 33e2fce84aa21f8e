//! Another configuration while the agent runs: first everything that can fail, beside what runs; then the change itself.
//!
//! Invariants: a configuration that cannot be used changes nothing; no exchange and no connection is cut by one that can.

use super::{App, certificates, names, peers, rebuild_from_history, recorder_settings, tell_addresses, unserved};
use crate::config::Config;

impl App {
    /// Puts `config` in force, but for what needs a restart. What runs finishes by the old one.
    ///
    /// # Errors
    /// Says what cannot be used; then nothing has changed.
    pub async fn reload(&mut self, mut config: Config) -> anyhow::Result<()> {
        if self.spans.is_none() {
            // Without a collector, which needs a restart, nothing is worth sampling.
            config.proxy.trace_ratio = 0.0;
        }
        let settings = recorder_settings(&config, &self.settings.get().known)?;
        // Whether it speaks TLS at all needs a restart, as its address does.
        let admin_shown = config.admin.shown()?;
        let prepared = self.proxy.prepare(&config.proxy, &config.upstreams).await.map_err(unserved)?;
        // From here on nothing fails. Who counts and records knows the new names before the first exchange has them.
        let (upstreams, integrations) = names(&config);
        let known = self.state.metrics.upstreams();
        self.state.metrics.admit(&upstreams, &integrations);
        self.state.quotas.configure(&config.upstreams);
        self.settings.set(settings);
        self.state.access.tokens.replace(&config.admin);
        if let Some(spans) = &self.spans {
            spans.know(peers(self.proxy.listeners_of(&prepared), &config));
            // Its files were read a moment ago; should they be gone now, spans go the old way.
            if let Err(error) = spans.renew(config.telemetry.traces.egress.as_ref()) {
                tracing::warn!(%error, "spans keep their way to the collector");
            }
        }
        self.proxy.apply(prepared).await;
        self.state.metrics.retire(&upstreams);
        if let (Some(shown), Some(renewed)) = (&self.shown, admin_shown) {
            shown.replace(renewed);
        }
        config.admin.address = self.config.admin.address;
        certificates::note(&config, &self.state.metrics);
        let new = upstreams.into_iter().filter(|name| !known.iter().any(|u| u.name() == name)).collect();
        rebuild_from_history(&self.config.history, &self.state, new);
        self.config.proxy = config.proxy;
        self.told();
        self.state.access.config_reloaded().await;
        Ok(())
    }

    /// Notes whether a reload was carried out.
    pub fn note_reload(&self, ok: bool) {
        self.state.metrics.agent().config_reloaded(ok, self.state.clock.wall_us());
    }

    fn told(&mut self) {
        let addresses = self.proxy.addresses();
        if addresses != self.addresses.proxy {
            self.addresses.proxy.clone_from(&addresses);
            self.state.proxy.write().clone_from(&addresses);
            tracing::info!(proxy = ?addresses, "listeners changed");
            tell_addresses(self.data_dir.path(), &self.addresses);
        }
    }
}
