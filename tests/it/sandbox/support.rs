//! A sandbox on free ports that ends with the test.

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio_util::sync::{CancellationToken, DropGuard};
use vigie::sandbox::{Config, DEMO_KEY, Sandbox};

/// Longer than anything here takes; a test that hangs fails by it.
const DEADLINE: Duration = Duration::from_secs(20);

pub struct Running {
    pub crm: SocketAddr,
    pub erp: SocketAddr,
    pub client: Client,
    _stop: DropGuard,
}

/// A small sandbox: enough records for several pages, few enough to read them all.
pub fn small() -> Config {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Config {
        crm: any,
        erp: any,
        contacts: 1_000,
        accounts: 200,
        deals: 400,
        quota_per_hour: 100_000,
        ..Config::default()
    }
}

pub async fn start(config: Config) -> Running {
    // The client asks for a provider when it is built; whoever comes second changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let sandbox = Sandbox::bind(config).await.expect("free ports");
    let (crm, erp) = (sandbox.crm_addr(), sandbox.erp_addr());
    let stop = CancellationToken::new();
    tokio::spawn(sandbox.serve(stop.clone().cancelled_owned()));
    let client = Client::builder().no_proxy().timeout(DEADLINE).build().expect("a client");
    Running { crm, erp, client, _stop: stop.drop_guard() }
}

impl Running {
    /// A call to the API with the demo key; `path` comes after the newer prefix.
    pub fn call(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("http://{}/crm/sales/api{path}", self.crm);
        self.client.request(method, url).header("authorization", format!("Token token={DEMO_KEY}"))
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(self.call(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        answer(self.call(Method::POST, path).json(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> (StatusCode, Value) {
        answer(self.call(Method::PUT, path).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> (StatusCode, Value) {
        answer(self.call(Method::DELETE, path)).await
    }

    /// The control API.
    pub async fn control(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut request = self.client.request(method, format!("http://{}/__sandbox{path}", self.crm));
        if let Some(body) = body {
            request = request.json(&body);
        }
        answer(request).await
    }

    /// Installs a fault.
    pub async fn fault(&self, fault: Value) -> u64 {
        let (status, body) = self.control(Method::POST, "/faults", Some(fault)).await;
        assert_eq!(status, 201, "{body}");
        body["id"].as_u64().expect("an id")
    }

    pub async fn stats(&self) -> Value {
        self.control(Method::GET, "/stats", None).await.1
    }

    /// The id of the view with this name.
    pub async fn view(&self, entity: &str, name: &str) -> u64 {
        let (_, body) = self.get(&format!("/{entity}/filters")).await;
        let filters = body["filters"].as_array().expect("filters");
        filters.iter().find(|f| f["name"] == name).and_then(|f| f["id"].as_u64()).expect("the view")
    }

    /// How many records the view with this name shows.
    pub async fn count(&self, entity: &str, name: &str) -> u64 {
        let view = self.view(entity, name).await;
        let (_, body) = self.get(&format!("/{entity}/view/{view}?per_page=1")).await;
        body["meta"]["total"].as_u64().expect("a total")
    }
}

pub async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.expect("an answer");
    let status = response.status();
    (status, response.json().await.expect("JSON"))
}
