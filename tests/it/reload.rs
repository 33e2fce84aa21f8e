//! Another configuration while the agent runs: put in force whole or not at all, and nobody is cut off by it.

use crate::support::agent::vigie;
use crate::support::origin::json as answer;
use crate::support::tls::{Authority, Validity};
use crate::support::{DEADLINE, Origin, TestAgent, client, eventually};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::net::TcpStream;
use tokio::sync::Notify;

async fn named(name: &'static str) -> Origin {
    Origin::http(move |_| async move { answer(200, name) }).await
}

async fn get(url: &str) -> reqwest::Result<String> {
    client().get(format!("{url}/api/deals/1")).send().await?.text().await
}

async fn successful(agent: &TestAgent) -> f64 {
    agent.metric("vigie_config_last_reload_successful", "").await
}

#[tokio::test]
async fn upstreams_change_under_a_connection_that_stays() {
    let (one, two) = (named("one").await, named("two").await);
    let agent = TestAgent::start(&one.url(), json!({})).await;
    // One connection for all: reqwest keeps it.
    let (client, url) = (client(), format!("{}/api/deals/1", agent.proxy_url()));
    let ask = || async { client.get(&url).send().await.expect("an answer").text().await.expect("a text") };
    assert_eq!(ask().await, "one");
    let connections = agent.metric("vigie_worker_accepted_connections_total", "").await;
    let upstreams = json!({ "new": { "vendor": "freshsales", "url": two.url() }, "freshsales": null });
    agent.reconfigure(json!({ "upstreams": upstreams }));
    eventually("the new upstream", DEADLINE, || async { (ask().await == "two").then_some(()) }).await;
    assert_eq!(agent.metric("vigie_worker_accepted_connections_total", "").await, connections);
    let page = eventually("the old upstream's end", DEADLINE, || async {
        Some(agent.admin_text("/metrics").await).filter(|page| !page.contains("upstream=\"freshsales\""))
    })
    .await;
    assert!(page.contains("vigie_outcomes_total{upstream=\"new\",outcome=\"ok\"}"), "{page}");
    // Back again, beside the new one, which keeps its counts.
    let answered = agent.metric("vigie_attempts_total", "upstream=\"new\"").await;
    agent.reconfigure(json!({ "upstreams": {
        "freshsales": { "vendor": "freshsales", "url": one.url() }, "new": { "path_prefix": "/new" },
    } }));
    eventually("the old upstream again", DEADLINE, || async { (ask().await == "one").then_some(()) }).await;
    assert_eq!(get(&format!("{}/new", agent.proxy_url())).await.expect("an answer"), "two");
    assert!(agent.metric("vigie_attempts_total", "upstream=\"new\"").await > answered, "counts were lost");
    assert_eq!(successful(&agent).await, 1.0);
}

#[tokio::test]
async fn a_wrong_file_changes_nothing_and_says_everything() {
    let (one, two) = (named("one").await, named("two").await);
    let agent = TestAgent::start(&one.url(), json!({})).await;
    let loaded = agent.metric("vigie_config_last_reload_success_timestamp_seconds", "").await;
    let wrong = json!({ "upstreams": { "freshsales": { "url": two.url(), "vendor": "frehsales" } }, "histroy": {} });
    agent.reconfigure(wrong);
    eventually("the refusal", DEADLINE, || async { (successful(&agent).await == 0.0).then_some(()) }).await;
    let output = agent.output();
    for told in ["upstreams.freshsales.vendor", "histroy: unknown key", "the old one stays in force"] {
        assert!(output.contains(told), "no {told} in {output}");
    }
    assert_eq!(get(&agent.proxy_url()).await.expect("an answer"), "one");
    assert_eq!(agent.metric("vigie_config_last_reload_success_timestamp_seconds", "").await, loaded);
    // A port that is taken is found out as late as when it is bound; even so nothing changes.
    let taken = two.address().to_string();
    let fixed = json!({ "upstreams": { "freshsales": { "vendor": "freshsales" } }, "histroy": null });
    let mut and_taken = fixed.clone();
    and_taken["proxy"] = json!({ "listeners": [{ "address": "127.0.0.1:0" }, { "address": taken }] });
    agent.reconfigure(and_taken);
    eventually("the second refusal", DEADLINE, || async {
        agent.output().contains(&format!("cannot listen on {taken}")).then_some(())
    })
    .await;
    assert_eq!(get(&agent.proxy_url()).await.expect("an answer"), "one");
    agent.reconfigure(json!({ "proxy": { "listeners": [{ "address": "127.0.0.1:0" }] } }));
    eventually("the reload", DEADLINE, || async { (successful(&agent).await == 1.0).then_some(()) }).await;
    assert_eq!(get(&agent.proxy_url()).await.expect("an answer"), "two");
}

