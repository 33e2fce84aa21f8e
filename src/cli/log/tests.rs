use super::*;
use crate::exchange::record::Record;
use crate::history::{Batch, Config, Counters, Entry, History};
use axum::Router;
use axum::extract::RawQuery;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use clap::Parser;
use std::sync::{Arc, Mutex};

const LONG: Duration = Duration::from_secs(30);

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: Args,
}

/// What a reader got; it leaves after so many lines.
#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<String>>, usize);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut read = self.0.lock().unwrap();
        if read.lines().count() >= self.1 {
            return Err(ErrorKind::BrokenPipe.into());
        }
        read.push_str(std::str::from_utf8(bytes).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs the command for a reader of so many lines; its exit code and what was read.
async fn log(arguments: &[&str], reads: usize) -> (anyhow::Result<ExitCode>, String) {
    let pipe = Pipe(Arc::default(), reads);
    // The first to install a provider wins; both would be ring.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let args = Command::try_parse_from(["log"].iter().chain(arguments)).unwrap().args;
    let table = (args.output == Some(Format::Table)).then(|| Table::of_width(160, false));
    let session = Session { args, table, out: pipe.clone(), poll: Duration::from_millis(1) };
    let done = session.run().await;
    let read = pipe.0.lock().unwrap().clone();
    (done, read)
}

/// An agent that answers by this function of query and headers; its address.
async fn agent<F>(answer: F) -> String
where
    F: Fn(String, HeaderMap) -> (StatusCode, [(&'static str, String); 1], String) + Clone + Send + Sync + 'static,
{
    let handler =
        move |RawQuery(query): RawQuery, headers: HeaderMap| async move { answer(query.unwrap_or_default(), headers) };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let routes = Router::new().route("/api/v1/records", get(handler));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

/// An address where nobody listens, taken as long as the socket lives.
fn nobody() -> (tokio::net::TcpSocket, String) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = format!("http://{}", socket.local_addr().unwrap());
    (socket, address)
}

fn json_line(id: &str) -> String {
    serde_json::json!({
        "timestamp": "2025-10-24T09:45:30.123Z", "system": "ERP", "direction": "outbound", "endpoint": "/api/deals",
        "method": "POST", "status_code": 201, "duration_ms": 1.5, "payload_size": "2B", "payload_size_bytes": 2,
        "response_size_bytes": 2, "response": "", "correlation_id": id, "integration": "erp", "upstream": "crm",
        "kind": "proxy", "outcome": "ok", "intent": "write", "object": "deal", "overhead_ms": 0.1, "trace_id": "",
        "attempts": 1
    })
    .to_string()
}

fn is(code: anyhow::Result<ExitCode>, expected: u8) {
    assert_eq!(format!("{:?}", code.unwrap()), format!("{:?}", ExitCode::from(expected)));
}

#[tokio::test]
async fn the_agent_is_asked_with_the_filter_and_the_token_and_answers_oldest_last() {
    let admin = agent(|query, headers| {
        assert_eq!(query, "route=%2Fapi%2F*&outcome=%21ok&vendor_request_id=v-1&limit=2");
        assert_eq!(headers["authorization"], "Bearer s3cret");
        (StatusCode::OK, [("x-vigie-cursor", "9".into())], "{\"n\":2}\n{\"n\":1}\n".into())
    })
    .await;
    let arguments = ["--admin", &admin, "--token", "s3cret", "--last", "2", "--route", "/api/*", "--outcome", "!ok"];
    let (code, read) = log(&[&arguments[..], &["--vendor-request-id", "v-1"]].concat(), 99).await;
    is(code, 0);
    assert_eq!(read, "{\"n\":1}\n{\"n\":2}\n");
}

#[tokio::test]
async fn following_goes_on_from_the_cursor_until_nobody_reads() {
    let admin = agent(|query, _| {
        let (cursor, body) = match query.as_str() {
            "limit=20" => ("5", "{\"n\":5}\n".to_owned()),
            "limit=1000&after=5" => ("7", "{\"n\":6}\n{\"n\":7}\n".to_owned()),
            "limit=1000&after=7" => ("8", "{\"n\":8}\n".to_owned()),
            other => ("8", format!("{{\"unexpected\":\"{other}\"}}\n")),
        };
        (StatusCode::OK, [("x-vigie-cursor", cursor.into())], body)
    })
    .await;
    let (code, read) = log(&["--admin", &admin, "-f"], 4).await;
    is(code, 0);
    assert_eq!(read, "{\"n\":5}\n{\"n\":6}\n{\"n\":7}\n{\"n\":8}\n");
}

#[tokio::test]
async fn what_the_agent_refuses_is_told_and_not_looked_up_elsewhere() {
    let cases = [
        (StatusCode::UNAUTHORIZED, "", "the agent wants a token; give it by --token or VIGIE_ADMIN_TOKEN"),
        (StatusCode::NOT_FOUND, "{\"detail\":\"The history is off.\"}", "The history is off."),
        (StatusCode::BAD_GATEWAY, "<html>", "502 Bad Gateway"),
        (StatusCode::OK, "hello", "what answers there is no Vigie agent"),
    ];
    for (status, body, expected) in cases {
        let admin = agent(move |_, _| (status, [("x-other", String::new())], body.to_owned())).await;
        let (code, read) = log(&["--admin", &admin], 99).await;
        assert_eq!(code.unwrap_err().to_string(), format!("{admin}/api/v1/records: {expected}"));
        assert_eq!(read, "");
    }
}

#[tokio::test]
async fn without_an_agent_the_data_directory_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { enabled: true, dir: dir.path().join("history"), days: 30, max_bytes: 1 << 30 };
    let (history, _) = History::open(&config, Clock::system(), Counters::default()).unwrap();
    for id in ["a", "b", "c"] {
        let json = json_line(id);
        let record: Record = serde_json::from_str(&json).unwrap();
        let entry = Entry::of(&record, Clock::system().wall_us(), None, 0..json.len());
        history.try_append(Batch { lines: Arc::new(json.into_bytes()), entries: vec![entry] }).unwrap();
    }
    assert!(history.shutdown(LONG));
    let ((_taken, admin), data_dir) = (nobody(), dir.path().display().to_string());
    let arguments = ["--admin", &admin, "--data-dir", &data_dir, "--last", "2", "--since", "1h"];
    let (code, read) = log(&arguments, 99).await;
    is(code, 0);
    assert_eq!(read, format!("{}\n{}\n", json_line("b"), json_line("c")));
    let (code, read) = log(&[&arguments[..], &["--output", "table"]].concat(), 99).await;
    is(code, 0);
    assert_eq!(read.lines().count(), 3, "{read}");
    assert!(read.starts_with("TIME (UTC)"), "{read}");
}

#[tokio::test]
async fn neither_agent_nor_directory_is_an_error_that_names_both() {
    let (_taken, admin) = nobody();
    let (code, _) = log(&["--admin", &admin, "--data-dir", "./no-such-directory"], 99).await;
    let error = format!("{:#}", code.unwrap_err());
    assert!(error.starts_with(&format!("no agent answers at {admin}/api/v1/records (")), "{error}");
    let rest = "./no-such-directory: there is no history here; name a running agent with --admin URL, or its files with \
        --data-dir DIR";
    assert!(error.ends_with(rest), "{error}");
}

#[tokio::test]
async fn a_filter_nobody_understands_is_bad_usage() {
    let (code, _) = log(&["--status", "high"], 99).await;
    is(code, 64);
}
