//! The upstream of the proxy benchmark: answers like a small Freshsales API, at the least cost hyper allows.
//!
//! GET answers 200 with a contact of about 360 bytes; every other method reads its body and answers 201 with a deal of
//! about that size. Speaks HTTP/1.1, and HTTP/2 by prior knowledge, on one port.
//!
//! Usage: `bench_origin --listen ADDRESS`

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;

const CONTACT: &str = concat!(
    r#"{"contact":{"id":70042006456,"first_name":"Ada","last_name":"Lovelace","display_name":"Ada Lovelace","#,
    r#""email":"ada.lovelace@example.org","mobile_number":"+33612345678","city":"Paris","country":"France","#,
    r#""external_id":"ERP-104233","lead_score":42,"owner_id":70000112233,"#,
    r#""created_at":"2026-02-11T09:41:27-04:00","updated_at":"2026-03-02T16:05:11-04:00"}}"#,
);
const DEAL: &str = concat!(
    r#"{"deal":{"id":70012345678,"name":"Renewal 2026, Lovelace & Sons","amount":"18250.00","#,
    r#""currency_id":70000001234,"sales_account_id":70098765432,"deal_stage_id":70000005555,"probability":60,"#,
    r#""owner_id":70000112233,"expected_close":"2026-06-30","external_id":"ERP-D-20418","#,
    r#""created_at":"2026-03-02T16:05:11-04:00","updated_at":"2026-03-02T16:05:11-04:00"}}"#,
);

static ANSWERED: AtomicU64 = AtomicU64::new(0);

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(serve(listen_address()?))
}

fn listen_address() -> anyhow::Result<SocketAddr> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.as_slice() {
        [flag, address] if flag == "--listen" => address.parse().context("--listen wants HOST:PORT"),
        _ => bail!("usage: bench_origin --listen ADDRESS"),
    }
}

async fn serve(address: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address).await?;
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http2().max_concurrent_streams(1024);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let server = server.clone();
        tokio::spawn(async move { server.serve_connection(TokioIo::new(stream), service_fn(answer)).await });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() == Method::GET {
        return Ok(reply(StatusCode::OK, CONTACT));
    }
    let mut body = request.into_body();
    while let Some(Ok(_)) = body.frame().await {}
    Ok(reply(StatusCode::CREATED, DEAL))
}

fn reply(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    set_headers(response.headers_mut());
    response
}

fn set_headers(headers: &mut HeaderMap) {
    const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
    const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
    const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
    const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
    let answered = ANSWERED.fetch_add(1, Ordering::Relaxed);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(LIMIT, HeaderValue::from_static("5000"));
    headers.insert(REMAINING, HeaderValue::from(5000 - answered % 4000));
    headers.insert(RESET, HeaderValue::from_static("1800"));
    let id = HeaderValue::try_from(format!("{answered:032x}")).expect("hexadecimal digits are a header value");
    headers.insert(REQUEST_ID, id);
}
