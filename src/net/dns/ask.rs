//! Asking: both families at once, server after server, name after name.

use super::hosts;
use super::message::{self, Family, Reply};
use super::settings::Settings;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

/// How long an answer for one family waits for the other's while somebody waits (RFC 8305 section 3, "Resolution Delay").
pub const RESOLUTION_DELAY: Duration = Duration::from_millis(50);
/// How long it does when addresses from before are at hand: as long as one server is waited for by default. Longer would
/// keep a change of the one family from being followed where a server never answers for the other.
pub const REFRESH_DELAY: Duration = Duration::from_secs(2);
/// What /etc/hosts says is read again after this.
const HOSTS_TTL: Duration = Duration::from_secs(10);
/// That there is nothing holds so long where the zone does not say.
const NOTHING_TTL: Duration = Duration::from_secs(30);
/// Bytes of a datagram without extensions (RFC 1035 section 4.2.1); what is longer is asked for by TCP.
const MAX_DATAGRAM: usize = 512;
/// Datagrams looked at for one answer: more do not come by accident.
const MAX_STRAY: usize = 32;

/// A name's addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Of both families.
    pub addresses: Vec<IpAddr>,
    /// For how long they hold.
    pub ttl: Duration,
    /// The family of which nobody told anything, not even that there is nothing.
    pub missing: Option<Family>,
}

/// Why there are no addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The name does not exist, or has none: that is an answer, and holds for a time.
    Nothing(Duration),
    /// No server could tell: why, of the last one.
    Failed(String),
    /// No server said anything.
    Unheard(String),
}

/// Where the machine keeps what it knows.
const HOSTS: &str = "/etc/hosts";
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// The addresses of `host`; `servers` stand in for the system's where there are any. The files are read each time: a change
/// of network is followed like a change of name. An answer for one family waits for the other's for `delay`.
///
/// # Errors
/// [`Trouble`].
pub async fn addresses(host: &str, servers: &[SocketAddr], delay: Duration) -> Result<Answer, Trouble> {
    if is_invalid(host) {
        return Err(Trouble::Nothing(NOTHING_TTL));
    }
    let known = hosts::addresses(Path::new(HOSTS), host);
    if !known.is_empty() {
        return Ok(Answer { addresses: known, ttl: HOSTS_TTL, missing: None });
    }
    by_dns(host, &Settings::read(Path::new(RESOLV_CONF), servers), delay).await
}

/// True for a name that never exists (RFC 6761 section 6.4): no server need be asked.
fn is_invalid(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    name.rsplit('.').next().is_some_and(|top| top.eq_ignore_ascii_case("invalid"))
}

/// Asks for every name that `host` may mean, until one has addresses. One of which nothing can be learned is passed over,
/// but then that there is nothing is not certain.
async fn by_dns(host: &str, settings: &Settings, delay: Duration) -> Result<Answer, Trouble> {
    let mut trouble = Trouble::Nothing(NOTHING_TTL);
    for name in settings.candidates(host) {
        let Some(wire) = message::wire_name(&name) else { continue };
        match both(&wire, settings, delay).await {
            Ok(answer) => return Ok(answer),
            Err(failed @ Trouble::Failed(_)) => trouble = failed,
            // Those who do not answer will not for another name either, and each takes its time.
            Err(unheard @ Trouble::Unheard(_)) => return Err(unheard),
            Err(Trouble::Nothing(ttl)) => {
                if let Trouble::Nothing(least) = &mut trouble {
                    *least = ttl.min(*least);
                }
            }
        }
    }
    Err(trouble)
}

type Found = Result<(Vec<IpAddr>, Duration), Trouble>;

async fn both(name: &[u8], settings: &Settings, delay: Duration) -> Result<Answer, Trouble> {
    let (six, four) = (one(name, Family::V6, settings), one(name, Family::V4, settings));
    let (mut six, mut four) = (std::pin::pin!(six), std::pin::pin!(four));
    let late = || Err(Trouble::Failed("too late".to_owned()));
    let (six, four) = tokio::select! {
        found = &mut six => {
            let wait = if found.is_ok() { delay } else { Duration::MAX };
            (found, tokio::time::timeout(wait, four).await.unwrap_or_else(|_| late()))
        }
        found = &mut four => {
            let wait = if found.is_ok() { delay } else { Duration::MAX };
            (tokio::time::timeout(wait, six).await.unwrap_or_else(|_| late()), found)
        }
    };
    join(six, four)
}

