//! CONNECT (RFC 9110 section 9.3.6): a way through the egress proxy that nobody in between reads or changes.
//!
//! Plain `http` goes through a tunnel as well, not as a request of absolute form: what the proxy says is then told from what
//! the vendor says, and credentials for the proxy are in no message that could reach the vendor.

use super::outlet::Unreached;
use crate::exchange::AgentError;
use crate::secret::Secret;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

/// Bytes of the answer's head at most: proxies send 40 to 1,000, with their explanation in the body.
const MAX_HEAD: usize = 16 << 10;
/// Header lines of it at most.
const MAX_HEADERS: usize = 64;
/// Interim answers (1xx) before the real one.
const MAX_INTERIM: usize = 4;

/// Asks the proxy behind `stream` for a tunnel to `target` (`host:port`). `silent`: the target waits for the first word,
/// so a byte that comes before it is the proxy's.
///
/// # Errors
/// Why there is no tunnel; the connection is of no use then.
pub async fn open<S>(
    stream: &mut S,
    target: &str,
    authorization: Option<&Secret>,
    silent: bool,
) -> Result<(), Unreached>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = request(target, authorization);
    let asked = async {
        stream.write_all(&request).await?;
        stream.flush().await
    };
    asked.await.map_err(|error| broke_off(&error))?;
    for _ in 0..=MAX_INTERIM {
        match status(&head(stream).await?)? {
            100..=199 => {}
            200..=299 if silent && has_more(stream) => {
                return Err(odd("sent bytes into the tunnel before they were asked for"));
            }
            200..=299 => return Ok(()),
            // tinyproxy 1.11 answers 401 where credentials are wrong.
            code @ (401 | 407) => {
                let what = if authorization.is_some() { "the credentials are refused" } else { "it wants credentials" };
                return Err(refused(AgentError::ProxyAuth, code, what));
            }
            // It was willing, but could not get there.
            code @ 500..=599 => return Err(refused(AgentError::ProxyUpstream, code, "it did not reach the target")),
            code => return Err(refused(AgentError::ProxyDenied, code, "it does not let this through")),
        }
    }
    Err(odd("sent too many interim answers"))
}

fn request(target: &str, authorization: Option<&Secret>) -> zeroize::Zeroizing<Vec<u8>> {
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: vigie\r\n").into_bytes();
    if let Some(secret) = authorization {
        // In one piece: what grows leaves copies behind.
        request.reserve_exact(64 + secret.expose().len());
        request.extend(b"Proxy-Authorization: ");
        request.extend(secret.expose().as_bytes());
        request.extend(b"\r\n");
    }
    request.extend(b"\r\n");
    zeroize::Zeroizing::new(request)
}

/// Reads to the end of the head and not a byte further: what follows is the target's. Read singly, as heads are short and
/// tunnels are opened rarely.
async fn head<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Vec<u8>, Unreached> {
    let mut head = Vec::with_capacity(256);
    while !head.ends_with(b"\r\n\r\n") {
        let byte = stream.read_u8().await.map_err(|error| broke_off(&error))?;
        // A bare LF ends a line for some and not for others (RFC 9112 section 2.2).
        if byte == b'\n' && head.last() != Some(&b'\r') {
            return Err(odd("answers with something other than HTTP"));
        }
        head.push(byte);
        let start = &head[..head.len().min(b"HTTP/1.".len())];
        if !b"HTTP/1.".starts_with(start) {
            return Err(odd("answers with something other than HTTP"));
        }
        if head.len() > MAX_HEAD {
            return Err(odd("answers with too large a head"));
        }
    }
    Ok(head)
}

/// Length and coding of a 2xx mean nothing here (RFC 9110 section 9.3.6), and other answers' bodies are not read.
fn status(head: &[u8]) -> Result<u16, Unreached> {
    let mut lines = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut lines);
    match parsed.parse(head) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        _ => return Err(odd("answers with a malformed head")),
    }
    parsed.code.filter(|code| (100..=599).contains(code)).ok_or_else(|| odd("answers with no status"))
}

fn has_more<S: AsyncRead + Unpin>(stream: &mut S) -> bool {
    let mut byte = [0; 1];
    let mut buffer = ReadBuf::new(&mut byte);
    let read = Pin::new(stream).poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer);
    matches!(read, Poll::Ready(Ok(()))) && !buffer.filled().is_empty()
}

