//! The way of one request to the CRM: read, remembered, authorised, counted, spoiled where a fault says so, answered.

mod bulk;
mod reshape;
mod routes;

use super::Shared;
use super::answer::Answer;
use super::faults::{Kind, Met, Params as FaultParams};
use super::journal::Received;
use super::query::{Params, Read};
use super::quota::{Reading, ResetFormat};
use super::store::Write;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The largest body accepted; a bulk call of a hundred contacts has about 200 kB.
pub(crate) const MAX_BODY: usize = 4 << 20;
/// The prefixes of the newer hosts and of the classic ones.
const PREFIXES: [(&str, bool); 2] = [("/crm/sales/api", false), ("/api", true)];
/// What a maintenance page looks like to a client that expected JSON.
const MAINTENANCE: &str = "<!DOCTYPE html>\n<html><head><title>Under maintenance</title></head>\
    <body><h1>We will be back soon</h1><p>The service is being maintained.</p></body></html>\n";

/// Marks an answer in whose place the connection is to be reset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResetConnection;

/// The state of the quota as it goes into the headers.
type Readings = (Reading, Option<Reading>);

/// Answers one request to the CRM's API.
pub(crate) async fn serve(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return plain(Answer::error(413, &["The body is too large or did not arrive whole"])),
    };
    let received = Received::new(&parts, &body, |value| shared.is_own_key(value));
    let number = shared.journal.lock().begin(received);
    let path = parts.uri.path();
    let prefix = PREFIXES.iter().find_map(|(prefix, classic)| {
        path.strip_prefix(prefix).filter(|rest| rest.starts_with('/')).map(|rest| (rest, *classic))
    });
    let Some((short, classic)) = prefix else {
        shared.journal.lock().end(number, &parts.method, "other", Ok(404));
        return plain(Answer::not_found());
    };
    let route = routes::template(short);
    let (met, allowed) = shared.admit(number, &parts, short);
    // Even a sleep of no time waits for the timer's next millisecond.
    if !met.delay.is_zero() {
        tokio::time::sleep(met.delay).await;
    }
    let readings = shared.quota.lock().readings(shared.clock.elapsed());
    match &met.instead {
        Some((Kind::Redirect, _)) => {
            shared.journal.lock().end(number, &parts.method, &route, Ok(307));
            return redirect(&parts, short, classic);
        }
        Some((kind, params)) => {
            return instead(&shared, number, &parts.method, &route, (*kind, params), readings).await;
        }
        None => {}
    }
    let answer = allowed.unwrap_or_else(|| shared.answer(&parts, short, &body, &met, classic));
    let status = answer.status;
    shared.journal.lock().end(number, &parts.method, &route, Ok(status));
    let bytes = serde_json::to_vec(&answer.body).unwrap_or_default();
    let body = match &met.truncated {
        Some(params) => Truncation::of(&bytes, params),
        None => Truncation { head: bytes.into(), full: None },
    };
    let json = "application/json; charset=utf-8";
    let mut response = body.response(status, json, readings, shared.reset_format, shared.clock.wall_us());
    if met.edge_headers {
        add_edge_headers(response.headers_mut());
    }
    response
}

/// What the caller called the API, as far as it said.
fn host(parts: &Parts) -> &str {
    parts.headers.get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or("localhost")
}

