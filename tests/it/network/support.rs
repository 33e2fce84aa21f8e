//! A forward proxy and a name server that do as a test tells them.

use crate::support::tls::Pair;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// What a proxy does with a CONNECT.
#[derive(Clone, Debug)]
pub enum Does {
    /// Opens a tunnel to this address.
    Connects(SocketAddr),
    /// Writes these bytes and closes.
    Says(&'static str),
    /// Reads on and says nothing.
    Hangs,
}

/// A forward proxy; it ends when dropped.
pub struct ForwardProxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    accepting: AbortHandle,
}

impl ForwardProxy {
    /// In plain text; `does` is asked with the target.
    pub async fn start(does: impl Fn(&str) -> Does + Clone + Send + 'static) -> Self {
        Self::with(None, does).await
    }

    /// Over TLS.
    pub async fn secured(pair: &Pair, does: impl Fn(&str) -> Does + Clone + Send + 'static) -> Self {
        Self::with(Some(TlsAcceptor::from(pair.server(&["http/1.1"], None))), does).await
    }

    /// One that leads everywhere to `address`.
    pub async fn to(address: SocketAddr) -> Self {
        Self::start(move |_| Does::Connects(address)).await
    }

    async fn with(tls: Option<TlsAcceptor>, does: impl Fn(&str) -> Does + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&heads);
        let accepting = tokio::spawn(async move {
            let mut running = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (does, seen, tls) = (does.clone(), Arc::clone(&seen), tls.clone());
                running.spawn(async move {
                    match tls {
                        None => serve(stream, does, seen).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, does, seen).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, heads, accepting: accepting.abort_handle() }
    }

    /// `http://…`, or `https://…` for one over TLS.
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }

    /// The heads of all requests so far.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().clone()
    }
}

impl Drop for ForwardProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve<S>(mut stream: S, does: impl Fn(&str) -> Does, seen: Arc<Mutex<Vec<String>>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    seen.lock().push(head);
    match does(&target) {
        Does::Connects(address) => {
            let Ok(mut there) = TcpStream::connect(address).await else { return };
            if stream.write_all(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 test\r\n\r\n").await.is_ok() {
                // However it ends, both are closed.
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut there).await;
            }
        }
        Does::Says(text) => {
            // The other end may have gone.
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
        Does::Hangs => {
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    }
}

/// A name server; it ends when dropped.
pub struct NameServer {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    answering: AbortHandle,
}

#[derive(Default)]
struct Zone {
    names: HashMap<String, Vec<IpAddr>>,
    fails: bool,
    silent: bool,
}

impl NameServer {
    /// Knows `name` with these addresses, each for a second.
    pub async fn start(name: &str, addresses: &[&str]) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let address = socket.local_addr().expect("bound");
        let zone = Arc::new(Mutex::new(Zone::default()));
        let asked = Arc::clone(&zone);
        let answering = tokio::spawn(async move {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let Some(answer) = asked.lock().heard(&buffer[..length]) else { continue };
                // Whoever asked may have gone.
                let _ = socket.send_to(&answer, from).await;
            }
        });
        let server = Self { address, zone, answering: answering.abort_handle() };
        server.set(name, addresses);
        server
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// From now on `name` has these addresses.
    pub fn set(&self, name: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|a| a.parse().expect("an address")).collect();
        let mut zone = self.zone.lock();
        zone.names.insert(name.to_owned(), addresses);
        (zone.fails, zone.silent) = (false, false);
    }

    /// From now on it answers nothing.
    pub fn silent(&self) {
        self.zone.lock().silent = true;
    }

    /// From now on it cannot tell anything (SERVFAIL).
    pub fn fail(&self) {
        self.zone.lock().fails = true;
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.answering.abort();
    }
}

impl Zone {
    fn heard(&self, question: &[u8]) -> Option<Vec<u8>> {
        (!self.silent).then(|| self.answer(question))
    }

    fn answer(&self, question: &[u8]) -> Vec<u8> {
        let mut answer = question.to_vec();
        (answer[2], answer[3]) = (0x81, 0x80);
        let mut labels = Vec::new();
        let mut at = 12;
        while question[at] > 0 {
            let end = at + 1 + usize::from(question[at]);
            labels.push(String::from_utf8_lossy(&question[at + 1..end]).into_owned());
            at = end;
        }
        let six = question[at + 2] == 28;
        let Some(addresses) = self.names.get(&labels.join(".")) else {
            answer[3] |= 3;
            return answer;
        };
        if self.fails {
            answer[3] |= 2;
            return answer;
        }
        for ip in addresses.iter().filter(|ip| ip.is_ipv6() == six) {
            answer[7] += 1;
            answer.extend([0xC0, 12, 0, if six { 28 } else { 1 }, 0, 1, 0, 0, 0, 1, 0]);
            match ip {
                IpAddr::V4(ip) => answer.extend([&[4][..], &ip.octets()].concat()),
                IpAddr::V6(ip) => answer.extend([&[16][..], &ip.octets()].concat()),
            }
        }
        answer
    }
}
