//! Idle connections to the upstream, last in first out.

use std::net::SocketAddr;
use std::pin::Pin;

use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use tokio::net::TcpStream;

use crate::Client;

/// The half of an HTTP/1.1 connection that moves the bytes.
pub type Driver = Pin<Box<http1::Connection<TokioIo<TcpStream>, Incoming>>>;

/// An HTTP/1.1 connection that carries one exchange at a time.
pub struct Connection {
    pub sender: http1::SendRequest<Incoming>,
    /// Present when the exchange drives the connection itself.
    pub driver: Option<Driver>,
}

pub struct Pool {
    pub client: Client,
    origin: SocketAddr,
    idle: Mutex<Vec<Connection>>,
    http2: tokio::sync::Mutex<Option<http2::SendRequest<Incoming>>>,
}

impl Pool {
    pub fn new(origin: SocketAddr, client: Client) -> Self {
        Self { client, origin, idle: Mutex::default(), http2: tokio::sync::Mutex::default() }
    }

    pub fn origin(&self) -> SocketAddr {
        self.origin
    }

    pub fn take(&self) -> Option<Connection> {
        self.idle.lock().pop()
    }

    pub fn put(&self, connection: Connection) {
        self.idle.lock().push(connection);
    }

    pub async fn connect(&self) -> anyhow::Result<Connection> {
        let (sender, connection) = http1::handshake(self.open().await?).await?;
        let mut driver = Some(Box::pin(connection));
        if self.client == Client::Spawned
            && let Some(connection) = driver.take()
        {
            tokio::spawn(connection);
        }
        Ok(Connection { sender, driver })
    }

    /// The one HTTP/2 connection, opened at first use.
    pub async fn http2(&self) -> anyhow::Result<http2::SendRequest<Incoming>> {
        let mut slot = self.http2.lock().await;
        if let Some(sender) = slot.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(sender.clone());
        }
        let (sender, connection) = http2::handshake(TokioExecutor::new(), self.open().await?).await?;
        tokio::spawn(connection);
        Ok(slot.insert(sender).clone())
    }

    async fn open(&self) -> anyhow::Result<TokioIo<TcpStream>> {
        let stream = TcpStream::connect(self.origin).await?;
        stream.set_nodelay(true)?;
        Ok(TokioIo::new(stream))
    }
}
