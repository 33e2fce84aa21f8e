//! What the demo shows: where to look, the exchanges as they happen, and what it came to.

use super::{Args, Traces};
use crate::cli::output;
use crate::config;
use crate::sandbox;
use serde_json::Value;
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often new exchanges are shown.
const TICK: Duration = Duration::from_millis(500);
/// Lines shown a tick: more would only flicker past. Calls of the user's own, which are nobody's, are all shown.
const LINES_A_TICK: usize = 6;
/// Ticks between two pictures of quota and outcomes.
const PICTURE_EVERY: u32 = 20;
/// Width of the bars, characters.
pub const BAR: usize = 30;
/// How long the summary waits for the first trace: spans go out once a second.
const TRACE_PATIENCE: Duration = Duration::from_secs(3);

/// Where the traces go.
pub fn told(sink: Option<SocketAddr>, args: &Args) -> String {
    match (sink, &args.otlp) {
        (Some(address), _) => {
            format!("http://{address}/         the last traced calls; --otlp sends them to a collector")
        }
        (None, Some(endpoint)) => format!("sent to {endpoint}"),
        (None, None) => "nowhere".to_owned(),
    }
}

/// The first page.
pub fn welcome(
    proxy: SocketAddr,
    admin: SocketAddr,
    crm: SocketAddr,
    erp: SocketAddr,
    traces: &str,
    args: &Args,
) -> String {
    let key = sandbox::DEMO_KEY;
    let stop = args.duration.map_or("Ctrl-C ends it".to_string(), |d| format!("it ends after {d:?}"));
    format!(
        "Vigie demo: four integrations call a sandbox CRM through the proxy; {stop}.

  proxy      http://{proxy}          integrations call this instead of the CRM
  metrics    http://{admin}/metrics
  console    http://{admin}/
  quota      http://{admin}/api/v1/quota
  traces     {traces}
  sandbox    http://{crm} (CRM)   http://{erp} (ERP)
  log        {log}

Send a call of your own:

  curl -i -H 'Authorization: Token token={key}' http://{proxy}/crm/sales/api/selector/owners

then look at it (`unknown`, since it says nothing of who calls):

  {program} log --last 5 --admin http://{admin} --integration unknown
",
        program = config::program(),
        log = args.data_dir.join("exchanges.log").display(),
    )
}

/// Shows exchanges as they happen, and every ten seconds a picture.
pub async fn follow(admin: SocketAddr, traces: Option<Traces>, stop: CancellationToken) {
    let Ok(client) = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build() else { return };
    let mut tick = tokio::time::interval(TICK);
    let mut cursor = String::new();
    let mut count = 0;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        count += 1;
        if let Some((lines, next)) = news(&client, admin, &cursor).await {
            let newest = lines.len().saturating_sub(LINES_A_TICK);
            let shown = |(at, record): &(usize, &Value)| *at >= newest || record["integration"] == "unknown";
            for (_, record) in lines.iter().enumerate().filter(shown) {
                output::say(&line(record));
            }
            cursor = next;
        }
        if count % PICTURE_EVERY == 0 {
            let trace = traces.as_ref().map(Traces::latest).unwrap_or_default();
            output::say(&format!("{}\n{trace}", picture(&client, admin).await));
        }
    }
}

async fn news(client: &reqwest::Client, admin: SocketAddr, cursor: &str) -> Option<(Vec<Value>, String)> {
    let after = if cursor.is_empty() { "limit=1".to_string() } else { format!("after={cursor}&limit=500") };
    let answer = client.get(format!("http://{admin}/api/v1/records?{after}")).send().await.ok()?;
    let next = answer.headers().get("x-vigie-cursor")?.to_str().ok()?.to_string();
    let text = answer.text().await.ok()?;
    Some((text.lines().filter_map(|l| serde_json::from_str(l).ok()).collect(), next))
}

fn line(record: &Value) -> String {
    let text = |name: &str| record[name].as_str().unwrap_or("").to_string();
    let time = text("timestamp").get(11..23).unwrap_or("").to_string();
    format!(
        "{time} {:<10} {:<6} {:<34} {:>3} {:<13} {:>8.1} ms  {}",
        text("system"),
        text("method"),
        text("endpoint"),
        record["status_code"],
        text("outcome"),
        record["duration_ms"].as_f64().unwrap_or(0.0),
        text("response"),
    )
}

async fn get(client: &reqwest::Client, url: String) -> Option<String> {
    client.get(url).send().await.ok()?.text().await.ok()
}