fn odd(what: &str) -> Unreached {
    Unreached { kind: AgentError::ProxyAnswer, detail: format!("the proxy {what}") }
}

fn broke_off(error: &std::io::Error) -> Unreached {
    Unreached { kind: AgentError::ProxyAnswer, detail: format!("the proxy broke off: {}", error.kind()) }
}

fn refused(kind: AgentError, code: u16, what: &str) -> Unreached {
    Unreached { kind, detail: format!("the proxy answers {code}: {what}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::basic;
    use tokio::io::duplex;

    async fn open_to(answer: &[u8], silent: bool) -> (Result<(), AgentError>, Vec<u8>) {
        let (mut near, mut far) = duplex(64 << 10);
        far.write_all(answer).await.expect("room");
        far.shutdown().await.expect("open");
        let opened = open(&mut near, "crm.example:443", None, silent).await;
        let mut rest = Vec::new();
        near.read_to_end(&mut rest).await.expect("the rest");
        (opened.map_err(|unreached| unreached.kind), rest)
    }

    #[tokio::test]
    async fn every_answer_has_its_word() {
        use AgentError::{ProxyAnswer, ProxyAuth, ProxyDenied, ProxyUpstream};
        let large = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(MAX_HEAD));
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(MAX_HEADERS + 1));
        let endless = "HTTP/1.1 100 Continue\r\n\r\n".repeat(9);
        for (answer, expected) in [
            ("HTTP/1.1 200 Connection established\r\n\r\n", Ok(())),
            ("HTTP/1.0 200 OK\r\nVia: x\r\nContent-Length: 0\r\n\r\n", Ok(())),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", Ok(())),
            ("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 9\r\n\r\nyou shall", Err(ProxyAuth)),
            ("HTTP/1.1 401 Unauthorized\r\n\r\n", Err(ProxyAuth)),
            ("HTTP/1.1 403 Forbidden\r\n\r\n<html>", Err(ProxyDenied)),
            ("HTTP/1.1 302 Found\r\nLocation: http://login.corp.example\r\n\r\n", Err(ProxyDenied)),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n", Err(ProxyUpstream)),
            ("HTTP/1.1 200 OK\n\n", Err(ProxyAnswer)),
            ("HTTP/2 200 OK\r\n\r\n", Err(ProxyAnswer)),
            ("SSH-2.0-x\r\n", Err(ProxyAnswer)),
            ("HTTP/1.1 2x0 OK\r\n\r\n", Err(ProxyAnswer)),
            ("HTTP/1.1 999 OK\r\n\r\n", Err(ProxyAnswer)),
            ("HTTP/1.1 200 OK\r\nbad line\r\n\r\n", Err(ProxyAnswer)),
            ("HTTP/1.1 200 OK\r\n", Err(ProxyAnswer)),
            ("", Err(ProxyAnswer)),
            (large.as_str(), Err(ProxyAnswer)),
            (many.as_str(), Err(ProxyAnswer)),
            (endless.as_str(), Err(ProxyAnswer)),
        ] {
            let (opened, _) = open_to(answer.as_bytes(), true).await;
            assert_eq!(opened, expected, "{}", &answer[..answer.len().min(60)]);
        }
    }

    #[tokio::test]
    async fn bytes_behind_the_head_are_the_targets_or_a_mistake() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        assert_eq!(open_to(answer, true).await.0, Err(AgentError::ProxyAnswer));
        assert_eq!(open_to(answer, false).await, (Ok(()), b"hello".to_vec()));
    }

    #[tokio::test]
    async fn the_request_names_the_target_and_shows_the_credentials() {
        let (mut near, mut far) = duplex(1024);
        far.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.expect("room");
        let secret = basic("vigie", "s3cret");
        open(&mut near, "[2001:db8::1]:443", Some(&secret), true).await.expect("a tunnel");
        drop(near);
        let mut asked = String::new();
        far.read_to_string(&mut asked).await.expect("the request");
        assert!(asked.starts_with("CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n"), "{asked}");
        assert!(asked.ends_with("Proxy-Authorization: Basic dmlnaWU6czNjcmV0\r\n\r\n"), "{asked}");
    }
}
