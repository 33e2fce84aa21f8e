//! Upstreams that answer as a test tells them: whole HTTP servers, and servers that write any bytes at all.

use super::tls::Tls;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// The head of a request that reached an origin.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its method.
    pub method: Method,
    /// Its target, as received.
    pub uri: Uri,
    /// The HTTP version it came with.
    pub version: Version,
    /// Its headers, as received.
    pub headers: HeaderMap,
}

type Answer = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;
type Handler = Arc<dyn Fn(Request<Body>) -> Answer + Send + Sync>;

/// An HTTP server whose answers are a closure; it ends when dropped.
pub struct Origin {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    tls: Option<Tls>,
    accepting: AbortHandle,
}

impl Origin {
    /// HTTP/1.1 in plain text.
    pub async fn http<F, A>(handler: F) -> Self
    where
        F: Fn(Request<Body>) -> A + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        Self::start(handler, Transport::Plain).await
    }

    /// HTTP/2 in plain text, with prior knowledge.
    pub async fn http2<F, A>(handler: F) -> Self
    where
        F: Fn(Request<Body>) -> A + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        Self::start(handler, Transport::PlainHttp2).await
    }

    /// TLS; HTTP/2 where `tls` offers it and the client takes it.
    pub async fn https<F, A>(tls: Tls, handler: F) -> Self
    where
        F: Fn(Request<Body>) -> A + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        let acceptor = TlsAcceptor::from(Arc::clone(&tls.config));
        let mut origin = Self::start(handler, Transport::Tls(acceptor)).await;
        origin.tls = Some(tls);
        origin
    }

    /// Answers everything with this status and JSON text.
    pub async fn json(status: u16, body: &'static str) -> Self {
        Self::http(move |_| async move { json(status, body) }).await
    }

    async fn start<F, A>(handler: F, transport: Transport) -> Self
    where
        F: Fn(Request<Body>) -> A + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        Self::on(bind().await.0, handler, transport)
    }

    /// As [`Origin::json`], on a listener of the test's.
    pub fn json_on(listener: TcpListener, status: u16, body: &'static str) -> Self {
        Self::on(listener, move |_| async move { json(status, body) }, Transport::Plain)
    }

    fn on<F, A>(listener: TcpListener, handler: F, transport: Transport) -> Self
    where
        F: Fn(Request<Body>) -> A + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |request| Box::pin(handler(request)));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let address = listener.local_addr().expect("a bound address");
        let accepting = tokio::spawn(accept(listener, transport, handler, Arc::clone(&seen))).abort_handle();
        Self { address, seen, tls: None, accepting }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://…` or `https://…`, without a slash at the end.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The authority to trust, when it speaks TLS.
    pub fn ca_file(&self) -> Option<PathBuf> {
        self.tls.as_ref().map(|tls| tls.ca_file.clone())
    }

    /// The heads of all requests so far, in order of arrival.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// An answer of this status with JSON text.
pub fn json(status: u16, body: impl Into<Body>) -> Response<Body> {
    let answer = Response::builder().status(status).header("content-type", "application/json; charset=utf-8");
    answer.body(body.into()).expect("a valid answer")
}

#[derive(Clone)]
enum Transport {
    Plain,
    PlainHttp2,
    Tls(TlsAcceptor),
}

async fn bind() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let address = listener.local_addr().expect("a bound address");
    (listener, address)
}

// Connections end with the origin: the set aborts them when this task is aborted.
async fn accept(listener: TcpListener, transport: Transport, handler: Handler, seen: Arc<Mutex<Vec<Seen>>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (transport, handler, seen) = (transport.clone(), Arc::clone(&handler), Arc::clone(&seen));
        connections.spawn(serve(stream, transport, handler, seen));
    }
}

// How a connection ends is the client's affair: tests look at answers.
async fn serve(stream: TcpStream, transport: Transport, handler: Handler, seen: Arc<Mutex<Vec<Seen>>>) {
    stream.set_nodelay(true).expect("a TCP socket");
    match transport {
        Transport::Plain => serve_http(stream, false, handler, seen).await,
        Transport::PlainHttp2 => serve_http(stream, true, handler, seen).await,
        Transport::Tls(acceptor) => {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            serve_http(stream, http2, handler, seen).await;
        }
    }
}

async fn serve_http<S>(stream: S, http2: bool, handler: Handler, seen: Arc<Mutex<Vec<Seen>>>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let (parts, body) = request.into_parts();
        let head = Seen {
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            version: parts.version,
            headers: parts.headers.clone(),
        };
        seen.lock().push(head);
        let answer = handler(Request::from_parts(parts, Body::new(body)));
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let io = TokioIo::new(stream);
    let ended = if http2 {
        hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await
    } else {
        hyper::server::conn::http1::Builder::new().half_close(true).serve_connection(io, service).await
    };
    drop(ended);
}

/// What a [`RawOrigin`] does on each connection, once it has read a request's head.
#[derive(Clone, Debug)]
pub enum RawAnswer {
    /// Writes these bytes and closes.
    Close(Vec<u8>),
    /// Writes these bytes, then neither writes nor closes.
    Hang(Vec<u8>),
}

/// A server that speaks whatever a test wants to see refused; it ends when dropped.
pub struct RawOrigin {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    accepting: AbortHandle,
}

impl RawOrigin {
    /// Gives every connection the same answer.
    pub async fn start(answer: RawAnswer) -> Self {
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (listener, address) = bind().await;
        let accepting = tokio::spawn(accept_raw(listener, answer, Arc::clone(&heads))).abort_handle();
        Self { address, heads, accepting }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://…`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The heads of all requests so far, as they came over the wire.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().clone()
    }
}

impl Drop for RawOrigin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept_raw(listener: TcpListener, answer: RawAnswer, heads: Arc<Mutex<Vec<String>>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(answer_raw(stream, answer.clone(), Arc::clone(&heads)));
    }
}

async fn answer_raw(mut stream: TcpStream, answer: RawAnswer, heads: Arc<Mutex<Vec<String>>>) {
    let Some(head) = read_head(&mut stream).await else { return };
    heads.lock().push(head);
    let (bytes, hang) = match answer {
        RawAnswer::Close(bytes) => (bytes, false),
        RawAnswer::Hang(bytes) => (bytes, true),
    };
    // A client that has gone is a test's doing.
    if stream.write_all(&bytes).await.is_ok() && hang {
        std::future::pending::<()>().await;
    }
}

async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// A client's view of an authority's file.
pub fn trusting(ca_file: &Path) -> reqwest::Client {
    super::tls::install_ring();
    let pem = std::fs::read(ca_file).expect("the authority's file");
    let authority = reqwest::Certificate::from_pem(&pem).expect("a certificate");
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only([authority]);
    builder.timeout(super::DEADLINE).build().expect("a client with fixed settings")
}
