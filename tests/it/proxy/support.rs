//! What these tests share: both ends of a connection byte by byte, bodies on demand, and what the agent says of a call.

use crate::support::{DEADLINE, TestAgent, eventually};
use axum::body::{Body, Bytes};
use http_body::{Body as HttpBody, Frame};
use serde_json::Value;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::{AbortHandle, JoinSet};

/// One end of a connection, read and written as bytes. Every wait ends at the deadline.
pub struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Wire {
    /// Connects to an `http://address:port`.
    pub async fn to(url: &str) -> Self {
        let address = url.strip_prefix("http://").expect("a plain address");
        Self::new(TcpStream::connect(address).await.expect("a listener"))
    }

    fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a TCP socket");
        Self { stream, unread: Vec::new() }
    }

    /// Writes it all.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.expect("the other end reads");
    }

    /// Writes it all, if the other end still takes it.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        tokio::time::timeout(DEADLINE, self.stream.write_all(bytes.as_ref()))
            .await
            .expect("the other end reads in time")
    }

    /// Everything up to and with `end`.
    pub async fn until(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = memchr::memmem::find(&self.unread, end.as_bytes()) {
                let rest = self.unread.split_off(at + end.len());
                let found = std::mem::replace(&mut self.unread, rest);
                return String::from_utf8_lossy(&found).into_owned();
            }
            let read = self.read().await.expect("an open connection");
            assert!(read > 0, "ended before {end:?}: {}", String::from_utf8_lossy(&self.unread));
        }
    }

    /// A message's head, in lower case.
    pub async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await.to_ascii_lowercase()
    }

    /// Everything until the other end closes, well or badly.
    pub async fn rest(&mut self) -> String {
        while self.read().await.is_ok_and(|read| read > 0) {}
        String::from_utf8_lossy(&std::mem::take(&mut self.unread)).into_owned()
    }

    /// Says that nothing more is sent; reading goes on.
    pub async fn finish(&mut self) {
        self.stream.shutdown().await.expect("an open connection");
    }

    /// The next `count` bytes or more, which stay to be read.
    pub async fn bytes(&mut self, count: usize) -> &[u8] {
        while self.unread.len() < count {
            assert!(self.read().await.expect("an open connection") > 0, "ended early: {:?}", self.unread);
        }
        &self.unread
    }

    /// Exactly `count` bytes, dropped as they come.
    pub async fn skip(&mut self, count: usize) {
        let mut left = count;
        loop {
            let now = left.min(self.unread.len());
            self.unread.drain(..now);
            left -= now;
            if left == 0 {
                return;
            }
            assert!(self.read().await.expect("an open connection") > 0, "ended {left} bytes early");
        }
    }

    async fn read(&mut self) -> std::io::Result<usize> {
        let read = self.stream.read_buf(&mut self.unread);
        tokio::time::timeout(DEADLINE, read).await.expect("the other end writes or closes in time")
    }

    /// Passes bytes on, to `address` and back, until one side closes.
    pub async fn relay(mut self, address: SocketAddr) {
        let mut other = TcpStream::connect(address).await.expect("a listener");
        // However it ends, both are closed.
        let _ = tokio::io::copy_bidirectional(&mut self.stream, &mut other).await;
    }

    /// Closes with a reset, so that the other end sees a failure and no orderly end.
    pub fn reset(self) {
        self.stream.set_zero_linger().expect("a TCP socket");
    }
}

/// A server that is a closure over each connection and its number, from 0; it ends when dropped.
pub struct Scripted {
    url: String,
    connections: Arc<AtomicUsize>,
    accepting: AbortHandle,
}

impl Scripted {
    pub async fn start<F, A>(script: F) -> Self
    where
        F: Fn(Wire, usize) -> A + Send + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound address"));
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let accepting = tokio::spawn(async move {
            let mut running = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                running.spawn(script(Wire::new(stream), count.fetch_add(1, Ordering::SeqCst)));
            }
        });
        Self { url, connections, accepting: accepting.abort_handle() }
    }

    /// `http://…`, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A body that a test feeds.
pub struct Fed(Receiver<Bytes>);

/// A body and what feeds it; dropping the sender ends it.
pub fn fed() -> (Sender<Bytes>, Body) {
    let (sender, receiver) = channel(1);
    (sender, Body::new(Fed(receiver)))
}

impl HttpBody for Fed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|data| data.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// A request's head for the agent, with the correlation id `id`.
pub fn head(method: &str, target: &str, id: &str, more: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nhost: vigie.test\r\nx-correlation-id: {id}\r\n{more}\r\n")
}

/// The one record of a correlation id, once it is logged.
pub async fn record(agent: &TestAgent, id: &str) -> Value {
    let mut found = records(agent, id, 1).await;
    assert_eq!(found.len(), 1, "one exchange is one record: {found:?}");
    found.swap_remove(0)
}

/// The records of a correlation id, once there are `count`.
pub async fn records(agent: &TestAgent, id: &str, count: usize) -> Vec<Value> {
    eventually(&format!("{count} records of {id}"), DEADLINE, || async {
        let ours: Vec<Value> = agent.log_records().into_iter().filter(|r| r["correlation_id"] == id).collect();
        (ours.len() >= count).then_some(ours)
    })
    .await
}

/// Asserts the named fields of a record.
pub fn assert_fields(record: &Value, expected: Value) {
    for (field, value) in expected.as_object().expect("an object") {
        assert_eq!(&record[field], value, "{field} of {record}");
    }
}

/// The value of a series whose name and labels begin with or hold each of `parts`; 0 when there is none.
pub async fn metric(agent: &TestAgent, name: &str, labels: &[&str]) -> f64 {
    let page = agent.admin_text("/metrics").await;
    let ours = |line: &&str| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
            && labels.iter().all(|l| line.contains(l))
    };
    let value = |line: &str| line.rsplit(' ').next().and_then(|v| v.parse::<f64>().ok());
    page.lines().filter(ours).filter_map(value).sum()
}

/// Waits until no connection to this listener is open any more in the kernel's eyes. That a server has closed its end does
/// not mean that the client's has heard of it: on a busy machine the news is delivered later.
pub async fn all_closed(url: &str) {
    let port: u16 = url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let (remote, established) = (format!(":{port:04X}"), "01");
    eventually("the connections' end", DEADLINE, || async {
        let table = std::fs::read_to_string("/proc/net/tcp").expect("the kernel's table");
        let open = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let mut open =
            open.filter(|fields| fields.len() > 3 && fields[2].ends_with(&remote) && fields[3] == established);
        open.next().is_none().then_some(())
    })
    .await;
}

/// Resident memory of the agent, bytes.
pub fn resident(agent: &TestAgent) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.id())).expect("a running process");
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).expect("a number") * 1024
}
