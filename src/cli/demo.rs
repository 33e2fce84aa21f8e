//! `vigie demo`: the agent, a CRM to call, and integrations that call it, in one process and on loopback only.

mod screen;
mod traces;

use super::{output, signals};
use crate::app::{App, ListenError};
use crate::config::{self, Env};
use crate::sandbox::{self, FaultKind, FaultParams, FaultSpec, Sandbox, Scheduled, traffic};
use crate::secret::Secret;
use crate::telemetry::logging;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use traces::Traces;

/// What records, flaws and calls follow from: every demo shows the same.
const SEED: u64 = 1;
/// Calls an hour: at 20 a second the forecast sees it run out, as it would on a real plan.
const QUOTA_PER_HOUR: u64 = 30_000;
/// Seconds after which the faults come round again, and how often.
const ROUND_S: u64 = 120;
const ROUNDS: u64 = 30;

/// Shows everything at work against the built-in sandbox.
#[derive(clap::Args)]
pub struct Args {
    /// Where the proxy listens.
    #[arg(long, default_value = "127.0.0.1:8080")]
    proxy: SocketAddr,
    /// Where webhooks are accepted (reserved: nothing listens there yet).
    #[arg(long, default_value = "127.0.0.1:8081")]
    webhooks: SocketAddr,
    /// Where metrics and the API are served.
    #[arg(long, default_value = "127.0.0.1:9464")]
    admin: SocketAddr,
    /// Ends by itself after this time, e.g. 30s or 10m; without it, at Ctrl-C.
    #[arg(long, value_parser = parse_duration)]
    duration: Option<Duration>,
    /// Calls a second that the integrations make together.
    #[arg(long, default_value = "20", value_parser = parse_rate)]
    rate: f64,
    /// OTLP collector that receives the spans over gRPC, e.g. http://127.0.0.1:4317; without it the demo keeps the last ones.
    #[arg(long)]
    otlp: Option<String>,
    /// Where the demo keeps its masking key, log and history.
    #[arg(long, default_value = "target/demo")]
    data_dir: PathBuf,
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    config::duration(text)
}

fn parse_rate(text: &str) -> Result<f64, String> {
    let bounds = traffic::MIN_CALLS_PER_SECOND..=traffic::MAX_CALLS_PER_SECOND;
    let rate = text.parse().ok().filter(|rate| bounds.contains(rate));
    rate.ok_or_else(|| format!("a number between {} and {}", bounds.start(), bounds.end()))
}

/// Runs until the time is over or Ctrl-C, then prints a summary.
pub async fn run(args: Args, level: &str) -> anyhow::Result<ExitCode> {
    let level = if level == "info" { "warn" } else { level };
    let sandbox = start_sandbox()?;
    let stop_traces = CancellationToken::new();
    let traces = match args.otlp {
        Some(_) => None,
        None => Some(Traces::receive(stop_traces.clone()).await?),
    };
    let (sink, traces) = traces.unzip();
    let text = configuration(&args, sandbox.crm, sink);
    let loaded = config::parse(&text, "demo configuration", &Env::from_process());
    let config = loaded.map_err(|errors| anyhow::anyhow!("{errors}"))?.config;
    let logging = logging::init(level, &config.telemetry.traces)?;
    let app = App::start(config).await.map_err(explain)?;
    logging.attach(app.spans());
    let addresses = app.addresses().clone();
    let proxy = addresses.proxy.first().copied().unwrap_or(args.proxy);
    // Before anything is printed: whoever reads it may already send the signal.
    let asked = signals::termination()?;
    output::say(&screen::welcome(proxy, addresses.admin, sandbox.crm, sandbox.erp, &screen::told(sink, &args), &args));

    let stop = CancellationToken::new();
    let generator = traffic::Config {
        base_url: format!("http://{proxy}"),
        calls_per_second: args.rate,
        duration: args.duration.unwrap_or(traffic::MAX_DURATION),
        seed: SEED,
    };
    let traffic = tokio::spawn(traffic::run(generator, stop.clone()));
    let screen = tokio::spawn(screen::follow(addresses.admin, traces.clone(), stop.clone()));
    tokio::select! {
        () = over(args.duration) => {}
        () = asked => {}
    }
    stop.cancel();
    let _ = traffic.await;
    let _ = screen.await;
    output::say(&screen::summary(addresses.admin, traces.as_ref(), &args).await);
    logging.shutdown();
    app.drain().await;
    stop_traces.cancel();
    sandbox.stop.cancel();
    Ok(ExitCode::SUCCESS)
}

