//! `/api/v1/…`: what the agent knows, as JSON.

use super::State;
use axum::Json;
use axum::extract::{RawQuery, State as Extract};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;

/// Where the next page of a search begins; sent back as `after=`.
pub const CURSOR: HeaderName = HeaderName::from_static("x-vigie-cursor");

/// `true` when more rows may match than the limits let through.
pub const TRUNCATED: HeaderName = HeaderName::from_static("x-vigie-truncated");

/// `GET /api/v1/records?<filter>`: masked records, one JSON object a line.
pub async fn records(Extract(state): Extract<Arc<State>>, RawQuery(query): RawQuery) -> Response {
    let Some(dir) = state.history_dir.clone() else {
        return problem(StatusCode::NOT_FOUND, "The history is off: set history.enabled to true.");
    };
    let now_us = state.clock.wall_us();
    let pairs = pairs(query.as_deref().unwrap_or(""));
    let filter = match crate::history::Filter::parse(pairs, now_us) {
        Ok(filter) => filter,
        Err(error) => return problem(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    // The history's files are read off this thread: a search may take a while and the thread also accepts connections.
    let span = tracing::info_span!("search_records");
    let found = tokio::task::spawn_blocking(move || {
        let _span = span.entered();
        crate::history::Reader::open_readonly(&dir)?.search(&filter)
    })
    .await;
    match found {
        Ok(Ok(page)) => {
            let cursor = page.cursor.to_string();
            let mut body = page.lines.join("\n");
            if !body.is_empty() {
                body.push('\n');
            }
            let kind = "application/x-ndjson".to_string();
            let truncated = page.truncated.to_string();
            ([(CONTENT_TYPE, kind), (CURSOR, cursor), (TRUNCATED, truncated)], body).into_response()
        }
        Ok(Err(error)) => problem(StatusCode::INTERNAL_SERVER_ERROR, &format!("The history cannot be read: {error}.")),
        Err(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "The search failed; see the agent's own log."),
    }
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let decode = |s: &str| percent_encoding::percent_decode_str(&s.replace('+', " ")).decode_utf8_lossy().into_owned();
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').map_or((decode(pair), String::new()), |(k, v)| (decode(k), decode(v))))
        .collect()
}

/// `GET /api/v1/quota`: every window's last reading and forecast.
pub async fn quota(Extract(state): Extract<Arc<State>>) -> Json<Value> {
    Json(state.quotas.to_json(state.clock.wall_us()))
}

/// `GET /api/v1/callers`: credentials seen, by keyed fingerprint, so that unknown callers can be named.
pub async fn callers(Extract(state): Extract<Arc<State>>) -> Json<Value> {
    Json(state.callers.to_json())
}

/// `GET /api/v1/status`: version, addresses, whether the windows are complete.
pub async fn status(Extract(state): Extract<Arc<State>>) -> Json<Value> {
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "ready": state.is_ready(),
        "live": state.is_live(),
        "proxy": state.proxy.read().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "windows_complete": state.windows_complete(),
        "recorder_queue_depth": state.recorder.depth(),
    }))
}

fn problem(status: StatusCode, detail: &str) -> Response {
    let body = json!({ "status": status.as_u16(), "detail": detail });
    (status, [(CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}
