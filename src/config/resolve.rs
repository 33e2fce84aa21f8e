//! From the checked file to what each module asks for.

use super::raw::{self, File};
use super::report::Report;
use super::scalar;
use super::tree::Node;
use super::{Config, KeySource, Masking, Role};
use crate::exchange::redact::PhoneRegion;
use crate::net::Egress;
use crate::vendors::{Profile, Written};
use crate::{admin, history, proxy, recorder, telemetry, upstream};
use std::path::PathBuf;
use std::sync::Arc;

/// Data-path threads of `auto` at most: beyond, the CRM's own latency is what callers wait for.
const MAX_AUTO_WORKERS: usize = 4;

/// Builds the modules' configurations. `None` (with an error) only if a vendor's profile cannot be had.
pub fn resolve(file: File, root: &Node, egress: Egress, report: &mut Report) -> Option<Config> {
    let data_dir = PathBuf::from(&file.data_dir);
    let upstreams = upstreams(&file, root, &egress, report)?;
    let proxy = proxy(&file, root, &upstreams);
    let network = file.network.resolved();
    let File { masking, recorder, log, history, traces, metrics, admin, .. } = file;
    let key = match masking.key {
        Some(key) => KeySource::Given(key.0),
        None => KeySource::File(data_dir.join("masking.key")),
    };
    Some(Config {
        role: Role::Standalone,
        masking: Masking {
            key,
            key_version: masking.key_version,
            phone_region: masking.phone_region.as_deref().and_then(PhoneRegion::of),
        },
        proxy,
        upstreams,
        network,
        recorder: recorder::Config {
            queue: recorder.queue,
            queue_bytes: clamp(recorder.queue_bytes.0),
            capture: recorder.capture.into(),
        },
        history: history::Config {
            enabled: history.enabled,
            dir: data_dir.join("history"),
            days: history.days,
            max_bytes: history.max_size.0,
        },
        telemetry: telemetry(log, traces, &metrics, &egress),
        egress,
        admin: read_side(admin),
        data_dir,
    })
}

fn read_side(raw: raw::Admin) -> admin::Config {
    let token = |(name, token): (String, raw::AdminToken)| admin::Token {
        name: Arc::from(name),
        role: token.role,
        hash: scalar::token_hash(token.token.0.expose()),
    };
    let tokens_file = raw.tokens_file.map(PathBuf::from);
    admin::Config {
        address: raw.address.0,
        tls: raw.tls.as_ref().map(super::check::files),
        tokens: raw.tokens.into_iter().map(token).collect(),
        // It was read a moment ago; should that fail now, nobody is let in until the file is read again.
        file_tokens: tokens_file.as_deref().and_then(|file| admin::tokens::read(file).ok()).unwrap_or_default(),
        tokens_file,
        allowed_hosts: raw.allowed_hosts,
    }
}

fn clamp(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn proxy(file: &File, root: &Node, upstreams: &[upstream::Config]) -> proxy::Config {
    let listener = |l: super::check::Listening<'_>| proxy::Listener {
        address: l.address,
        upstream: l.upstream.map(Arc::from),
        integration: l.integration.map(Arc::from),
        tls: l.tls.map(super::check::files),
        prior_knowledge: l.prior_knowledge,
        public_url: l.public_url.map(|url| public_url(&url.0)),
    };
    let cores = || std::thread::available_parallelism().map_or(1, usize::from).min(MAX_AUTO_WORKERS);
    let names = root.keys("integrations");
    let integrations =
        names.iter().filter_map(|name| Some(integration(name, file.integrations.get(*name)?, upstreams)));
    proxy::Config {
        listeners: file.proxy.listening().into_iter().map(listener).collect(),
        workers: file.proxy.workers.0.unwrap_or_else(cores),
        capture_request_bytes: clamp(file.proxy.capture.request.0),
        capture_response_bytes: clamp(file.proxy.capture.response.0),
        drain_delay: file.proxy.drain_delay.0,
        capture_total_bytes: clamp(file.proxy.capture.total.0),
        limits: (&file.proxy.limits).into(),
        drain: file.proxy.drain.0,
        afterlife: proxy::AFTERLIFE,
        max_streams: file.proxy.http2_max_streams,
        integrations: integrations.collect(),
        // Without a collector nothing is worth sampling.
        trace_ratio: file.traces.endpoint.as_ref().map_or(0.0, |_| file.traces.ratio),
    }
}

