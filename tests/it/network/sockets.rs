//! What the connections themselves are like.

use crate::support::{DEADLINE, Origin, TestAgent, client, eventually};
use serde_json::json;
use tokio::net::TcpListener;

/// Established connections whose local (1) or remote (2) port is `port`, with a keep-alive timer that runs.
fn probed(table: &str, field: usize, port: u16) -> usize {
    let text = std::fs::read_to_string(table).expect("the kernel's table");
    let (end, mut count) = (format!(":{port:04X}"), 0);
    for line in text.lines() {
        let fields: Vec<_> = line.split_whitespace().collect();
        // proc(5): local, remote, state (01 is established), queues, timer (02 is keep-alive).
        let ours = fields.len() > 5 && fields[field].ends_with(&end) && fields[3] == "01";
        count += usize::from(ours && fields[5].starts_with("02:"));
    }
    count
}

fn port(url: &str) -> u16 {
    url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
}

#[tokio::test]
async fn silent_connections_are_probed_on_both_sides() {
    for (keep_alive, wanted) in [("60s", 1), ("0s", 0)] {
        let origin = Origin::json(200, "{}").await;
        let agent = TestAgent::start(&origin.url(), json!({ "network": { "keep_alive": keep_alive } })).await;
        let client = client();
        assert_eq!(client.get(agent.proxy_url()).send().await.expect("an answer").status(), 200);
        let (callers, upstreams) = (port(&agent.proxy_url()), origin.address().port());
        eventually("the timers", DEADLINE, || async {
            let table = "/proc/net/tcp";
            (probed(table, 1, callers) == wanted && probed(table, 2, upstreams) == wanted).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn ipv6_is_spoken_on_both_sides() {
    let listener = TcpListener::bind("[::1]:0").await.expect("IPv6 on loopback");
    let address = listener.local_addr().expect("bound");
    let origin = Origin::json_on(listener, 200, "{}");
    let changes = json!({ "proxy": { "listeners": [{ "address": "[::1]:0" }] } });
    let agent = TestAgent::start(&format!("http://{address}"), changes).await;
    let reply = client().get(format!("{}/api/deals/1", agent.proxy_url())).send().await.expect("an answer");
    assert_eq!(reply.status(), 200);
    let host = origin.seen()[0].headers["host"].to_str().expect("text").to_owned();
    assert_eq!(host, address.to_string(), "brackets and port stay");
}
