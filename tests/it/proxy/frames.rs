//! HTTP/2 frame by frame (RFC 9113 section 4), both ends, for what no client or server of good manners does.

use crate::support::DEADLINE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// Error codes (RFC 9113 section 7).
pub const NO_ERROR: u32 = 0;
pub const INTERNAL_ERROR: u32 = 2;
pub const REFUSED_STREAM: u32 = 7;
pub const CANCEL: u32 = 8;
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// One frame.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The error code of RST_STREAM, or of GOAWAY.
    pub fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().expect("four bytes"))
    }

    /// Nothing follows on this stream.
    pub fn ends(&self) -> bool {
        self.flags & END_STREAM != 0
    }
}

/// One end of a connection.
pub struct Frames(TcpStream);

impl Frames {
    /// Connects with prior knowledge.
    pub async fn to(address: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.expect("a listener");
        stream.set_nodelay(true).expect("a TCP socket");
        stream.write_all(PREFACE).await.expect("the preface");
        let mut frames = Self(stream);
        frames.send(SETTINGS, 0, 0, &[]).await;
        frames
    }

    /// Takes a connection as a server that allows `streams` at once.
    pub async fn accept(listener: &TcpListener, streams: u32) -> Self {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("a TCP socket");
        let mut preface = [0; PREFACE.len()];
        stream.read_exact(&mut preface).await.expect("the preface");
        assert_eq!(preface, PREFACE);
        let mut frames = Self(stream);
        // SETTINGS_MAX_CONCURRENT_STREAMS.
        let mut setting = vec![0, 3];
        setting.extend(streams.to_be_bytes());
        frames.send(SETTINGS, 0, 0, &setting).await;
        frames
    }

    pub async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.try_send(kind, flags, stream, payload).await.expect("the other end reads");
    }

    pub async fn try_send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> std::io::Result<()> {
        let length = u32::try_from(payload.len()).expect("a short payload").to_be_bytes();
        let mut bytes = vec![length[1], length[2], length[3], kind, flags];
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        tokio::time::timeout(DEADLINE, self.0.write_all(&bytes)).await.expect("the other end reads in time")
    }

    /// The next frame; `None` at the end. Settings and pings are answered on the way.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            let frame = tokio::time::timeout(DEADLINE, self.read()).await.expect("a frame in time")?;
            match (frame.kind, frame.flags & ACK) {
                (SETTINGS, 0) => drop(self.try_send(SETTINGS, ACK, 0, &[]).await),
                (PING, 0) => drop(self.try_send(PING, ACK, 0, &frame.payload).await),
                (SETTINGS | PING, _) => {}
                _ => return Some(frame),
            }
        }
    }

    /// The next frame of a kind; others are dropped.
    pub async fn until(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.next().await.unwrap_or_else(|| panic!("ended before a frame of kind {kind}"));
            if frame.kind == kind {
                return frame;
            }
        }
    }

    async fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes(head[5..].try_into().expect("four bytes"));
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }
}

/// A header as HPACK's literal without indexing (RFC 7541 section 6.2.2), both words shorter than 127.
pub fn literal(name: &str, value: &str) -> Vec<u8> {
    let length = |text: &str| u8::try_from(text.len()).ok().filter(|n| *n < 127).expect("a short word");
    let mut block = vec![0, length(name)];
    block.extend(name.as_bytes());
    block.push(length(value));
    block.extend(value.as_bytes());
    block
}

/// A request's header block.
pub fn request(method: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let all = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "vigie.test")];
    all.iter().chain(more).flat_map(|(name, value)| literal(name, value)).collect()
}

/// The header block of an answer 200: entry 8 of the static table.
pub const OK: [u8; 1] = [0x88];