fn join(six: Found, four: Found) -> Result<Answer, Trouble> {
    match (six, four) {
        (Ok((mut addresses, a)), Ok((more, b))) => {
            addresses.extend(more);
            Ok(Answer { addresses, ttl: a.min(b), missing: None })
        }
        (Ok(found), Err(trouble)) => Ok(alone(found, trouble, Family::V4)),
        (Err(trouble), Ok(found)) => Ok(alone(found, trouble, Family::V6)),
        (Err(Trouble::Nothing(a)), Err(Trouble::Nothing(b))) => Err(Trouble::Nothing(a.min(b))),
        // What was said counts before what was not.
        (Err(failed @ Trouble::Failed(_)), Err(_)) | (Err(_), Err(failed @ Trouble::Failed(_))) => Err(failed),
        (Err(unheard @ Trouble::Unheard(_)), Err(_)) | (Err(_), Err(unheard)) => Err(unheard),
    }
}

/// What was found of one family, where the `other` has none or nobody could tell.
fn alone((addresses, ttl): (Vec<IpAddr>, Duration), trouble: Trouble, other: Family) -> Answer {
    let missing = (!matches!(trouble, Trouble::Nothing(_))).then_some(other);
    Answer { addresses, ttl, missing }
}

async fn one(name: &[u8], family: Family, settings: &Settings) -> Found {
    let (mut last, mut heard) = (String::from("there is no server to ask"), false);
    for _ in 0..settings.attempts {
        for server in &settings.servers {
            let reply = tokio::time::timeout(settings.timeout, query(*server, name, family)).await;
            heard |= matches!(reply, Ok(Ok(_)));
            last = match reply {
                Ok(Ok(Reply::Found(addresses, ttl))) => return Ok((addresses, Duration::from_secs(ttl.into()))),
                Ok(Ok(Reply::Nothing(_, ttl))) => {
                    return Err(Trouble::Nothing(ttl.map_or(NOTHING_TTL, |ttl| Duration::from_secs(ttl.into()))));
                }
                Ok(Ok(Reply::Refused(code))) => format!("{server} answers {}", code_word(code)),
                Ok(Ok(Reply::Truncated)) => format!("{server} sends too little"),
                Ok(Err(error)) => format!("{server}: {}", error.kind()),
                Err(_) => format!("{server} does not answer"),
            };
        }
    }
    Err(if heard { Trouble::Failed(last) } else { Trouble::Unheard(last) })
}

fn code_word(code: u8) -> String {
    match code {
        1 => "FORMERR".to_owned(),
        2 => "SERVFAIL".to_owned(),
        4 => "NOTIMP".to_owned(),
        5 => "REFUSED".to_owned(),
        other => format!("RCODE {other}"),
    }
}

async fn query(server: SocketAddr, name: &[u8], family: Family) -> io::Result<Reply> {
    let id = random_id()?;
    let question = message::question(id, name, family);
    let reply = by_datagram(server, &question, |m| message::answer(m, id, name, family)).await?;
    if reply != Reply::Truncated {
        return Ok(reply);
    }
    by_stream(server, &question, |m| message::answer(m, id, name, family)).await
}

/// Beside the port, which the system chooses, this is what a forged answer must guess.
fn random_id() -> io::Result<u16> {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(u16::from_ne_bytes(bytes))
}

async fn by_datagram(server: SocketAddr, question: &[u8], read: impl Fn(&[u8]) -> Option<Reply>) -> io::Result<Reply> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    // Connected: the system passes on only what this server sends, and tells when nobody listens there.
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut buffer = [0; MAX_DATAGRAM];
    for _ in 0..MAX_STRAY {
        let length = socket.recv(&mut buffer).await?;
        if let Some(reply) = read(&buffer[..length]) {
            return Ok(reply);
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

async fn by_stream(server: SocketAddr, question: &[u8], read: impl Fn(&[u8]) -> Option<Reply>) -> io::Result<Reply> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(question.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), question].concat()).await?;
    let length = stream.read_u16().await?;
    let mut message = vec![0; usize::from(length)];
    stream.read_exact(&mut message).await?;
    read(&message).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests;
