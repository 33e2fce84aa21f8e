//! OTLP over gRPC, by a client of our own: the exporter's logs how many spans a collector rejected, and tells nobody.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use std::error::Error as _;
use std::time::Duration;
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Code, Extensions, Request, Status};

/// Pauses before a batch is sent again, as long as the time for the whole batch allows.
const PAUSES: [Duration; 3] = [Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1)];

/// What sends batches.
pub(super) struct Client {
    service: TraceServiceClient<Channel>,
    metadata: MetadataMap,
    resource: ResourceAttributesWithSchema,
}

impl Client {
    pub(super) fn new(channel: Channel, metadata: MetadataMap, resource: &Resource) -> Self {
        Self { service: TraceServiceClient::new(channel), metadata, resource: resource.into() }
    }

    /// Sends a batch, more than once where the collector could not take it just then; gives the number of spans that it
    /// rejected.
    pub(super) async fn export(&self, batch: Vec<SpanData>) -> Result<i64, String> {
        let request =
            ExportTraceServiceRequest { resource_spans: group_spans_by_resource_and_scope(batch, &self.resource) };
        for pause in PAUSES {
            match self.send(request.clone()).await {
                Err(status) if is_passing(&status) => tokio::time::sleep(pause).await,
                ended => return ended.map_err(|status| told(&status)),
            }
        }
        self.send(request).await.map_err(|status| told(&status))
    }

    async fn send(&self, request: ExportTraceServiceRequest) -> Result<i64, Status> {
        let request = Request::from_parts(self.metadata.clone(), Extensions::default(), request);
        let answer = self.service.clone().export(request).await?.into_inner();
        Ok(answer.partial_success.map_or(0, |partial| partial.rejected_spans))
    }
}

/// What the OTLP specification calls retryable ("Failures"). A collector without room says in the details when to come again, or
/// means for ever.
fn is_passing(status: &Status) -> bool {
    match status.code() {
        Code::ResourceExhausted => !status.details().is_empty(),
        code => matches!(
            code,
            Code::Cancelled
                | Code::DeadlineExceeded
                | Code::Aborted
                | Code::OutOfRange
                | Code::Unavailable
                | Code::DataLoss
        ),
    }
}

/// The code, and why the collector was not reached; never its own words, which may give headers back.
fn told(status: &Status) -> String {
    let mut text = format!("gRPC status {:?}", status.code());
    let mut cause = status.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        assert!(is_passing(&Status::unavailable("")));
        assert!(!is_passing(&Status::unauthenticated("")) && !is_passing(&Status::invalid_argument("")));
        assert!(!is_passing(&Status::resource_exhausted("")));
        assert!(is_passing(&Status::with_details(Code::ResourceExhausted, "", "x".into())));
    }

    #[test]
    fn the_collectors_own_words_are_not_repeated() {
        assert_eq!(told(&Status::unauthenticated("x-key: secret")), "gRPC status Unauthenticated");
    }
}
