//! Outgoing webhooks, as an action of the CRM's workflows sends them.
//!
//! The vendor signs nothing and has no fixed envelope: an administrator picks the fields and may add a secret header.
//! Whether it retries is not documented; the sandbox sends once. Writes never wait for a delivery.

use super::store::Event;
use crate::secret::Secret;
use http::{HeaderName, HeaderValue, header};
use serde_json::{Map, Value, json};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Deliveries waiting; at 1 kB each, a megabyte. Further ones are dropped and counted.
const QUEUE: usize = 1_024;
/// Deliveries at once.
const PARALLEL: usize = 4;
/// How long a receiver may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A workflow's webhook action.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Where events are posted.
    pub url: String,
    /// A header that proves the sender, and its value.
    pub secret: Option<(String, Secret)>,
    /// The record's fields that are sent, beside `event`, `entity` and `id`. `updated_at` lets a receiver measure delay.
    pub fields: Vec<String>,
}

impl Webhook {
    /// A webhook with the fields most administrators pick.
    pub fn new(url: impl Into<String>) -> Self {
        let fields = ["email", "name", "external_id", "created_at", "updated_at"].map(str::to_owned);
        Self { url: url.into(), secret: None, fields: fields.into() }
    }
}

#[derive(Debug, Default)]
struct Counts {
    queued: AtomicU64,
    delivered: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

/// The sending end; does nothing where no webhook is configured.
pub(crate) struct Hooks {
    queue: Option<(mpsc::Sender<Value>, Vec<String>)>,
    counts: Arc<Counts>,
}

/// The delivering end.
pub(crate) struct Deliveries {
    queue: mpsc::Receiver<Value>,
    target: Arc<Target>,
    counts: Arc<Counts>,
}

struct Target {
    client: reqwest::Client,
    url: reqwest::Url,
    secret: Option<(HeaderName, HeaderValue)>,
}

impl Hooks {
    /// Both ends; an error where the URL or the header is none.
    pub(crate) fn new(webhook: Option<Webhook>) -> io::Result<(Self, Option<Deliveries>)> {
        let counts = Arc::new(Counts::default());
        let Some(webhook) = webhook else { return Ok((Self { queue: None, counts }, None)) };
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("webhook: {what}"));
        let secret = match &webhook.secret {
            None => None,
            Some((name, value)) => {
                let name = HeaderName::try_from(name.as_str()).map_err(|_| invalid("not a header name"))?;
                let mut value = HeaderValue::from_str(value.expose()).map_err(|_| invalid("not a header value"))?;
                value.set_sensitive(true);
                Some((name, value))
            }
        };
        let url = reqwest::Url::parse(&webhook.url).map_err(|_| invalid("not a URL"))?;
        // A CRM calls the address it was given and nothing else.
        let client = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().redirect(reqwest::redirect::Policy::none());
        let target = Arc::new(Target { client: client.build().map_err(io::Error::other)?, url, secret });
        let (sender, queue) = mpsc::channel(QUEUE);
        let hooks = Self { queue: Some((sender, webhook.fields)), counts: counts.clone() };
        Ok((hooks, Some(Deliveries { queue, target, counts })))
    }

    /// Queues an event, or drops and counts it.
    pub(crate) fn send(&self, event: &Event) {
        let Some((queue, fields)) = &self.queue else { return };
        let kind = event.entity.singular();
        let action = if event.created { "created" } else { "updated" };
        let mut body = Map::from_iter([
            ("event".to_owned(), json!(format!("{kind}_{action}"))),
            ("entity".to_owned(), json!(kind)),
            ("id".to_owned(), event.record.get("id").cloned().unwrap_or_default()),
        ]);
        let picked = fields.iter().filter_map(|field| Some((field.clone(), event.record.get(field)?.clone())));
        body.extend(picked);
        let counter = match queue.try_send(Value::Object(body)) {
            Ok(()) => &self.counts.queued,
            Err(_) => &self.counts.dropped,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// What became of the events so far.
    pub(crate) fn counts(&self) -> Value {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        json!({
            "queued": read(&self.counts.queued),
            "delivered": read(&self.counts.delivered),
            "failed": read(&self.counts.failed),
            "dropped": read(&self.counts.dropped),
        })
    }
}

impl Deliveries {
    /// Delivers until `stop`; what waits then is lost, as the records are.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let room = Arc::new(Semaphore::new(PARALLEL));
        let mut running = JoinSet::new();
        let deliver = async {
            while let Some(body) = self.queue.recv().await {
                let Ok(permit) = room.clone().acquire_owned().await else { break };
                let (target, counts) = (self.target.clone(), self.counts.clone());
                running.spawn(async move {
                    let counter = if target.post(&body).await { &counts.delivered } else { &counts.failed };
                    counter.fetch_add(1, Ordering::Relaxed);
                    drop(permit);
                });
                while running.try_join_next().is_some() {}
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = deliver => {}
        }
    }
}

impl Target {
    async fn post(&self, body: &Value) -> bool {
        let mut request = self.client.post(self.url.clone()).json(body).header(header::USER_AGENT, "vigie-sandbox");
        if let Some((name, value)) = &self.secret {
            request = request.header(name, value);
        }
        request.send().await.is_ok_and(|answer| answer.status().is_success())
    }
}