/// The same call below the other prefix, as when an account moves from the classic hosts to the newer ones.
fn redirect(parts: &Parts, short: &str, classic: bool) -> Response {
    let prefix = if classic { PREFIXES[0].0 } else { PREFIXES[1].0 };
    let query = parts.uri.query().map_or_else(String::new, |query| format!("?{query}"));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    if let Ok(location) = HeaderValue::from_str(&format!("http://{}{prefix}{short}{query}", host(parts))) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Load balancers in front of vendors' APIs keep sessions by cookie, and offer HTTP/3 beside the connection.
fn add_edge_headers(headers: &mut http::HeaderMap) {
    let cookie = "_sandbox_session=5f0c1a2b; Domain=.myfreshworks.com; Path=/; Secure; HttpOnly";
    headers.append(header::SET_COOKIE, HeaderValue::from_static(cookie));
    headers.append(header::ALT_SVC, HeaderValue::from_static("h3=\":443\"; ma=86400"));
}

impl Shared {
    /// Checks the key and the quota, and finds the faults. The answer is `Some` where the request is refused.
    fn admit(&self, number: u64, parts: &Parts, short: &str) -> (Met, Option<Answer>) {
        let now = self.clock.elapsed();
        let authorized = parts.headers.get(header::AUTHORIZATION).is_some_and(|v| self.is_own_key(v.as_bytes()));
        let refused = match authorized {
            false => Some(Answer::unauthorized()),
            // Only calls of the account's own keys count against the account.
            true => (!self.quota.lock().take(now)).then(Answer::too_many),
        };
        let (met, kinds) = self.faults.lock().meet(now, &parts.method, parts.uri.path(), short);
        self.journal.lock().met(number, &kinds);
        (met, refused)
    }

    /// True for `Token token=KEY` with one of the configured keys.
    pub(crate) fn is_own_key(&self, authorization: &[u8]) -> bool {
        let token = std::str::from_utf8(authorization).ok().and_then(|value| {
            let (scheme, rest) = value.trim().split_once(' ')?;
            let token = rest.trim().strip_prefix("token=").filter(|_| scheme.eq_ignore_ascii_case("token"))?;
            Some(token.trim_matches('"'))
        });
        token.is_some_and(|token| self.keys.iter().any(|key| key.matches(token.as_bytes())))
    }

    fn answer(&self, parts: &Parts, short: &str, body: &[u8], met: &Met, classic: bool) -> Answer {
        let now_s = self.clock.wall_us() / 1_000_000;
        let call = routes::Call {
            method: &parts.method,
            path: short.split('/').filter(|s| !s.is_empty()).collect(),
            params: Params::parse(parts.uri.query()),
            body,
            write: Write { now_s, stale_s: met.stale_s.unwrap_or(0), twice: met.duplicate },
            read: Read { old: met.stale_s.is_some(), now_s },
            base_url: format!("http://{}{}", host(parts), if classic { "/api" } else { "/crm/sales/api" }),
        };
        let (mut answer, events) = {
            let mut store = self.store.lock();
            (routes::route(&mut store, &call), std::mem::take(&mut store.events))
        };
        for event in &events {
            self.hooks.send(event);
        }
        let reads = parts.method == Method::GET || short.starts_with("/filtered_search/");
        let stale_s = met.stale_s.filter(|_| reads).unwrap_or(0);
        reshape::apply(&mut answer.body, &reshape::Shape { classic, stale_s, removed: &met.removed });
        answer
    }
}

/// What a fault puts in the answer's place.
async fn instead(
    shared: &Shared,
    number: u64,
    method: &Method,
    route: &str,
    (kind, params): (Kind, &FaultParams),
    mut readings: Readings,
) -> Response {
    let message = |default: &'static str| params.message.clone().unwrap_or_else(|| default.to_owned());
    let answer = match kind {
        Kind::Timeout => {
            shared.journal.lock().end(number, method, route, Err("never answered"));
            return std::future::pending().await;
        }
        Kind::Reset => {
            shared.journal.lock().end(number, method, route, Err("connection reset"));
            let mut response = Response::new(Body::empty());
            response.extensions_mut().insert(ResetConnection);
            return response;
        }
        Kind::Html => {
            shared.journal.lock().end(number, method, route, Ok(200));
            let page = Truncation { head: Bytes::from_static(MAINTENANCE.as_bytes()), full: None };
            return page.response(
                200,
                "text/html; charset=utf-8",
                readings,
                shared.reset_format,
                shared.clock.wall_us(),
            );
        }
        Kind::RateLimit => {
            readings.0.remaining = 0;
            Answer::too_many()
        }
        Kind::Unauthorized => Answer::unauthorized(),
        Kind::Hidden429 => Answer::hidden_429(),
        Kind::HiddenError => {
            Answer::ok(serde_json::json!({"success": false, "message": message("The record could not be saved")}))
        }
        _ => Answer::error(params.status.unwrap_or(503), &[message("The service is temporarily unavailable")]),
    };
    shared.journal.lock().end(number, method, route, Ok(answer.status));
    let body = Truncation { head: serde_json::to_vec(&answer.body).unwrap_or_default().into(), full: None };
    let json = "application/json; charset=utf-8";
    body.response(answer.status, json, readings, shared.reset_format, shared.clock.wall_us())
}

/// A body, whole, or with less than the head promises.
struct Truncation {
    head: Bytes,
    full: Option<usize>,
}

impl Truncation {
    fn of(bytes: &[u8], params: &FaultParams) -> Self {
        let keep = params.bytes.unwrap_or(bytes.len() / 2).min(bytes.len().saturating_sub(1));
        Self { head: Bytes::copy_from_slice(&bytes[..keep]), full: Some(bytes.len()) }
    }

    fn response(
        self,
        status: u16,
        kind: &'static str,
        readings: Readings,
        format: ResetFormat,
        now_us: i64,
    ) -> Response {
        let mut response = match self.full {
            None => Response::new(Body::from(self.head)),
            Some(full) => {
                let mut response = Response::new(Body::new(CutBody { head: Some(self.head), flushed: false }));
                response.headers_mut().insert(header::CONTENT_LENGTH, full.into());
                response
            }
        };
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if let Ok(id) = HeaderValue::from_str(&uuid::Uuid::now_v7().to_string()) {
            headers.insert("x-request-id", id);
        }
        let now_s = (now_us / 1_000_000) as u64;
        let mut add = |names: [&'static str; 3], reading: Reading| {
            let reset = if format == ResetFormat::Epoch { now_s + reading.reset_s } else { reading.reset_s };
            for (name, value) in names.into_iter().zip([reading.limit, reading.remaining, reset]) {
                headers.insert(name, value.into());
            }
        };
        add(["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"], readings.0);
        if let Some(minute) = readings.1 {
            // No client names headers of the minute window; these are the sandbox's own.
            add(["x-ratelimit-limit-minute", "x-ratelimit-remaining-minute", "x-ratelimit-reset-minute"], minute);
        }
        response
    }
}

/// A body that breaks off: some bytes, then an error, at which the server drops the connection.
struct CutBody {
    head: Option<Bytes>,
    flushed: bool,
}

impl http_body::Body for CutBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<http_body::Frame<Bytes>>>> {
        if let Some(head) = self.head.take() {
            return Poll::Ready(Some(Ok(http_body::Frame::data(head))));
        }
        // The server writes out what it has when a body makes it wait; an error at once would lose the head as well.
        if !std::mem::replace(&mut self.flushed, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(std::io::Error::new(std::io::ErrorKind::ConnectionAborted, "cut off by a fault"))))
    }
}

/// An answer outside the API: no quota, no request id.
pub(crate) fn plain(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(serde_json::to_vec(&answer.body).unwrap_or_default()));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    response
}
