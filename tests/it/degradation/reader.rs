//! Nobody reads the agent's standard output.

use super::load::{calls, crm};
use crate::support::{DEADLINE, Launch, TestAgent, eventually};
use serde_json::json;
use std::io::Read;
use std::sync::Arc;

/// Lines of about 700 bytes: more than the pipe (64 KiB) takes, far less than the sink's queue.
const CALLS: usize = 1_000;

#[tokio::test]
async fn a_pipe_that_nobody_reads_holds_up_nothing_and_loses_nothing_while_it_fits() {
    let crm = crm().await;
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let home = Arc::new(tempfile::tempdir().expect("a directory for the agent"));
    let launch = Launch { stdout: Some(writer.into()), ..Launch::default() };
    let agent = TestAgent::launch(home, &crm.url(), json!({}), launch).await;
    calls(&format!("{}/api/contacts", agent.proxy_url()), CALLS, 8).await;
    eventually("every record in file and history", DEADLINE, || async {
        let found = agent.search(&["--last", "1000"]).len();
        (agent.log_records().len() == CALLS && found == CALLS).then_some(())
    })
    .await;
    let written = agent.metric("vigie_log_lines_total", "sink=\"stdout\"").await;
    assert!(written < CALLS as f64, "the pipe took everything: nothing was tested");

    // The reader comes back: what waited follows.
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).map(|_| text)
    });
    eventually("the lines that waited", DEADLINE, || async {
        (agent.metric("vigie_log_lines_total", "sink=\"stdout\"").await == CALLS as f64).then_some(())
    })
    .await;
    assert!(agent.stop().await.success());
    let text = reading.join().expect("a reader").expect("text");
    let whole = text.lines().filter(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()).count();
    assert_eq!(whole, CALLS, "half lines");
}

#[tokio::test]
async fn the_end_does_not_wait_for_a_reader_for_ever() {
    let crm = crm().await;
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let home = Arc::new(tempfile::tempdir().expect("a directory for the agent"));
    let launch = Launch { stdout: Some(writer.into()), ..Launch::default() };
    let agent = TestAgent::launch(home, &crm.url(), json!({}), launch).await;
    calls(&format!("{}/api/contacts", agent.proxy_url()), CALLS, 8).await;
    assert!(agent.stop().await.success());
    drop(reader);
}

#[tokio::test]
async fn a_reader_that_left_costs_its_lines_only() {
    let crm = crm().await;
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let home = Arc::new(tempfile::tempdir().expect("a directory for the agent"));
    let launch = Launch { stdout: Some(writer.into()), ..Launch::default() };
    let agent = TestAgent::launch(home, &crm.url(), json!({}), launch).await;
    calls(&format!("{}/api/contacts", agent.proxy_url()), 20, 2).await;
    eventually("counted lines", DEADLINE, || async {
        (agent.metric("vigie_recorder_dropped_total", "stage=\"log\"").await == 20.0).then_some(())
    })
    .await;
    eventually("every record in the file", DEADLINE, || async { (agent.log_records().len() == 20).then_some(()) })
        .await;
}
