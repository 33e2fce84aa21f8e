//! The origins do what tests rely on.

use super::origin::{json, trusting};
use super::tls::Tls;
use super::{Origin, RawAnswer, RawOrigin, client};
use axum::body::to_bytes;
use axum::http::Version;

#[tokio::test]
async fn an_origin_answers_and_remembers() {
    let origin = Origin::http(|request| async move {
        let body = to_bytes(request.into_body(), 100).await.expect("a small body");
        json(201, body)
    })
    .await;
    let url = format!("{}/a?b=c", origin.url());
    let answer = client().post(url).header("x-one", "1").body("{}").send().await.expect("an answer");
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.text().await.expect("a text"), "{}");
    let seen = origin.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].method.as_str(), seen[0].uri.to_string().as_str()), ("POST", "/a?b=c"));
    assert_eq!(seen[0].headers["x-one"], "1");
}

#[tokio::test]
async fn tls_agrees_on_a_version_and_needs_its_authority() {
    for (alpn, version) in [("h2", Version::HTTP_2), ("http/1.1", Version::HTTP_11)] {
        let origin = Origin::https(Tls::new(&[alpn]), |_| async { json(200, "[]") }).await;
        let trusted = trusting(&origin.ca_file().expect("an authority"));
        let answer = trusted.get(origin.url()).send().await.expect("an answer");
        assert_eq!(answer.version(), version);
        assert_eq!(origin.seen()[0].version, version);
        client().get(origin.url()).send().await.expect_err("an unknown authority");
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let tls = Tls::for_names(&["other.example"], &["http/1.1"]);
    let origin = Origin::https(tls, |_| async { json(200, "[]") }).await;
    let trusted = trusting(&origin.ca_file().expect("an authority"));
    trusted.get(origin.url()).send().await.expect_err("another name");
}

#[tokio::test]
async fn a_raw_origin_writes_any_bytes() {
    let origin = RawOrigin::start(RawAnswer::Close(b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n".to_vec())).await;
    client().get(origin.url()).send().await.expect_err("a malformed answer");
    assert!(origin.heads()[0].starts_with("GET / HTTP/1.1\r\n"), "{:?}", origin.heads());
}
