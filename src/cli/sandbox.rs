//! `vigie sandbox`: the built-in CRM and ERP by themselves.

use crate::sandbox::{CRM_PORT, Config, DEMO_KEY, ERP_PORT, ResetFormat, Sandbox, Scheduled, Webhook};
use crate::secret::Secret;
use anyhow::Context;
use clap::Args as ClapArgs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// A Freshsales-compatible CRM and a small ERP with fictional records, to try integrations against.
#[derive(ClapArgs, Debug)]
pub struct Args {
    /// Where the CRM listens
    #[arg(long, value_name = "ADDR", default_value_t = (Ipv4Addr::LOCALHOST, CRM_PORT).into())]
    crm: SocketAddr,
    /// Where the ERP listens
    #[arg(long, value_name = "ADDR", default_value_t = (Ipv4Addr::LOCALHOST, ERP_PORT).into())]
    erp: SocketAddr,
    /// What all records and chances follow from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Contacts at the start
    #[arg(long, default_value_t = 20_000)]
    contacts: usize,
    /// Accounts at the start
    #[arg(long, default_value_t = 4_000)]
    accounts: usize,
    /// Deals at the start; three in ten are won and have an order in the ERP
    #[arg(long, default_value_t = 8_000)]
    deals: usize,
    /// A key to accept in `Authorization: Token token=KEY` (repeatable)
    #[arg(long = "key", value_name = "KEY", default_value = DEMO_KEY)]
    keys: Vec<String>,
    /// Calls an hour, all keys together
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    quota_per_hour: u64,
    /// Calls a minute (classic plans: 400)
    #[arg(long, value_name = "N")]
    quota_per_minute: Option<u64>,
    /// Write X-RateLimit-Reset as seconds since 1970 instead of seconds left
    #[arg(long)]
    reset_as_epoch: bool,
    /// Where writes are announced
    #[arg(long, value_name = "URL")]
    webhook_url: Option<String>,
    /// The header that carries the webhook's secret
    #[arg(long, value_name = "NAME", default_value = "X-Webhook-Secret")]
    webhook_secret_header: String,
    /// The webhook's secret
    #[arg(long, value_name = "SECRET", env = "VIGIE_SANDBOX_WEBHOOK_SECRET", hide_env_values = true)]
    webhook_secret: Option<String>,
    /// A JSON file with faults that come by themselves: [{"after_s": 60, "for_s": 30, "fault": {"kind": "status"}}]
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
}

/// Serves both until Ctrl-C or SIGTERM.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let key = args.keys.first().cloned().unwrap_or_default();
    let sandbox = Sandbox::bind(config(args)?).await?;
    // Set up before anything is printed: whoever reads the addresses may already send the signal.
    let stop = super::signals::termination()?;
    announce(&sandbox, &key, &mut std::io::stdout().lock())?;
    sandbox.serve(stop).await;
    Ok(())
}

fn config(args: Args) -> anyhow::Result<Config> {
    let schedule: Vec<Scheduled> = match &args.faults {
        None => Vec::new(),
        Some(file) => {
            let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            serde_json::from_str(&text).with_context(|| format!("{}", file.display()))?
        }
    };
    let webhook = args.webhook_url.map(|url| {
        let secret = args.webhook_secret.map(|secret| (args.webhook_secret_header, Secret::new(secret)));
        Webhook { secret, ..Webhook::new(url) }
    });
    Ok(Config {
        crm: args.crm,
        erp: args.erp,
        seed: args.seed,
        contacts: args.contacts,
        accounts: args.accounts,
        deals: args.deals,
        api_keys: args.keys.into_iter().map(Secret::new).collect(),
        quota_per_hour: args.quota_per_hour,
        quota_per_minute: args.quota_per_minute,
        reset_format: if args.reset_as_epoch { ResetFormat::Epoch } else { ResetFormat::Seconds },
        webhook,
        schedule,
        ..Config::default()
    })
}

fn announce(sandbox: &Sandbox, key: &str, out: &mut impl Write) -> std::io::Result<()> {
    let (crm, erp) = (sandbox.crm_addr(), sandbox.erp_addr());
    // Only the key that everybody knows is printed.
    let key = if key == DEMO_KEY { key } else { "KEY" };
    writeln!(out, "CRM     http://{crm}/crm/sales/api   (classic: http://{crm}/api)")?;
    writeln!(out, "ERP     http://{erp}/api/customers   http://{erp}/api/orders")?;
    writeln!(out, "faults  http://{crm}/__sandbox/faults   counts: http://{crm}/__sandbox/stats")?;
    writeln!(out, "truth   http://{crm}/sandbox/truth")?;
    writeln!(out, "try     curl -H 'Authorization: Token token={key}' http://{crm}/crm/sales/api/contacts/filters")?;
    out.flush()
}