#[tokio::test]
async fn a_secret_that_changes_is_noticed() {
    let origin = named("one").await;
    let secrets = tempfile::tempdir().expect("a directory");
    let token = secrets.path().join("token");
    std::fs::write(&token, "the-first-token-of-all").expect("a file");
    let integrations = json!({ "shop": { "tokens": [format!("file:{}", token.display())] } });
    let agent = TestAgent::start(&origin.url(), json!({ "integrations": integrations })).await;
    let ours = "integration=\"shop\"";
    let ask = |token: &'static str| {
        let asking = client().get(format!("{}/api/deals/1", agent.proxy_url())).header("x-vigie-token", token);
        async move { asking.send().await.expect("an answer").status() }
    };
    assert_eq!(ask("the-first-token-of-all").await, 200);
    assert_eq!(agent.metric("vigie_attempts_total", ours).await, 1.0);
    std::fs::write(&token, "the-second-one-after-it").expect("a file");
    eventually("the new token", DEADLINE, || async {
        ask("the-second-one-after-it").await;
        (agent.metric("vigie_attempts_total", ours).await > 1.0).then_some(())
    })
    .await;
    assert!(!agent.output().contains("the-second-one"), "{}", agent.output());
}

#[tokio::test]
async fn certificates_are_renewed_and_a_broken_pair_is_not_taken() {
    let origin = named("one").await;
    let (first, second, files) = (Authority::new(), Authority::new(), Authority::new());
    let pair = files.good("server");
    let renew = |authority: &Authority| {
        let new = authority.issue("next", &["127.0.0.1"], Validity::Now, 9);
        copy(&new.certificate_file, &pair.certificate_file);
        copy(&new.key_file, &pair.key_file);
    };
    renew(&first);
    let tls = json!({ "certificate_file": pair.certificate_file, "key_file": pair.key_file });
    let agent = TestAgent::start(
        &origin.url(),
        json!({ "proxy": { "listeners": [{ "address": "127.0.0.1:0", "tls": tls }] } }),
    )
    .await;
    let url = format!("https://{}", agent.proxy_address());
    let ask = |authority: &Authority| {
        let (client, url) = (crate::support::origin::trusting(&authority.file()), url.clone());
        async move { client.get(url).send().await }
    };
    assert!(ask(&second).await.is_err());
    // A connection that was there before goes on.
    let stays = crate::support::origin::trusting(&first.file());
    assert_eq!(stays.get(&url).send().await.expect("an answer").status(), 200);
    renew(&second);
    eventually("the new certificate", DEADLINE, || async { ask(&second).await.ok() }).await;
    assert_eq!(stays.get(&url).send().await.expect("an answer").status(), 200);
    assert_eq!(successful(&agent).await, 1.0);
    // A key that does not belong to it.
    copy(&first.good("other").key_file, &pair.key_file);
    eventually("the refusal", DEADLINE, || async { (successful(&agent).await == 0.0).then_some(()) }).await;
    assert!(agent.output().contains("does not belong to the certificate"), "{}", agent.output());
    assert_eq!(ask(&second).await.expect("an answer").status(), 200);
}

fn copy(from: &Path, to: &Path) {
    std::fs::copy(from, to).expect("a copy");
}

