//! The OTLP exporter over gRPC or HTTP, from the configuration alone.

use super::way::Way;
use super::{EXPORT_TIMEOUT, Error, grpc};
use crate::telemetry::{OtlpProtocol, TraceConfig};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use opentelemetry::KeyValue;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use prost::Message;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::runtime::Handle;
use tonic::metadata::MetadataMap;
use tonic::transport::{ClientTlsConfig, Endpoint};

/// Most bytes of a collector's answer that are read; an OTLP answer is a few bytes.
const MAX_ANSWER: usize = 64 << 10;

/// How the agent names itself to a collector over gRPC.
const USER_AGENT: &str = concat!("vigie/", env!("CARGO_PKG_VERSION"));

/// Path of OTLP over HTTP, to be named in full when the address is set in code.
const HTTP_PATH: &str = "/v1/traces";

/// What sends batches to the collector.
pub(super) enum Exporter {
    Grpc(grpc::Client),
    Http {
        exporter: SpanExporter,
        /// Spans rejected in the last answer; the exporter itself only logs them.
        rejected: Arc<AtomicI64>,
    },
}

impl Exporter {
    /// Sends a batch; gives the number of its spans that the collector rejected, as it says itself.
    pub(super) async fn export(&self, batch: Vec<SpanData>) -> Result<i64, String> {
        match self {
            Self::Grpc(client) => client.export(batch).await,
            Self::Http { exporter, rejected } => {
                rejected.store(0, Ordering::Relaxed);
                exporter.export(batch).await.map_err(|error| error.to_string())?;
                Ok(rejected.load(Ordering::Relaxed))
            }
        }
    }
}

/// Builds the exporter. Connections are made by `way`, on `runtime`.
pub(super) fn build(endpoint: &str, config: &TraceConfig, way: &Way, runtime: &Handle) -> Result<Exporter, Error> {
    let headers = headers(config)?;
    let resource = resource(&config.service_name);
    // tonic spawns its connection when built, reqwest when it sends: both need the runtime around them.
    let _inside = runtime.enter();
    match config.protocol {
        OtlpProtocol::Grpc => grpc(endpoint, headers, way, &resource),
        OtlpProtocol::Http => http(endpoint, config, way, runtime, &resource),
    }
}

/// The address for messages: without user, password, path or query.
pub(super) fn shown(endpoint: &str) -> String {
    let Ok(uri) = endpoint.parse::<Uri>() else { return "(unreadable address)".to_owned() };
    let port = uri.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
    let scheme = uri.scheme_str().map(|scheme| format!("{scheme}://")).unwrap_or_default();
    format!("{scheme}{}{port}", uri.host().unwrap_or("(no host)"))
}

/// Whether the collector speaks TLS, its host without brackets, and its port.
pub(super) fn target(endpoint: &str) -> Result<(bool, String, u16), Error> {
    let uri: Uri = endpoint.parse().map_err(|error| unusable(endpoint, error))?;
    let tls = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err(unusable(endpoint, "it must start with http:// or https://")),
    };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    Ok((tls, host, uri.port_u16().unwrap_or(if tls { 443 } else { 80 })))
}

pub(super) fn unusable(endpoint: &str, reason: impl std::fmt::Display) -> Error {
    Error::Endpoint { endpoint: shown(endpoint), reason: reason.to_string() }
}

fn headers(config: &TraceConfig) -> Result<HeaderMap, Error> {
    let mut map = HeaderMap::new();
    for (name, value) in &config.headers {
        let parsed = HeaderName::try_from(name.as_str()).ok().zip(HeaderValue::from_str(value.expose()).ok());
        let (key, mut value) = parsed.ok_or_else(|| Error::Header(name.clone()))?;
        value.set_sensitive(true);
        map.append(key, value);
    }
    Ok(map)
}

fn resource(service_name: &str) -> Resource {
    // Not `Resource::builder()`: that one reads the environment.
    Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", service_name.to_owned()),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ])
        .build()
}