/// As callers write it: with no port where it is the scheme's own.
fn public_url(url: &scalar::Url) -> proxy::PublicUrl {
    let scalar::Url { tls, host, port, path } = url;
    let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let (scheme, usual) = if *tls { ("https", 443) } else { ("http", 80) };
    let port = if *port == usual { String::new() } else { format!(":{port}") };
    proxy::PublicUrl { origin: format!("{scheme}://{host}{port}"), path: path.clone() }
}

fn integration(name: &str, raw: &raw::Integration, upstreams: &[upstream::Config]) -> proxy::Integration {
    let own = |upstream: &upstream::Config| {
        let credential = raw.upstream_credentials.get(&*upstream.name)?;
        Some((Arc::clone(&upstream.name), written(credential, &upstream.profile)?))
    };
    proxy::Integration {
        name: Arc::from(name),
        system: Arc::from(raw.system.as_deref().unwrap_or(name)),
        token_hashes: raw.tokens.iter().map(|t| scalar::token_hash(t.0.expose())).collect(),
        credentials: raw.credentials.iter().map(|c| c.0.clone()).collect(),
        fingerprints: raw.fingerprints.iter().map(|f| f.0).collect(),
        path_prefix: raw.path_prefix.clone(),
        header: raw.header.as_ref().map(|h| (h.name.0.clone(), h.value.clone())),
        upstream_credentials: upstreams.iter().filter_map(own).collect(),
    }
}

fn upstreams(file: &File, root: &Node, egress: &Egress, report: &mut Report) -> Option<Vec<upstream::Config>> {
    let mut upstreams = Vec::new();
    for name in root.keys("upstreams") {
        let raw = file.upstreams.get(name)?;
        let Some(profile) = Profile::builtin(&raw.vendor) else {
            report.error_in(root, &format!("upstreams/{name}/vendor"), "has no profile that can be read");
            return None;
        };
        let scalar::Url { tls, host, port, path } = raw.url.0.clone();
        let (times, proxy) = (&raw.timeouts, egress.proxy(tls, &host, port));
        upstreams.push(upstream::Config {
            name: Arc::from(name),
            tls,
            host,
            port,
            base_path: path,
            path_prefix: raw.path_prefix.clone(),
            trust: super::check::trust(&raw.tls),
            egress: proxy,
            http: raw.http.into(),
            upgrades: raw.upgrades.iter().map(|protocol| protocol.0.clone()).collect(),
            timeouts: upstream::Timeouts { connect: times.connect.0, head: times.head.0, idle: times.idle.0 },
            answer_head: file.proxy.limits.of_answers(),
            max_idle_per_worker: raw.max_idle,
            credential: raw.credential.as_ref().and_then(|credential| written(credential, &profile)),
            access: upstream::Access {
                always: raw.access.authenticate == raw::Authenticate::Always,
                integrations: raw
                    .access
                    .integrations
                    .as_ref()
                    .map(|names| names.iter().map(|n| Arc::from(&**n)).collect()),
            },
            quota: raw.quota.as_ref().map(|q| upstream::DeclaredQuota { limit: q.limit, window: q.window.0 }),
            rewrite_links: raw.rewrite_links,
            profile,
        });
    }
    Some(upstreams)
}

/// As it goes on the wire. What could not be written has been refused by the checks.
fn written(raw: &raw::Credential, profile: &Profile) -> Option<Written> {
    super::check::form(raw, profile)?.write(&raw.key.0, raw.user.as_deref().unwrap_or_default())
}

fn telemetry(log: raw::Log, traces: raw::Traces, metrics: &raw::Metrics, egress: &Egress) -> telemetry::Config {
    let file = log.file.map(|f| telemetry::LogFile {
        path: PathBuf::from(f.path),
        max_bytes: f.max_size.0,
        keep: f.keep,
        max_days: f.max_days,
    });
    let raw::Caps { integrations, routes, series } = metrics.caps;
    telemetry::Config {
        log: telemetry::LogConfig { stdout: log.stdout, file },
        traces: telemetry::TraceConfig {
            egress: traces.endpoint.as_ref().and_then(|e| egress.proxy(e.0.tls, &e.0.host, e.0.port)),
            endpoint: traces.endpoint.map(|e| e.0.to_string()),
            protocol: traces.protocol.into(),
            headers: traces.headers.into_iter().map(|(name, value)| (name, value.0)).collect(),
            ratio: traces.ratio,
            keep_slower_than: traces.keep_slower_than.0,
            service_name: traces.service_name,
        },
        caps: telemetry::Caps { integrations, routes, series },
    }
}
