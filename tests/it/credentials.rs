//! Keys that the agent holds: where they go, who may use them, how they change, and that nobody sees them.

mod callers;
mod echoes;
mod injection;
mod rotation;

use crate::support::{Origin, TestAgent, client};
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};

/// A caller's token.
const TOKEN: &str = "a-token-of-sixteen-characters";

/// An agent before `origin` that holds `key` for it, with `changes` over that.
async fn holding(origin: &Origin, key: &str, changes: Value) -> TestAgent {
    let mut config = json!({ "upstreams": { "freshsales": { "credential": { "key": key } } } });
    crate::support::agent_config::merge(&mut config, changes);
    TestAgent::start(&origin.url(), config).await
}

fn get(agent: &TestAgent, path: &str) -> RequestBuilder {
    client().get(format!("{}{path}", agent.proxy_url()))
}

async fn sent(request: RequestBuilder) -> Response {
    request.send().await.expect("an answer")
}

/// The values of a header in the last request that reached the origin.
fn last(origin: &Origin, name: &str) -> Vec<String> {
    let seen = origin.seen().pop().expect("a request");
    seen.headers.get_all(name).iter().map(|value| value.to_str().expect("ASCII").to_owned()).collect()
}
