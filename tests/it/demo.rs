//! `vigie demo` as a newcomer sees it: through a pipe, on free ports, to its end.

use crate::support::agent::vigie;
use crate::support::{DEADLINE, Process, client, eventually};
use serde_json::Value;
use std::net::TcpListener;
use std::process::Command;
use tempfile::TempDir;

/// A running demo; killed when dropped.
struct Demo {
    process: Process,
    home: TempDir,
}

impl Demo {
    /// Starts it on free ports, with files of its own.
    fn start(changes: &[&str]) -> Self {
        let home = tempfile::tempdir().expect("a directory for the demo");
        let data = home.path().join("demo");
        let mut command = vigie(&["demo", "--proxy", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data-dir"]);
        command.arg(data).args(changes);
        let process = Process::spawn(command, &home.path().join("output"));
        Self { process, home }
    }

    /// The address printed on the welcome page after this word.
    async fn address(&mut self, word: &str) -> String {
        self.process.told(&format!("  {word:<10} http://"), " ").await
    }

    /// A whole line of the welcome page that begins with this.
    async fn command(&mut self, beginning: &str) -> String {
        format!("{beginning}{}", self.process.told(beginning, "\n").await)
    }
}

/// Runs a line as a user does who copies it from the screen.
fn typed(line: &str) -> String {
    let output = Command::new("/bin/sh").args(["-c", line]).output().expect("a shell");
    assert!(output.status.success(), "{line}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[tokio::test]
async fn it_shows_all_four_integrations_and_ends_by_itself() {
    let mut demo = Demo::start(&["--duration", "3s", "--rate", "40"]);
    let status = demo.process.wait(DEADLINE).await;
    let screen = demo.process.output();
    assert!(status.success(), "{status}\n{screen}");
    assert!(!screen.contains('\x1b'), "colours in a file:\n{screen}");
    for word in
        ["it ends after 3s", "proxy ", "metrics ", "quota ", "sandbox ", "curl -i -H", " log --last 5 --admin http://"]
    {
        assert!(screen.contains(word), "no {word:?} in\n{screen}");
    }
    let (exchanges, summary) = screen.split_once("\nSummary\n").expect("a summary");
    for name in ["ERP ", "Web form ", "Marketing ", "BI "] {
        let shown = |line: &str| line.get(13..).is_some_and(|rest| rest.starts_with(name));
        assert!(exchanges.lines().any(shown), "no exchange of {name:?} in\n{screen}");
    }
    for word in
        ["erp-sync ", "web-form ", "marketing ", "bi ", "dropped by the recorder 0", "quota freshsales per hour", "ok "]
    {
        assert!(summary.contains(word), "no {word:?} in the summary:\n{summary}");
    }
    assert_shows_a_trace(summary);
    assert!(demo.home.path().join("demo/exchanges.log").is_file(), "no exchange log");
}

/// A SERVER span, the CLIENT span below it, and the ids to look them up by.
fn assert_shows_a_trace(page: &str) {
    let lines: Vec<&str> = page.lines().collect();
    let at =
        lines.iter().position(|line| line.starts_with("  trace ")).unwrap_or_else(|| panic!("no trace in\n{page}"));
    let id = lines[at].trim_start_matches("  trace ");
    assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    for (line, kind) in [(lines[at + 1], "    SERVER "), (lines[at + 2], "      CLIENT ")] {
        assert!(line.starts_with(kind) && line.contains("#]") && line.contains(" ms  "), "{line}");
    }
    let ids = lines[at + 1..].iter().find(|line| line.starts_with("    correlation id ")).expect("ids");
    assert!(ids.contains("   vendor request id "), "{ids}");
}

#[tokio::test]
async fn its_traces_are_received_and_shown_as_a_page() {
    let mut demo = Demo::start(&["--rate", "40"]);
    let page = format!("http://{}", demo.address("traces").await);
    let text = eventually("a traced call", DEADLINE, || async {
        let text = client().get(&page).send().await.ok()?.text().await.ok()?;
        text.contains("CLIENT ").then_some(text)
    })
    .await;
    assert!(text.starts_with("The last "), "{text}");
    assert_shows_a_trace(&text);
    let junk = client().post(format!("{page}v1/traces")).body("no protobuf").send().await.expect("an answer");
    assert_eq!(junk.status(), 400);
}

#[tokio::test]
async fn a_collector_of_ones_own_gets_the_spans_instead() {
    let mut demo = Demo::start(&["--duration", "1s", "--otlp", "http://127.0.0.1:1"]);
    assert!(demo.process.wait(DEADLINE).await.success());
    let screen = demo.process.output();
    assert!(screen.contains("\n  traces     sent to http://127.0.0.1:1\n"), "{screen}");
    assert!(!screen.contains("\n  trace "), "{screen}");
}

#[tokio::test]
async fn a_call_through_it_is_found_by_the_printed_command() {
    let mut demo = Demo::start(&[]);
    let curl = demo.command("curl -i -H ").await;
    let (header, url) = curl.rsplit_once(' ').expect("a URL at the end");
    let token = header.split_once("Authorization: ").expect("a header").1.trim_end_matches('\'');
    let call = client().get(url).header("authorization", token).header("x-correlation-id", "my-own-call");
    let answer = call.send().await.expect("an answer");
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["x-correlation-id"]),
        (200, &"my-own-call".parse().expect("ASCII"))
    );

    let log = format!("{} log --last 5 --admin http", env!("CARGO_BIN_EXE_vigie"));
    let log = demo.command(&log).await;
    assert!(typed(&log).lines().count() <= 5, "more than the last five");
    let records = eventually("the call in the history", DEADLINE, || async {
        let printed = typed(&format!("{log} --correlation-id my-own-call"));
        let found: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
        (!found.is_empty()).then_some(found)
    })
    .await;
    assert_eq!(records[0]["endpoint"], "/api/selector/owners");
    let admin = demo.address("console").await;
    let page = client().get(format!("http://{}", admin.trim_end_matches('/'))).send().await.expect("the console");
    assert_eq!(page.status(), 200);

    demo.process.signal("INT");
    assert!(demo.process.wait(DEADLINE).await.success());
    let screen = demo.process.output();
    assert!(screen.contains("\nSummary\n") && screen.contains("unknown "), "{screen}");
    // What the summary says of afterwards: the files tell the same.
    let files = screen.lines().find_map(|line| line.split_once("until the next day: ")).expect("a last line").1;
    let nobody = "--admin 127.0.0.1:1 --output table --correlation-id my-own-call";
    assert!(typed(&format!("{files} {nobody}")).contains("/api/selector/owners"));
}

#[cfg(feature = "peers")]
#[tokio::test]
async fn the_printed_curl_line_works_as_it_is() {
    let mut demo = Demo::start(&[]);
    let curl = demo.command("curl -i -H ").await;
    crate::support::peers::program("VIGIE_TEST_CURL");
    let answer = typed(&curl);
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.to_lowercase().contains("\nx-correlation-id: "), "{answer}");
}

#[tokio::test]
async fn a_taken_address_is_told_with_the_flag_that_chooses_another() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    for flag in ["--proxy", "--admin"] {
        let home = tempfile::tempdir().expect("a directory for the demo");
        let other = if flag == "--proxy" { "--admin" } else { "--proxy" };
        let mut command = vigie(&["demo", flag, &address, other, "127.0.0.1:0", "--data-dir"]);
        let output = command.arg(home.path()).output().expect("the program starts");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        let expected = format!(
            "vigie: cannot listen on {address}: Address already in use (os error 98); choose another address with {flag} \
            (127.0.0.1:0 takes a free port and tells which)\n"
        );
        assert_eq!(said, expected);
    }
}
