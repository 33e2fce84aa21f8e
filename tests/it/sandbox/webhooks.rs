//! Writes are announced to a webhook, as a workflow's action does it.

use super::support::{small, start};
use axum::Router;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::sync::mpsc;
use vigie::sandbox::{Config, Webhook};
use vigie::secret::Secret;

type Received = (Option<String>, Value);

/// A receiver that answers 204 and hands on what came.
async fn receiver() -> (SocketAddr, mpsc::UnboundedReceiver<Received>) {
    let (sender, received) = mpsc::unbounded_channel::<Received>();
    async fn receive(
        State(to): State<mpsc::UnboundedSender<Received>>,
        headers: HeaderMap,
        body: String,
    ) -> StatusCode {
        let secret = headers.get("x-secret").and_then(|v| v.to_str().ok()).map(str::to_owned);
        let _ = to.send((secret, serde_json::from_str(&body).unwrap_or_default()));
        StatusCode::NO_CONTENT
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(receive).with_state(sender)).await });
    (addr, received)
}

#[tokio::test]
async fn creates_and_updates_are_posted_with_the_picked_fields_and_the_secret() {
    let (addr, mut received) = receiver().await;
    let secret = Some(("X-Secret".to_owned(), Secret::new("s3")));
    let fields = vec!["email".to_owned(), "updated_at".to_owned()];
    let webhook = Webhook { url: format!("http://{addr}/hook"), secret, fields };
    let s = start(Config { webhook: Some(webhook), ..small() }).await;

    let (_, created) = s.post("/contacts", json!({"email": "hook@example.com", "last_name": "Hook"})).await;
    let (secret, body) = received.recv().await.expect("an event");
    let contact = &created["contact"];
    assert_eq!(secret.as_deref(), Some("s3"));
    assert_eq!(
        body,
        json!({"event": "contact_created", "entity": "contact", "id": contact["id"], "email": "hook@example.com", "updated_at": contact["updated_at"]})
    );
    s.put(&format!("/contacts/{}", contact["id"]), json!({"city": "Bonn"})).await;
    assert_eq!(received.recv().await.expect("an event").1["event"], "contact_updated");
    s.post("/contacts", json!({"email": "no address"})).await;
    s.get("/contacts/70040000001").await;
    let webhooks = &s.stats().await["webhooks"];
    assert_eq!((&webhooks["queued"], &webhooks["dropped"]), (&json!(2), &json!(0)));
}

#[tokio::test]
async fn what_cannot_be_a_webhook_is_refused_at_once() {
    let config = Config { webhook: Some(Webhook::new("not a url")), ..small() };
    let error = vigie::sandbox::Sandbox::bind(config).await.err().expect("a refusal");
    assert_eq!(error.to_string(), "webhook: not a URL");
}
