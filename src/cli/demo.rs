//! `vigie demo`: the agent, a CRM to call, and integrations that call it, in one process and on loopback only.

mod screen;

use super::output;
use crate::app::App;
use crate::config::{self, Env};
use crate::sandbox::{self, Sandbox, traffic};
use crate::telemetry::logging;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

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
    #[arg(long, default_value_t = 20.0)]
    rate: f64,
    /// OTLP collector that receives the spans, e.g. http://127.0.0.1:4317.
    #[arg(long)]
    otlp: Option<String>,
    /// Where the demo keeps its masking key, log and history.
    #[arg(long, default_value = "target/demo")]
    data_dir: PathBuf,
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    config::duration(text)
}

/// Runs until the time is over or Ctrl-C, then prints a summary.
pub async fn run(args: Args, level: &str) -> anyhow::Result<ExitCode> {
    let level = if level == "info" { "warn" } else { level };
    let sandbox = start_sandbox()?;
    let text = configuration(&args, sandbox.crm);
    let loaded = config::parse(&text, "demo configuration", &Env::from_process());
    let config = loaded.map_err(|errors| anyhow::anyhow!("{errors}"))?.config;
    let logging = logging::init(level, &config.telemetry.traces)?;
    let app = App::start(config).await?;
    logging.attach(app.spans());
    let addresses = app.addresses().clone();
    let proxy = addresses.proxy.first().copied().unwrap_or(args.proxy);
    output::say(&screen::welcome(proxy, addresses.admin, sandbox.crm, sandbox.erp, &args));

    let stop = CancellationToken::new();
    let generator = traffic::Config { proxy, rate: args.rate, key: sandbox::DEMO_KEY.to_string() };
    let traffic = tokio::spawn(traffic::run(generator, stop.clone()));
    let screen = tokio::spawn(screen::follow(addresses.admin, stop.clone()));
    wait(args.duration).await?;
    stop.cancel();
    let _ = traffic.await;
    let _ = screen.await;
    output::say(&screen::summary(addresses.admin).await);
    logging.shutdown();
    app.drain().await;
    sandbox.stop.cancel();
    Ok(ExitCode::SUCCESS)
}

async fn wait(duration: Option<Duration>) -> anyhow::Result<()> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    let over = async {
        match duration {
            Some(duration) => tokio::time::sleep(duration).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = over => {}
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    Ok(())
}

struct Started {
    crm: SocketAddr,
    erp: SocketAddr,
    stop: CancellationToken,
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
            match Sandbox::bind(sandbox::Config::demo()).await {
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
fn configuration(args: &Args, crm: SocketAddr) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let data_dir = quoted(&args.data_dir.display().to_string());
    let log = quoted(&args.data_dir.join("exchanges.log").display().to_string());
    let traces = args.otlp.as_ref().map_or(String::new(), |endpoint| {
        format!("traces: {{endpoint: {}, protocol: grpc, ratio: 0.1}}\n", quoted(endpoint))
    });
    format!(
        "data_dir: {data_dir}
proxy: {{listeners: [{{address: \"{}\"}}], drain: 2s}}
upstreams:
  freshsales: {{vendor: freshsales, url: \"http://{crm}\"}}
integrations:
  erp: {{system: ERP, header: {{name: X-Integration, value: erp}}}}
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
