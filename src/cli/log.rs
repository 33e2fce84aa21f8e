//! `vigie log`: the exchanges of the last days, from the running agent, or from its files when none runs.

mod notes;
mod source;
mod table;

use super::USAGE;
use super::admin_client::Trust;
use super::admin_url;
use super::output::{self, Format};
use crate::clock::Clock;
use crate::history::Filter;
use source::{Failure, Page, Source};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use table::Table;

/// Rows shown when neither a number nor a bound is given.
const LAST: usize = 20;

/// Rows shown when a time or an id bounds the search.
const LAST_WITHIN: usize = 1_000;

/// How often new rows are asked for; a search by cursor costs the agent about a millisecond.
const POLL: Duration = Duration::from_millis(500);

/// Searches the exchanges of the last days.
///
/// Asks the running agent; where none answers, reads the data directory. Names and routes take `*` for any characters;
/// several statuses, outcomes or kinds are written with commas; `--outcome '!ok'` finds whatever did not end well.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Shows the newest N [default: 20, or 1000 with --since, --until or an id].
    #[arg(long, value_name = "N")]
    last: Option<usize>,
    /// Goes on with new exchanges as they are recorded.
    #[arg(short, long, conflicts_with = "until")]
    follow: bool,
    /// Started since: `15m`, `2h30m`, `3d` ago, a day, or an RFC 3339 time.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Started before, written like --since.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Templated route, e.g. `/api/deals/*`.
    #[arg(long)]
    route: Option<String>,
    /// Status the caller got: `404`, `5xx`, `400-499`.
    #[arg(long)]
    status: Option<String>,
    /// Outcome, e.g. `timeout,network` or `!ok`.
    #[arg(long)]
    outcome: Option<String>,
    /// Integration's name as the configuration gives it, e.g. `erp` or `erp-*`; the table shows its `system`.
    #[arg(long)]
    integration: Option<String>,
    /// Upstream's name.
    #[arg(long)]
    upstream: Option<String>,
    /// HTTP method.
    #[arg(long)]
    method: Option<String>,
    /// What started it: `proxy`, `webhook`, `probe`, …
    #[arg(long)]
    kind: Option<String>,
    /// Exact correlation id.
    #[arg(long, value_name = "ID")]
    correlation_id: Option<String>,
    /// Exact W3C trace id.
    #[arg(long, value_name = "ID")]
    trace_id: Option<String>,
    /// Exact request id of the vendor's, as it is quoted in a support ticket.
    #[arg(long, value_name = "ID")]
    vendor_request_id: Option<String>,
    /// Text that the record contains.
    #[arg(long)]
    text: Option<String>,
    /// The agent's admin address.
    #[arg(long, env = "VIGIE_ADMIN", value_name = "URL", value_parser = admin_url::parse)]
    #[arg(default_value = "http://127.0.0.1:9464")]
    admin: String,
    #[command(flatten)]
    trust: Trust,
    /// Bearer token of the admin API; better given by the environment, where no process list shows it.
    #[arg(long, env = "VIGIE_ADMIN_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The agent's data directory, read when no agent answers.
    #[arg(long, env = "VIGIE_DATA_DIR", value_name = "DIR", default_value = "./vigie-data")]
    data_dir: PathBuf,
    /// A table, or JSON lines [default: table on a terminal, json in a pipe].
    #[arg(long)]
    output: Option<Format>,
    /// No colours.
    #[arg(long, env = "NO_COLOR", value_parser = clap::builder::FalseyValueParser::new())]
    no_color: bool,
}

/// Runs the command: 0 when it could search, whatever it found; 1 when it could not; 64 for a filter it does not know.
///
/// # Errors
/// When neither the agent nor the files can be read.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let terminal = io::stdout().is_terminal();
    let format = args.output.unwrap_or(if terminal { Format::Table } else { Format::Json });
    let table = (format == Format::Table).then(|| Table::new(terminal && !args.no_color));
    Session { args, table, out: io::stdout(), poll: POLL }.run().await
}

