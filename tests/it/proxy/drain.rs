//! Stopping: what runs is finished, what is new is refused, and nothing recorded is lost.

use super::support::{Scripted, Wire, head, metric, record};
use crate::support::agent::vigie;
use crate::support::tls::Authority;
use crate::support::{DEADLINE, Origin, TestAgent, eventually};
use serde_json::json;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::rustls;

#[tokio::test]
async fn a_running_request_is_finished_and_nothing_is_lost() {
    const BEFORE: usize = 200;
    let go = Arc::new(Notify::new());
    let waiting = Arc::clone(&go);
    let origin = Scripted::start(move |mut wire, _| {
        let waiting = Arc::clone(&waiting);
        async move {
            loop {
                let head = wire.head().await;
                if head.contains("slow") {
                    wire.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n[").await;
                    waiting.notified().await;
                    wire.send("null]").await;
                } else {
                    wire.send("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n[]").await;
                }
            }
        }
    })
    .await;
    let agent = TestAgent::start(origin.url(), json!({ "proxy": { "drain": "20s" } })).await;
    let proxy = agent.proxy_url();
    let mut fast = Wire::to(&proxy).await;
    let mut slow = Wire::to(&proxy).await;
    slow.send(head("GET", "/api/deals/1", "slow", "")).await;
    slow.until("[").await;
    for index in 0..BEFORE {
        fast.send(head("GET", "/api/deals/2", &format!("before.{index}"), "")).await;
        fast.until("[]").await;
    }
    let (log, data, home) = (agent.log_file(), agent.data_dir(), agent.home());
    let stopping = tokio::spawn(agent.stop());
    let address = proxy.trim_start_matches("http://").to_owned();
    eventually("new connections to be refused", DEADLINE, || async {
        TcpStream::connect(&address).await.is_err().then_some(())
    })
    .await;
    // An idle connection is closed at once, the running request is not.
    assert_eq!(fast.rest().await, "");
    go.notify_one();
    slow.until("null").await;
    assert!(stopping.await.expect("it was stopped").success());

    let logged = std::fs::read_to_string(log).expect("the log");
    assert_eq!(logged.lines().count(), BEFORE + 1, "log lines");
    assert!(logged.contains("\"correlation_id\":\"slow\""), "the request that was finished is logged");
    let mut command = vigie(&["log", "--output", "json", "--last", "1000", "--data-dir"]);
    let output = command.arg(data).output().expect("the program starts");
    let kept = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(kept.lines().count(), BEFORE + 1, "history");
    drop(home);
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut_and_recorded() {
    let origin = Scripted::start(|mut wire, _| async move {
        wire.head().await;
        std::future::pending::<()>().await;
    })
    .await;
    let agent = TestAgent::start(origin.url(), json!({ "proxy": { "drain": "200ms" } })).await;
    for (id, method) in [("cut.read", "GET"), ("cut.write", "POST")] {
        let mut caller = Wire::to(&agent.proxy_url()).await;
        caller.send(head(method, "/api/deals/1", id, "content-length: 0\r\n")).await;
        // Kept open on the caller's side until the end.
        std::mem::forget(caller);
    }
    eventually("both requests", DEADLINE, || async { (origin.connections() == 2).then_some(()) }).await;
    let (log, home) = (agent.log_file(), agent.home());
    agent.stop().await;
    let logged = std::fs::read_to_string(log).expect("the log");
    assert_eq!(logged.lines().count(), 2, "{logged}");
    drop(home);
}

#[tokio::test]
async fn a_connection_that_has_said_nothing_holds_no_drain_up() {
    let (origin, authority) = (Origin::json(200, "{}").await, Authority::new());
    let pair = authority.good("server");
    let listeners = json!([
        { "address": "127.0.0.1:0" },
        { "address": "127.0.0.1:0", "http2_prior_knowledge": true },
        { "address": "127.0.0.1:0",
          "tls": { "certificate_file": pair.certificate_file, "key_file": pair.key_file } },
    ]);
    let changes = json!({ "proxy": { "drain": "8s", "listeners": listeners } });
    let agent = TestAgent::start(&origin.url(), changes).await;
    let mut silent = Vec::new();
    for url in agent.proxy_urls() {
        silent.push(Wire::to(&url).await);
    }
    eventually("all of them to be let in", DEADLINE, || async {
        (metric(&agent, "vigie_worker_connections", &[]).await == 3.0).then_some(())
    })
    .await;
    let (output, home) = (agent.home().path().join("output"), agent.home());
    assert!(agent.stop().await.success());
    for mut wire in silent {
        assert_eq!(wire.rest().await, "");
    }
    let output = std::fs::read_to_string(output).expect("what it printed");
    assert!(output.contains("\"message\":\"stopped\",\"cut\":0,"), "{output}");
    drop(home);
}

#[tokio::test]
async fn a_handshake_that_has_begun_goes_on_in_a_drain() {
    let (origin, authority) = (Origin::json(200, "{}").await, Authority::new());
    let pair = authority.good("server");
    let tls = json!({ "certificate_file": pair.certificate_file, "key_file": pair.key_file });
    let listeners = json!([{ "address": "127.0.0.1:0", "tls": tls }]);
    let changes = json!({ "proxy": { "workers": 1, "drain": "20s", "listeners": listeners } });
    let agent = TestAgent::start(&origin.url(), changes).await;
    let (mut begun, mut silent) = (Wire::to(&agent.proxy_url()).await, Wire::to(&agent.proxy_url()).await);
    let hello = client_hello();
    begun.send(&hello[..1]).await;
    eventually("both to be let in", DEADLINE, || async {
        (metric(&agent, "vigie_worker_connections", &[]).await == 2.0).then_some(())
    })
    .await;
    let (output, home) = (agent.home().path().join("output"), agent.home());
    let stopping = tokio::spawn(agent.stop());
    // The time of those that say nothing is over.
    assert_eq!(silent.rest().await, "");
    begun.send(&hello[1..]).await;
    // A handshake record with a ServerHello in it (RFC 8446 sections 4 and 5.1).
    assert!(matches!(begun.bytes(6).await, [22, 3, 3, _, _, 2, ..]));
    drop(begun);
    assert!(stopping.await.expect("it was stopped").success());
    let output = std::fs::read_to_string(output).expect("what it printed");
    assert!(output.contains("\"message\":\"stopped\",\"cut\":0,"), "{output}");
    drop(home);
}

fn client_hello() -> Vec<u8> {
    crate::support::tls::install_ring();
    let config = rustls::ClientConfig::builder().with_root_certificates(rustls::RootCertStore::empty());
    let name = "localhost".try_into().expect("a name");
    let client = rustls::ClientConnection::new(Arc::new(config.with_no_client_auth()), name);
    let mut hello = Vec::new();
    client.expect("a client").write_tls(&mut hello).expect("memory");
    hello
}

#[tokio::test]
async fn the_windows_outlive_a_crash_and_a_restart() {
    let origin = Origin::json(503, "{\"errors\":{\"code\":503,\"message\":[\"down\"]}}").await;
    let mut agent = TestAgent::start(&origin.url(), json!({})).await;
    for index in 0..6 {
        let mut caller = Wire::to(&agent.proxy_url()).await;
        caller.send(head("GET", "/api/deals/1", &format!("down.{index}"), "")).await;
        caller.until("down").await;
        record(&agent, &format!("down.{index}")).await;
    }
    eventually("all of them in the history", DEADLINE, || async {
        (agent.search(&["--outcome", "vendor_error"]).len() == 6).then_some(())
    })
    .await;
    for crash in [true, false] {
        assert_eq!(metric(&agent, "vigie_window_server_errors", &["upstream=\"freshsales\""]).await, 6.0, "{crash}");
        let home = if crash {
            agent.kill9()
        } else {
            let home = agent.home();
            assert!(agent.stop().await.success());
            home
        };
        agent = TestAgent::start_in(home, &origin.url(), json!({})).await;
        assert_eq!(metric(&agent, "vigie_window_complete", &["upstream=\"freshsales\""]).await, 1.0);
    }
    assert_eq!(metric(&agent, "vigie_window_server_errors", &["upstream=\"freshsales\""]).await, 6.0);
}

#[tokio::test]
async fn rebuilt_windows_count_what_live_ones_did() {
    const SERIES: [&str; 4] = [
        "vigie_window_server_errors",
        "vigie_window_attempts",
        "vigie_window_duration_seconds",
        "vigie_window_unreachable",
    ];
    let origin = Scripted::start(|mut wire, _| async move {
        let head = wire.head().await;
        let of = |word: &str| head.contains(&format!("x-correlation-id: {word}\r\n"));
        if of("cut-503") {
            wire.send("HTTP/1.1 503 Down\r\ncontent-length: 100\r\n\r\n{").await;
        } else if of("hidden-503") {
            wire.send("HTTP/1.1 400 Bad\r\ncontent-type: application/json\r\ncontent-length: 51\r\n\r\n").await;
            wire.send("{\"message\":\"UCR x failure :: response_code :: 503\"}").await;
        } else if of("ok") {
            wire.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
        } else if of("head-timeout") || of("left") {
            wire.rest().await;
        }
    })
    .await;
    let changes = json!({ "upstreams": { "freshsales": { "timeouts": { "head": "300ms" } } } });
    let agent = TestAgent::start(origin.url(), changes.clone()).await;
    let ids = ["cut-503", "hidden-503", "ok", "head-timeout", "closed", "left"];
    for id in ids {
        let mut caller = Wire::to(&agent.proxy_url()).await;
        let before = origin.connections();
        caller.send(head("GET", "/api/contacts/7", id, "connection: close\r\n")).await;
        if id == "left" {
            eventually("the request", DEADLINE, || async { (origin.connections() > before).then_some(()) }).await;
            drop(caller);
        } else {
            caller.rest().await;
        }
        record(&agent, id).await;
    }
    eventually("all of them in the history", DEADLINE, || async {
        (agent.search(&["--last", "50"]).len() == ids.len()).then_some(())
    })
    .await;
    let mut live = Vec::new();
    for name in SERIES {
        live.push((metric(&agent, name, &[]).await * 1000.0).round());
    }
    assert_eq!(live[..2], [2_000.0, 4_000.0], "server errors, and attempts whose time is the vendor's: {live:?}");
    let home = agent.home();
    assert!(agent.stop().await.success());
    let agent = TestAgent::start_in(home, origin.url(), changes).await;
    for (name, live) in SERIES.into_iter().zip(live) {
        let rebuilt = (metric(&agent, name, &[]).await * 1000.0).round();
        assert!((rebuilt - live).abs() <= 1.0, "{name}: {rebuilt} after the restart, {live} before");
    }
}

#[tokio::test]
async fn a_write_whose_caller_left_is_waited_for() {
    let go = Arc::new(Notify::new());
    let waiting = Arc::clone(&go);
    let origin = Scripted::start(move |mut wire, _| {
        let waiting = Arc::clone(&waiting);
        async move {
            wire.head().await;
            waiting.notified().await;
            wire.send("HTTP/1.1 201 Created\r\ncontent-length: 17\r\n\r\n{\"deal\":{\"id\":7}}").await;
        }
    })
    .await;
    let agent = TestAgent::start(origin.url(), json!({ "proxy": { "drain": "20s" } })).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(head("POST", "/api/deals", "waited-for", "content-length: 0\r\n")).await;
    eventually("the request", DEADLINE, || async { (origin.connections() == 1).then_some(()) }).await;
    drop(caller);
    eventually("the caller's leaving to be noticed", DEADLINE, || async {
        (metric(&agent, "vigie_worker_connections", &[]).await == 0.0).then_some(())
    })
    .await;
    let (log, address) = (agent.log_file(), agent.proxy_url().trim_start_matches("http://").to_owned());
    let home = agent.home();
    let stopping = tokio::spawn(agent.stop());
    eventually("the end of accepting", DEADLINE, || async {
        TcpStream::connect(&address).await.is_err().then_some(())
    })
    .await;
    go.notify_one();
    assert!(stopping.await.expect("it was stopped").success());
    let logged = std::fs::read_to_string(log).expect("the log");
    let record: serde_json::Value = serde_json::from_str(logged.trim()).expect("one record");
    super::support::assert_fields(&record, json!({ "status_code": 201, "client_closed": true, "outcome": "ok" }));
    drop(home);
}

#[tokio::test]
async fn callers_are_let_in_while_the_agent_is_no_longer_announced() {
    let origin = Origin::json(200, "{}").await;
    let agent = TestAgent::start(&origin.url(), json!({ "proxy": { "drain_delay": "1500ms" } })).await;
    let (proxy, ready) = (agent.proxy_url(), format!("{}/ready", agent.admin_url()));
    let mut kept = Wire::to(&proxy).await;
    kept.send(head("GET", "/api/deals/1", "before", "")).await;
    assert!(!kept.until("{}").await.to_ascii_lowercase().contains("connection: close"));
    let home = agent.home();
    let stopping = tokio::spawn(agent.stop());
    let client = crate::support::client();
    eventually("/ready to say no", DEADLINE, || async {
        client.get(&ready).send().await.is_ok_and(|answer| answer.status() == 503).then_some(())
    })
    .await;
    // A connection of its own: nobody is refused while load balancers may still send. Whoever calls is told to come again
    // by another.
    let mut caller = Wire::to(&proxy).await;
    caller.send(head("GET", "/api/deals/1", "late", "")).await;
    kept.send(head("GET", "/api/deals/1", "kept", "")).await;
    for caller in [&mut caller, &mut kept] {
        let reply = caller.head().await;
        assert!(reply.starts_with("http/1.1 200 ") && reply.contains("connection: close\r\n"), "{reply}");
        assert_eq!(caller.rest().await, "{}");
    }
    assert!(stopping.await.expect("it was stopped").success());
    drop(home);
}