#[tokio::test]
async fn listeners_come_and_go_and_what_runs_on_them_is_finished() {
    let go = Arc::new(Notify::new());
    let waiting = Arc::clone(&go);
    let origin = Origin::http(move |request| {
        let waiting = Arc::clone(&waiting);
        async move {
            if request.uri().path().ends_with("slow") {
                waiting.notified().await;
            }
            answer(200, "done")
        }
    })
    .await;
    let listener = |integration: Option<&str>| json!({ "address": "127.0.0.1:0", "integration": integration });
    let strip = |mut listeners: Vec<Value>| {
        listeners.iter_mut().filter_map(Value::as_object_mut).for_each(|l| l.retain(|_, v| !v.is_null()));
        json!({ "proxy": { "listeners": listeners, "drain": "20s" } })
    };
    let agent = TestAgent::start(&origin.url(), strip(vec![listener(None), listener(Some("erp"))])).await;
    let (first, second) = (agent.listening()[0].clone(), agent.listening()[1].clone());
    let slow = tokio::spawn(client().get(format!("http://{second}/slow")).send());
    eventually("the slow request", DEADLINE, || async { (origin.seen().len() == 1).then_some(()) }).await;
    agent.reconfigure(strip(vec![listener(None)]));
    eventually("the listener's end", DEADLINE, || async { TcpStream::connect(&second).await.is_err().then_some(()) })
        .await;
    assert_eq!(get(&format!("http://{first}")).await.expect("an answer"), "done");
    go.notify_one();
    let finished = slow.await.expect("no panic").expect("an answer");
    assert_eq!(finished.text().await.expect("a text"), "done");
    agent.reconfigure(strip(vec![listener(None), listener(Some("erp"))]));
    let new = eventually("a new listener", DEADLINE, || async { agent.listening().get(1).cloned() }).await;
    assert_eq!(agent.listening()[0], first);
    assert_eq!(get(&format!("http://{new}")).await.expect("an answer"), "done");
    // The slow one counted as the integration's, though it ended after its listener.
    assert_eq!(agent.metric("vigie_attempts_total", "integration=\"erp\"").await, 2.0);
}

#[tokio::test]
async fn what_needs_a_restart_is_told() {
    let origin = named("one").await;
    let agent = TestAgent::start(&origin.url(), json!({})).await;
    let before = agent.home().path().join("before.yaml");
    copy(&agent.config_file(), &before);
    agent.reconfigure(json!({ "history": { "days": 7 }, "recorder": { "capture": "all" } }));
    eventually("the reload", DEADLINE, || async { agent.output().contains("configuration reloaded").then_some(()) })
        .await;
    let output = agent.output();
    let warned = output.lines().find(|l| l.contains("takes effect after a restart only")).expect("a warning");
    assert!(warned.contains("\"history.days\"") && !warned.contains("capture"), "{warned}");

    let compare = |output: &str| {
        let against = ["--against".as_ref(), before.as_os_str(), "--output".as_ref(), output.as_ref()];
        let mut command = vigie(&["check-config".as_ref(), "--config".as_ref(), agent.config_file().as_os_str()]);
        let output = command.args(against).output().expect("the program starts");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let told: Value = serde_json::from_str(&compare("json")).expect("JSON");
    let expected = json!([{ "key": "history.days", "restart": true }, { "key": "recorder.capture", "restart": false }]);
    assert_eq!(told["changes"], expected);
    assert!(compare("table").contains("changed: recorder.capture: takes effect by a reload"), "{}", compare("table"));
}

#[tokio::test]
async fn no_call_fails_while_one_configuration_follows_another() {
    const CALLERS: usize = 8;
    const RELOADS: usize = 8;
    let (one, two) = (named("x").await, named("x").await);
    let agent = TestAgent::start(&one.url(), json!({})).await;
    let (over, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..CALLERS {
        let (over, calls) = (Arc::clone(&over), Arc::clone(&calls));
        let (client, url) = (client(), format!("{}/api/deals/1", agent.proxy_url()));
        callers.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let answer = client.get(&url).send().await.expect("an answer");
                assert_eq!(answer.status(), 200);
                assert_eq!(answer.text().await.expect("a text"), "x");
                calls.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for reload in 0..RELOADS {
        let url = if reload % 2 == 0 { two.url() } else { one.url() };
        let before = calls.load(Ordering::Relaxed);
        agent.reconfigure(json!({ "upstreams": { "freshsales": { "url": url } } }));
        eventually("the reload", DEADLINE, || async {
            let done = agent.output().matches("configuration reloaded").count() > reload;
            (done && calls.load(Ordering::Relaxed) > before + CALLERS).then_some(())
        })
        .await;
    }
    over.store(true, Ordering::Relaxed);
    while let Some(caller) = callers.join_next().await {
        caller.expect("no call failed");
    }
    assert!(!one.seen().is_empty() && !two.seen().is_empty());
}