/// One run of the command, over any output.
struct Session<W> {
    args: Args,
    /// `None` for JSON lines.
    table: Option<Table>,
    out: W,
    poll: Duration,
}

impl<W: Write> Session<W> {
    async fn run(mut self) -> anyhow::Result<ExitCode> {
        let pairs = self.args.pairs();
        if let Err(error) = Filter::parse(pairs.iter().map(|(k, v)| (k, v)), Clock::system().wall_us()) {
            output::complain(&error.to_string());
            return Ok(ExitCode::from(USAGE));
        }
        let limit = self.args.limit();
        let mut source = Source::agent(&self.args.admin, &self.args.trust, self.args.token.as_deref())?;
        let first = match source.fetch(&pairs, limit.max(1), None).await {
            Err(Failure::NoAgent(reason)) => {
                source = Source::files(&self.args.data_dir, &reason)?;
                source.fetch(&pairs, limit.max(1), None).await?
            }
            other => other?,
        };
        let going_on = self.show_first(&first, limit)?;
        if going_on && self.args.follow {
            self.follow(&source, &pairs, first.cursor).await?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Shows the newest rows, oldest first; false when nobody reads any more.
    fn show_first(&mut self, page: &Page, limit: usize) -> io::Result<bool> {
        let mut lines = page.lines.clone();
        lines.truncate(limit);
        lines.reverse();
        if lines.is_empty() && !self.args.follow && self.table.is_some() {
            output::complain("no exchange matches");
        }
        if page.truncated && self.args.last.is_none() && limit != LAST {
            output::complain(&format!("only the newest {} are shown; --last N shows more", lines.len()));
        }
        let text = match &mut self.table {
            Some(table) => table.first(&lines, self.args.follow),
            None => joined(&lines),
        };
        self.print(&text)
    }

    /// Shows new rows until nobody reads any more. An agent that is gone is waited for: it may be restarting.
    async fn follow(
        &mut self,
        source: &Source,
        pairs: &[(&'static str, String)],
        mut cursor: i64,
    ) -> anyhow::Result<()> {
        let mut waiting = false;
        loop {
            let page = match source.fetch(pairs, LAST_WITHIN, Some(cursor)).await {
                Ok(page) => page,
                Err(Failure::NoAgent(reason)) => {
                    if !waiting {
                        output::complain(&format!("{reason}; waiting for it"));
                    }
                    waiting = true;
                    tokio::time::sleep(self.poll).await;
                    continue;
                }
                Err(other) => return Err(other.into()),
            };
            waiting = false;
            cursor = page.cursor;
            let text = match &mut self.table {
                Some(table) => table.more(&page.lines),
                None => joined(&page.lines),
            };
            if !self.print(&text)? {
                return Ok(());
            }
            if !page.truncated {
                tokio::time::sleep(self.poll).await;
            }
        }
    }

    /// False when nobody reads any more, which is the reader's choice and no error.
    fn print(&mut self, text: &str) -> io::Result<bool> {
        match self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()) {
            Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(false),
            other => other.map(|()| true),
        }
    }
}

impl Args {
    /// The filter, as the admin API takes it.
    fn pairs(&self) -> Vec<(&'static str, String)> {
        let all = [
            ("since", &self.since),
            ("until", &self.until),
            ("route", &self.route),
            ("status", &self.status),
            ("outcome", &self.outcome),
            ("integration", &self.integration),
            ("upstream", &self.upstream),
            ("method", &self.method),
            ("kind", &self.kind),
            ("correlation_id", &self.correlation_id),
            ("trace_id", &self.trace_id),
            ("vendor_request_id", &self.vendor_request_id),
            ("text", &self.text),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key, value.clone()?))).collect()
    }

    fn limit(&self) -> usize {
        let ids = [&self.correlation_id, &self.trace_id, &self.vendor_request_id];
        let bounded = self.since.is_some() || self.until.is_some() || ids.iter().any(|id| id.is_some());
        self.last.unwrap_or(if bounded { LAST_WITHIN } else { LAST })
    }
}

fn joined(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests;