/// Quota left and outcomes so far, as bars.
async fn picture(client: &reqwest::Client, admin: SocketAddr) -> String {
    let mut page = String::from("\n");
    let quota = get(client, format!("http://{admin}/api/v1/quota")).await;
    let quota: Value = quota.and_then(|t| serde_json::from_str(&t).ok()).unwrap_or_default();
    for window in quota["quota"].as_array().into_iter().flatten() {
        let (Some(left), Some(limit)) = (window["remaining"].as_f64(), window["limit"].as_f64()) else { continue };
        let _ = writeln!(
            page,
            "  quota {:<24} {} {left:.0} of {limit:.0} left",
            format!("{} per {}", window["upstream"].as_str().unwrap_or(""), window["window"].as_str().unwrap_or("")),
            bar(left / limit),
        );
    }
    let metrics = get(client, format!("http://{admin}/metrics")).await.unwrap_or_default();
    let outcomes = tally(&metrics, "vigie_outcomes_total", "outcome");
    let most = outcomes.iter().map(|(_, n)| *n).fold(1.0, f64::max);
    for (outcome, n) in outcomes {
        let _ = writeln!(page, "  {outcome:<30} {} {n:.0}", bar(n / most));
    }
    page
}

fn bar(share: f64) -> String {
    let filled = (share.clamp(0.0, 1.0) * BAR as f64).round() as usize;
    format!("[{}{}]", "#".repeat(filled), ".".repeat(BAR - filled))
}

/// A counter's samples summed by one label, those that are not zero, in the order of the page.
fn tally(metrics: &str, family: &str, label: &str) -> Vec<(String, f64)> {
    let mut found: Vec<(String, f64)> = Vec::new();
    let samples = metrics.lines().filter(|l| l.strip_prefix(family).is_some_and(|rest| rest.starts_with('{')));
    for line in samples {
        let value = line.split(&format!("{label}=\"")).nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("");
        let n: f64 = line.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0.0);
        match found.iter_mut().find(|(known, _)| known == value) {
            Some((_, sum)) => *sum += n,
            None => found.push((value.to_string(), n)),
        }
    }
    found.retain(|(_, n)| *n > 0.0);
    found
}

/// The last page.
pub async fn summary(admin: SocketAddr, traces: Option<&Traces>, args: &Args) -> String {
    let Ok(client) = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build() else {
        return String::new();
    };
    let trace = match traces {
        Some(traces) => traces.awaited(TRACE_PATIENCE).await,
        None => String::new(),
    };
    let picture = picture(&client, admin).await;
    let metrics = get(&client, format!("http://{admin}/metrics")).await.unwrap_or_default();
    let sum = |name: &str| -> f64 {
        let samples = metrics.lines().filter(|l| l.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
        samples.filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    let mean = |name: &str| sum(&format!("{name}_sum")) / sum(&format!("{name}_count")).max(1.0) * 1e3;
    let callers = tally(&metrics, "vigie_requests_total", "integration");
    let callers: Vec<String> = callers.into_iter().map(|(name, n)| format!("{name} {n:.0}")).collect();
    format!(
        "
Summary
  exchanges {:.0} ({}), dropped by the recorder {:.0}
  mean time: vendor {:.2} ms, Vigie's own {:.3} ms
{picture}
{trace}
  The records stay until the next day: {} log --data-dir {}",
        sum("vigie_requests_total"),
        callers.join(", "),
        sum("vigie_recorder_dropped_total"),
        mean("vigie_upstream_duration_seconds"),
        mean("vigie_overhead_seconds"),
        config::program(),
        args.data_dir.display(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stay_within_their_width() {
        for (share, filled) in [(-1.0, 0), (0.0, 0), (0.5, 15), (1.0, 30), (7.0, 30)] {
            assert_eq!(bar(share).matches('#').count(), filled);
            assert_eq!(bar(share).len(), BAR + 2);
        }
    }

    #[test]
    fn outcomes_are_summed_over_upstreams_and_silent_ones_left_out() {
        let text = "vigie_outcomes_total{upstream=\"a\",outcome=\"ok\"} 3\nvigie_outcomes_total{upstream=\"b\",outcome=\"ok\"} 4\nvigie_outcomes_total{upstream=\"a\",outcome=\"auth\"} 0\n";
        assert_eq!(tally(text, "vigie_outcomes_total", "outcome"), [("ok".to_string(), 7.0)]);
        assert_eq!(tally(text, "vigie_outcomes", "outcome"), []);
    }
}