/// Adds to an address that is taken the flag that chooses another.
fn explain(error: anyhow::Error) -> anyhow::Error {
    let Some(refused) = error.downcast_ref::<ListenError>() else { return error };
    let flag = if refused.key == "admin.address" { "--admin" } else { "--proxy" };
    let hint = format!("choose another address with {flag} (127.0.0.1:0 takes a free port and tells which)");
    anyhow::anyhow!("{}; {hint}", refused.source)
}

async fn over(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}

struct Started {
    crm: SocketAddr,
    erp: SocketAddr,
    stop: CancellationToken,
}

/// The demo's sandbox: a vendor with a bad day now and then, so that there is something to see.
fn sandbox_config() -> sandbox::Config {
    let mut api_keys = traffic::api_keys();
    api_keys.push(Secret::new(sandbox::DEMO_KEY));
    let fault = |kind, after_s, for_s, probability, params| Scheduled {
        after_s,
        for_s,
        fault: FaultSpec { probability: Some(probability), params, ..FaultSpec::new(kind) },
    };
    let slow = FaultParams { ms: Some(400), jitter_ms: Some(200), ..FaultParams::default() };
    let plain = FaultParams::default;
    let day = [
        fault(FaultKind::Latency, 15, 10, 0.5, slow),
        fault(FaultKind::Status, 35, 10, 0.3, plain()),
        fault(FaultKind::Hidden429, 55, 10, 0.3, plain()),
        fault(FaultKind::Html, 75, 10, 0.2, plain()),
        fault(FaultKind::Reset, 95, 5, 0.2, plain()),
    ];
    let again =
        |round: u64| day.clone().into_iter().map(move |s| Scheduled { after_s: s.after_s + round * ROUND_S, ..s });
    sandbox::Config {
        crm: loopback(),
        erp: loopback(),
        seed: SEED,
        api_keys,
        quota_per_hour: QUOTA_PER_HOUR,
        schedule: (0..ROUNDS).flat_map(again).collect(),
        ..sandbox::Config::default()
    }
}

fn loopback() -> SocketAddr {
    (std::net::Ipv4Addr::LOCALHOST, 0).into()
}

/// The sandbox gets a thread of its own: it plays the vendor's side and must not share the agent's control thread.
fn start_sandbox() -> anyhow::Result<Started> {
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::Builder::new().name("sandbox".into()).spawn(move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(tell.send(Err(error))),
        };
        runtime.block_on(async {
            match Sandbox::bind(sandbox_config()).await {
                Ok(sandbox) => {
                    let _ = tell.send(Ok((sandbox.crm_addr(), sandbox.erp_addr())));
                    sandbox.serve(async move { stopped.cancelled().await }).await;
                }
                Err(error) => drop(tell.send(Err(error))),
            }
        });
    })?;
    let (crm, erp) = told.recv()??;
    Ok(Started { crm, erp, stop })
}

/// The demo's configuration, as a user would write it: four integrations, told apart by header and credential.
fn configuration(args: &Args, crm: SocketAddr, sink: Option<SocketAddr>) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let data_dir = quoted(&args.data_dir.display().to_string());
    let log = quoted(&args.data_dir.join("exchanges.log").display().to_string());
    let own = || sink.map(|address| (format!("http://{address}"), "http"));
    let collector = args.otlp.as_ref().map(|endpoint| (endpoint.clone(), "grpc")).or_else(own);
    let traces = collector.map_or(String::new(), |(endpoint, protocol)| {
        format!("traces: {{endpoint: {}, protocol: {protocol}, ratio: 0.1}}\n", quoted(&endpoint))
    });
    format!(
        "data_dir: {data_dir}
proxy: {{listeners: [{{address: \"{}\"}}], drain: 2s}}
upstreams:
  freshsales: {{vendor: freshsales, url: \"http://{crm}\"}}
integrations:
  erp-sync: {{system: ERP, header: {{name: X-Integration, value: erp-sync}}}}
  web-form: {{system: Web form, header: {{name: X-Integration, value: web-form}}}}
  marketing: {{system: Marketing, header: {{name: X-Integration, value: marketing}}}}
  bi: {{system: BI, header: {{name: X-Integration, value: bi}}}}
log: {{stdout: false, file: {{path: {log}, max_size: 50MiB, keep: 2}}}}
history: {{days: 1, max_size: 256MiB}}
{traces}admin: {{address: \"{}\"}}
",
        args.proxy, args.admin
    )
}
