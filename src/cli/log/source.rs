//! Where the rows come from: the running agent's admin API, or the data directory.

use crate::cli::admin_client::Trust;
use crate::cli::output;
use crate::clock::Clock;
use crate::history::{Filter, Reader};
use crate::secret::Secret;
use reqwest::StatusCode;
use std::path::Path;
use std::time::Duration;

/// An agent on the same machine answers at once; a remote one within this, or it is taken to be gone.
const CONNECT: Duration = Duration::from_secs(2);

/// A search over weeks reads gigabytes.
const SEARCH: Duration = Duration::from_secs(60);

/// Where the agent tells how to go on, and whether there is more.
const CURSOR: &str = "x-vigie-cursor";
const TRUNCATED: &str = "x-vigie-truncated";

/// See the module.
pub(super) enum Source {
    Agent { client: reqwest::Client, url: String, token: Option<Secret> },
    Files(Reader),
}

/// Rows and where to go on from.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) lines: Vec<String>,
    pub(super) cursor: i64,
    /// There may be more than the limit let through.
    pub(super) truncated: bool,
}

/// Why there are no rows.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// Nobody listens there.
    #[error("{0}")]
    NoAgent(String),
    /// The agent, the files or the filter refuse.
    #[error("{0}")]
    Refused(String),
}

impl Source {
    pub(super) fn agent(admin: &str, trust: &Trust, token: Option<&str>) -> anyhow::Result<Self> {
        let client = trust.client(admin)?.connect_timeout(CONNECT).timeout(SEARCH).build()?;
        let url = format!("{}/api/v1/records", admin);
        Ok(Self::Agent { client, url, token: token.map(Secret::new) })
    }

    /// The history below a data directory, or the directory itself if that is the history.
    pub(super) fn files(data_dir: &Path, reason: &str) -> anyhow::Result<Self> {
        let below = data_dir.join("history");
        let dir = if below.is_dir() { below } else { data_dir.to_owned() };
        let reader = Reader::open_readonly(&dir).map_err(|error| {
            anyhow::anyhow!(
                "{reason}, and {error}; name a running agent with --admin URL, or its files with --data-dir DIR"
            )
        })?;
        output::complain(&format!("{reason}; reading {}", dir.display()));
        let unread = reader.unread_days();
        if let (Some(first), Some(last)) = (unread.first(), unread.last()) {
            output::complain(&format!(
                "{first} to {last}: days that an earlier Vigie wrote as .sqlite are not searched"
            ));
        }
        Ok(Self::Files(reader))
    }

    /// The newest rows, newest first; or after a cursor the next ones, oldest first.
    pub(super) async fn fetch(
        &self,
        filter: &[(&'static str, String)],
        rows: usize,
        after: Option<i64>,
    ) -> Result<Page, Failure> {
        let mut pairs = filter.to_vec();
        pairs.push(("limit", rows.to_string()));
        pairs.extend(after.map(|after| ("after", after.to_string())));
        match self {
            Self::Agent { client, url, token } => ask(client, url, token.as_ref(), &pairs).await,
            Self::Files(reader) => read(reader, &pairs),
        }
    }
}

async fn ask(
    client: &reqwest::Client,
    url: &str,
    token: Option<&Secret>,
    pairs: &[(&'static str, String)],
) -> Result<Page, Failure> {
    let mut request = client.get(url).query(pairs);
    if let Some(token) = token {
        request = request.bearer_auth(token.expose());
    }
    let answer = request.send().await.map_err(|error| failure(url, &error))?;
    let status = answer.status();
    let header = |name: &str| answer.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let (cursor, truncated) = (header(CURSOR), header(TRUNCATED));
    let body = answer.text().await.map_err(|error| failure(url, &error))?;
    if !status.is_success() {
        return Err(Failure::Refused(refusal(url, status, &body)));
    }
    let cursor = cursor.map(|c| c.parse().unwrap_or(0));
    let cursor = cursor.ok_or_else(|| Failure::Refused(format!("{url}: what answers there is no Vigie agent")))?;
    let lines = body.lines().map(str::to_owned).collect();
    Ok(Page { lines, cursor, truncated: truncated.is_some_and(|t| t == "true") })
}

fn failure(url: &str, error: &reqwest::Error) -> Failure {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    if error.is_connect() || error.is_timeout() || error.is_body() || error.is_request() {
        Failure::NoAgent(format!("no agent answers at {url} ({cause})"))
    } else {
        Failure::Refused(format!("{url}: {cause}"))
    }
}

fn refusal(url: &str, status: StatusCode, body: &str) -> String {
    if status == StatusCode::UNAUTHORIZED {
        return format!("{url}: the agent wants a token; give it by --token or VIGIE_ADMIN_TOKEN");
    }
    let problem: Option<serde_json::Value> = serde_json::from_str(body).ok();
    match problem.as_ref().and_then(|p| p["detail"].as_str()) {
        Some(detail) => format!("{url}: {detail}"),
        None => format!("{url}: {status}"),
    }
}

fn read(reader: &Reader, pairs: &[(&'static str, String)]) -> Result<Page, Failure> {
    let now_us = Clock::system().wall_us();
    let filter =
        Filter::parse(pairs.iter().map(|(k, v)| (k, v)), now_us).map_err(|e| Failure::Refused(e.to_string()))?;
    let found = reader.search(&filter).map_err(|e| Failure::Refused(e.to_string()))?;
    Ok(Page { lines: found.lines, cursor: found.cursor, truncated: found.truncated })
}
