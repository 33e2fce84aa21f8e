//! Certificates that end are told of before they do, whoever they belong to; and the read side shows one of its own.

use crate::support::agent::vigie;
use crate::support::origin::{json as answer, trusting};
use crate::support::tls::{Authority, Tls, Validity};
use crate::support::{DEADLINE, Origin, TestAgent, client, eventually, metrics};
use serde_json::json;
use std::time::{Duration, SystemTime};

const METRIC: &str = "vigie_certificate_not_after_timestamp_seconds";
const DAY: f64 = 86_400.0;

fn now_s() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64()
}

/// Days until the certificate of `owner` ends, as the metric tells; `None` while it is not known.
async fn days_left(agent: &TestAgent, owner: &str) -> Option<f64> {
    let end = agent.metric(METRIC, &format!("owner=\"{owner}\"")).await;
    (end > 0.0).then(|| (end - now_s()) / DAY)
}

fn about(days: Option<f64>, expected: f64) -> bool {
    days.is_some_and(|days| (days - expected).abs() < 0.1)
}

#[tokio::test]
async fn their_ends_are_a_metric_and_a_warning_two_weeks_ahead() {
    let authority = Authority::new();
    let (ending, good) = (authority.issue("ending", &["127.0.0.1"], Validity::Ending, 2), authority.good("good"));
    let server = authority.issue("server", &["127.0.0.1"], Validity::Ending, 3).server(&["h2"], None);
    let ca_file = authority.file();
    let trusted = trusting(&ca_file);
    let origin = Origin::https(Tls::of(authority, &server), |_| async { answer(200, "{}") }).await;
    let listener = json!({ "certificate_file": ending.certificate_file, "key_file": ending.key_file });
    let towards = json!({ "ca_file": ca_file, "certificate_file": good.certificate_file, "key_file": good.key_file });
    let agent = TestAgent::start(
        &origin.url(),
        json!({
            "proxy": { "listeners": [{ "address": "127.0.0.1:0", "tls": listener }] },
            "upstreams": { "freshsales": { "tls": towards } },
        }),
    )
    .await;
    assert!(about(days_left(&agent, "listener").await, 3.0));
    assert!(about(days_left(&agent, "client").await, 30.0));
    assert_eq!(days_left(&agent, "upstream").await, None, "it was not called yet");
    let url = format!("https://{}/api/deals", agent.proxy_address());
    assert_eq!(trusted.get(url).send().await.expect("an answer").status(), 200);
    assert!(about(days_left(&agent, "upstream").await, 3.0));
    eventually("a warning of the listener's", DEADLINE, || async {
        let output = agent.output();
        let told = output.lines().find(|line| line.contains("a certificate ends soon"))?;
        (told.contains("\"owner\":\"listener\"") && told.contains("\"days\":")).then_some(())
    })
    .await;
    assert!(!agent.output().contains("has ended"), "{}", agent.output());

    // Renewed in place: the metric follows.
    std::fs::copy(&good.certificate_file, &ending.certificate_file).expect("the certificate's file");
    std::fs::copy(&good.key_file, &ending.key_file).expect("the key's file");
    eventually("the new end", DEADLINE, || async { about(days_left(&agent, "listener").await, 30.0).then_some(()) })
        .await;
}

#[tokio::test]
async fn the_read_side_speaks_tls_and_the_commands_know_whom_to_trust() {
    let authority = Authority::new();
    let (first, second) = (authority.good("first"), authority.issue("second", &["127.0.0.1"], Validity::Ending, 2));
    let tls = json!({ "certificate_file": first.certificate_file, "key_file": first.key_file });
    let origin = Origin::json(200, "{}").await;
    let agent = TestAgent::start(&origin.url(), json!({ "admin": { "tls": tls } })).await;
    let url = format!("https://{}", agent.admin_address());
    let trusted = trusting(&authority.file());
    let page =
        || async { trusted.get(format!("{url}/metrics")).send().await.expect("an answer").text().await.expect("text") };
    let end = |page: &str| metrics::sum(page, METRIC, "owner=\"admin\"");
    assert!(about(Some((end(&page().await) - now_s()) / DAY), 30.0));
    assert!(client().get(&url).send().await.is_err(), "nobody vouches for it");
    assert!(client().get(url.replace("https", "http")).send().await.is_err(), "plain text is not answered");

    let ca_file = authority.file().display().to_string();
    let stranger = Authority::new();
    let other = stranger.file().display().to_string();
    for (arguments, works) in [
        (vec!["healthcheck", "--ready", "--admin", &url, "--admin-ca", &ca_file], true),
        (vec!["healthcheck", "--admin", &url, "--admin-ca", &other], false),
        (vec!["healthcheck", "--admin", &url], false),
        (vec!["log", "--output", "json", "--admin", &url, "--admin-ca", &ca_file], true),
    ] {
        let output = vigie(&arguments).current_dir(agent.home().path()).output().expect("the program starts");
        assert_eq!(output.status.success(), works, "{arguments:?}: {output:?}");
    }
    let output = vigie(&["healthcheck", "--admin", &url, "--admin-ca", "/nowhere/ca.pem"]).output().expect("it starts");
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("--admin-ca /nowhere/ca.pem cannot be used"),
        "{output:?}"
    );

    // A handshake that nobody finishes keeps nobody out.
    let idle = tokio::net::TcpStream::connect(agent.admin_address()).await.expect("a listener");
    std::fs::copy(&second.certificate_file, &first.certificate_file).expect("the certificate's file");
    std::fs::copy(&second.key_file, &first.key_file).expect("the key's file");
    eventually("the renewed certificate", DEADLINE, || async {
        // A connection of its own: those that are open keep what they were shown.
        let fresh = trusting(&authority.file()).get(format!("{url}/metrics")).send().await.ok()?;
        about(Some((end(&fresh.text().await.ok()?) - now_s()) / DAY), 3.0).then_some(())
    })
    .await;
    drop(idle);
}