fn grpc(endpoint: &str, headers: HeaderMap, way: &Way, resource: &Resource) -> Result<Exporter, Error> {
    let channel = Endpoint::from_shared(endpoint.to_owned()).map_err(|error| unusable(endpoint, error))?;
    let channel = channel.user_agent(USER_AGENT).map_err(|error| unusable(endpoint, error))?;
    let mut channel = channel.timeout(EXPORT_TIMEOUT);
    if way.tls() {
        let tls = ClientTlsConfig::new().with_native_roots();
        channel = channel.tls_config(tls).map_err(|error| unusable(endpoint, error))?;
    }
    let way = way.clone();
    let connector = tower::service_fn(move |_: Uri| {
        let way = way.clone();
        async move { way.connect().await }
    });
    let channel = channel.connect_with_connector_lazy(connector);
    Ok(Exporter::Grpc(grpc::Client::new(channel, MetadataMap::from_headers(headers), resource)))
}

fn http(
    endpoint: &str,
    config: &TraceConfig,
    way: &Way,
    runtime: &Handle,
    resource: &Resource,
) -> Result<Exporter, Error> {
    let headers = config.headers.iter().map(|(name, value)| (name.clone(), value.expose().to_owned()));
    let rejected = Arc::new(AtomicI64::new(0));
    let client = SpawningClient { way: way.clone(), runtime: runtime.clone(), rejected: Arc::clone(&rejected) };
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(with_path(endpoint))
        .with_timeout(EXPORT_TIMEOUT)
        .with_headers(headers.collect())
        .with_http_client(client)
        .build()
        .map_err(|error| unusable(endpoint, error))?;
    exporter.set_resource(resource);
    Ok(Exporter::Http { exporter, rejected })
}

/// The address of OTLP's traces below a base address; one that names the path already stays.
fn with_path(endpoint: &str) -> String {
    let base = endpoint.trim_end_matches('/');
    if base.ends_with(HTTP_PATH) { base.to_owned() } else { format!("{base}{HTTP_PATH}") }
}

/// Sends on a runtime of ours, whatever thread asks: the exporter's future may be driven outside of any.
#[derive(Debug)]
struct SpawningClient {
    way: Way,
    runtime: Handle,
    rejected: Arc<AtomicI64>,
}

#[async_trait::async_trait]
impl HttpClient for SpawningClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.runtime.spawn(send(self.way.client()?, request)).await??;
        if answer.status().is_success() {
            self.rejected.store(rejected(answer.body()), Ordering::Relaxed);
        }
        Ok(answer)
    }
}

/// Spans that a collector rejected, as its answer says; none if it cannot be read.
fn rejected(answer: &[u8]) -> i64 {
    let answer = ExportTraceServiceResponse::decode(answer).unwrap_or_default();
    answer.partial_success.map_or(0, |partial| partial.rejected_spans)
}

async fn send(client: reqwest::Client, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let mut answer = client.execute(request.try_into()?).await?;
    let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(Box::new(opentelemetry_http::ResponseBodyTooLarge::new()));
        }
        body.extend_from_slice(&chunk);
    }
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_end_in_the_traces_path_once() {
        for base in ["http://c:4318", "http://c:4318/", "http://c:4318/v1/traces", "http://c:4318/v1/traces/"] {
            assert_eq!(with_path(base), "http://c:4318/v1/traces", "{base}");
        }
        assert_eq!(with_path("https://c/otlp"), "https://c/otlp/v1/traces");
    }

    #[test]
    fn credentials_in_an_address_are_not_shown() {
        assert_eq!(shown("https://user:secret@collector.example:4317/x?key=secret"), "https://collector.example:4317");
        assert_eq!(shown("http://collector.example"), "http://collector.example");
        assert_eq!(shown("not an address"), "(unreadable address)");
    }
}
