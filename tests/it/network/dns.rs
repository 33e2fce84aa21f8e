//! Names whose addresses change, and name servers that fail.

use super::support::NameServer;
use crate::proxy::support::{metric, record};
use crate::support::{DEADLINE, Origin, TestAgent, client, eventually};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use std::net::{Ipv6Addr, SocketAddr};
use tokio::net::{TcpListener, TcpStream};

fn changes(names: &NameServer, upstream: Value) -> Value {
    let mut changes = json!({
        "network": { "dns": { "servers": [names.address()] } },
        "upstreams": { "freshsales": { "allow_plaintext": true } },
    });
    for (key, value) in upstream.as_object().expect("an object") {
        changes["upstreams"]["freshsales"][key] = value.clone();
    }
    changes
}

async fn call(agent: &TestAgent, id: &str) -> reqwest::StatusCode {
    let call = client().get(format!("{}/api/deals/1", agent.proxy_url())).header("x-correlation-id", id);
    call.send().await.expect("an answer").status()
}

/// Two servers on one port: at 127.0.0.1 and 127.0.0.2, answering 200 and 203.
async fn twins() -> (Origin, Origin) {
    loop {
        let first = Origin::json(200, "{}").await;
        let there = SocketAddr::from(([127, 0, 0, 2], first.address().port()));
        // Somebody else may have that port there.
        if let Ok(listener) = TcpListener::bind(there).await {
            return (first, Origin::json_on(listener, 203, "{}"));
        }
    }
}

#[tokio::test]
async fn a_failover_by_dns_is_followed_by_kept_connections_too() {
    let (first, second) = twins().await;
    let names = NameServer::start("crm.example", &["127.0.0.1"]).await;
    let url = format!("http://crm.example:{}", first.address().port());
    let agent = TestAgent::start(&url, changes(&names, json!({}))).await;
    assert_eq!(call(&agent, "one").await, 200);
    names.set("crm.example", &["127.0.0.2"]);
    // The connection to the first would serve on: it is still open.
    eventually("the second's answer", DEADLINE, || async { (call(&agent, "more").await == 203).then_some(()) }).await;
    assert!(metric(&agent, "vigie_dns_changes_total", &[]).await >= 1.0);
    assert!(metric(&agent, "vigie_dns_connections_drained_total", &[]).await >= 1.0);
    assert!(metric(&agent, "vigie_dns_resolutions_total", &["result=\"found\""]).await >= 2.0);
    assert!(!second.seen().is_empty());
}

#[tokio::test]
async fn old_addresses_serve_while_nobody_can_tell() {
    let origin = Origin::json(200, "{}").await;
    let names = NameServer::start("crm.example", &["127.0.0.1"]).await;
    let url = format!("http://crm.example:{}", origin.address().port());
    // Without kept connections each call asks.
    let agent = TestAgent::start(&url, changes(&names, json!({ "max_idle": 0 }))).await;
    assert_eq!(call(&agent, "before").await, 200);
    names.fail();
    eventually("a stale name", DEADLINE, || async {
        assert_eq!(call(&agent, "meanwhile").await, 200);
        (metric(&agent, "vigie_dns_names_stale", &[]).await == 1.0).then_some(())
    })
    .await;
    assert_eq!(call(&agent, "after").await, 200);
    names.set("crm.example", &["127.0.0.1"]);
    eventually("a name that resolves", DEADLINE, || async {
        (metric(&agent, "vigie_dns_names_stale", &[]).await == 0.0).then_some(())
    })
    .await;
    let output = agent.output();
    assert!(output.contains("the name does not resolve") && output.contains("SERVFAIL"), "{output}");
}

#[tokio::test]
async fn old_addresses_serve_before_a_silent_server_was_given_up() {
    let origin = Origin::json(200, "{}").await;
    let names = NameServer::start("crm.example", &["127.0.0.1"]).await;
    let url = format!("http://crm.example:{}", origin.address().port());
    // Shorter than the name server is waited for.
    let upstream = json!({ "max_idle": 0, "timeouts": { "connect": "1s" } });
    let agent = TestAgent::start(&url, changes(&names, upstream)).await;
    assert_eq!(call(&agent, "before").await, 200);
    names.silent();
    eventually("a stale name", DEADLINE, || async {
        assert_eq!(call(&agent, "meanwhile").await, 200);
        (metric(&agent, "vigie_dns_names_stale", &[]).await == 1.0).then_some(())
    })
    .await;
    assert!(agent.output().contains("does not answer"), "{}", agent.output());
}

/// An address of this machine that swallows every attempt to connect: its queue is full.
struct BlackHole {
    _listener: Socket,
    _queued: Vec<Socket>,
}

impl BlackHole {
    fn at(address: SocketAddr) -> Option<Self> {
        let listener = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
        listener.bind(&address.into()).ok()?;
        listener.listen(0).expect("a listener");
        let queued = (0..8).map(|_| {
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
            socket.set_nonblocking(true).expect("a socket");
            // Under way, or already swallowed: both are what is wanted.
            let _ = socket.connect(&address.into());
            socket
        });
        Some(Self { _queued: queued.collect(), _listener: listener })
    }
}

#[tokio::test]
async fn an_address_that_swallows_packets_costs_a_quarter_of_a_second_once() {
    let (origin, hole) = loop {
        let origin = Origin::json(200, "{}").await;
        if let Some(hole) = BlackHole::at((Ipv6Addr::LOCALHOST, origin.address().port()).into()) {
            break (origin, hole);
        }
    };
    let port = origin.address().port();
    let swallowed =
        tokio::time::timeout(std::time::Duration::from_millis(100), TcpStream::connect(("::1", port))).await;
    assert!(swallowed.is_err(), "the black hole answers: {swallowed:?}");
    let names = NameServer::start("crm.example", &["::1", "127.0.0.1"]).await;
    let url = format!("http://crm.example:{port}");
    let agent = TestAgent::start(&url, changes(&names, json!({ "max_idle": 0 }))).await;
    assert_eq!(call(&agent, "raced").await, 200);
    let raced = record(&agent, "raced").await["connect_ms"].as_f64().expect("a number");
    assert!(raced >= 245.0, "{raced} ms: the first address was not waited for");
    // Now both take connections, and only one answers: what worked is tried first, and the other not at all.
    drop(hole);
    let silent = std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, port)).expect("the address is free again");
    silent.set_nonblocking(true).expect("a socket");
    assert_eq!(call(&agent, "proven").await, 200);
    let tried = silent.accept().expect_err("a connection to the address that did not answer");
    assert_eq!(tried.kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn all_addresses_that_failed_are_told() {
    let names = NameServer::start("crm.example", &["::1", "127.0.0.1"]).await;
    let port = crate::support::free_port();
    let agent = TestAgent::start(&format!("http://crm.example:{port}"), changes(&names, json!({}))).await;
    assert_eq!(call(&agent, "refused").await, 502);
    let output = agent.output();
    let wanted = format!("[::1]:{port} connection refused, 127.0.0.1:{port} connection refused");
    assert!(output.contains(&wanted), "{output}");
}
