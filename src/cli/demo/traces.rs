//! Where the demo's spans go unless a collector is named: an OTLP receiver of its own, which keeps the last calls.
//!
//! It gets what any collector gets, by the same exporter, over HTTP on loopback.

mod picture;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use parking_lot::Mutex;
use prost::Message;
use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Calls kept: a page to scroll through, a few hundred kilobytes.
const MAX_CALLS: usize = 50;
/// CLIENT spans kept of one call; there are two at most.
const MAX_ATTEMPTS: usize = 4;
/// Bytes of one request: a full batch of 512 spans is a quarter of that.
const MAX_BATCH: usize = 4 << 20;

/// One call as its spans tell it: the SERVER span, and the CLIENT spans below it.
struct Call {
    server: Span,
    attempts: Vec<Span>,
}

#[derive(Default)]
struct Kept {
    /// The newest last.
    calls: VecDeque<Call>,
    received: u64,
}

/// The calls received so far. Cheap to clone.
#[derive(Clone, Default)]
pub struct Traces {
    kept: Arc<Mutex<Kept>>,
    more: Arc<Notify>,
}

impl Traces {
    /// Starts to receive on a free port of this machine, until `stop`.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn receive(stop: CancellationToken) -> io::Result<(SocketAddr, Self)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (address, traces) = (listener.local_addr()?, Self::default());
        let router = Router::new()
            .route("/v1/traces", post(take))
            .layer(DefaultBodyLimit::max(MAX_BATCH))
            .route("/", get(page))
            .with_state(traces.clone());
        // It ends with the demo; what it could not serve, the agent counts as failed.
        tokio::spawn(axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).into_future());
        Ok((address, traces))
    }

    /// The latest call as a picture; empty while there is none.
    pub fn latest(&self) -> String {
        self.kept.lock().calls.back().map(picture::of).unwrap_or_default()
    }

    /// The same, after waiting for the first one for `patience` at most.
    pub async fn awaited(&self, patience: Duration) -> String {
        let first = async {
            loop {
                let more = self.more.notified();
                if !self.kept.lock().calls.is_empty() {
                    return;
                }
                more.await;
            }
        };
        let _ = tokio::time::timeout(patience, first).await;
        self.latest()
    }

    fn add(&self, batch: ExportTraceServiceRequest) {
        let spans = batch.resource_spans.into_iter().flat_map(|r| r.scope_spans).flat_map(|s| s.spans);
        let (servers, others): (Vec<_>, Vec<_>) = spans.partition(|span| span.kind() == SpanKind::Server);
        let mut kept = self.kept.lock();
        for server in servers {
            if kept.calls.len() == MAX_CALLS {
                kept.calls.pop_front();
            }
            kept.calls.push_back(Call { server, attempts: Vec::new() });
            kept.received += 1;
        }
        // A batch may end between a call's spans: then its SERVER span came before.
        for span in others.into_iter().filter(|span| span.kind() == SpanKind::Client) {
            let above =
                |call: &&mut Call| call.server.span_id == span.parent_span_id && call.server.trace_id == span.trace_id;
            if let Some(call) = kept.calls.iter_mut().rev().find(above)
                && call.attempts.len() < MAX_ATTEMPTS
            {
                call.attempts.push(span);
            }
        }
        drop(kept);
        self.more.notify_waiters();
    }
}

async fn take(State(traces): State<Traces>, body: Bytes) -> impl IntoResponse {
    let status = match ExportTraceServiceRequest::decode(body) {
        Ok(batch) => {
            traces.add(batch);
            StatusCode::OK
        }
        Err(_) => StatusCode::BAD_REQUEST,
    };
    let answer = ExportTraceServiceResponse::default().encode_to_vec();
    (status, [(header::CONTENT_TYPE, "application/x-protobuf")], answer)
}

async fn page(State(traces): State<Traces>) -> impl IntoResponse {
    let kept = traces.kept.lock();
    let mut text = format!("The last {} of {} traced calls, the newest first\n", kept.calls.len(), kept.received);
    for call in kept.calls.iter().rev() {
        text.push('\n');
        text.push_str(&picture::of(call));
    }
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};

    fn span(kind: SpanKind, id: u8, parent: u8) -> Span {
        let (trace_id, span_id, parent_span_id) = (vec![7; 16], vec![id; 8], vec![parent; 8]);
        Span { trace_id, span_id, parent_span_id, kind: kind.into(), ..Span::default() }
    }

    fn batch(spans: Vec<Span>) -> ExportTraceServiceRequest {
        let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
        ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }] }
    }

    fn shape(traces: &Traces) -> Vec<(u8, usize)> {
        traces.kept.lock().calls.iter().map(|call| (call.server.span_id[0], call.attempts.len())).collect()
    }

    #[test]
    fn spans_of_a_call_come_together_also_from_two_batches() {
        let traces = Traces::default();
        let (server, client) = (span(SpanKind::Server, 1, 9), span(SpanKind::Client, 2, 1));
        traces.add(batch(vec![client.clone(), span(SpanKind::Internal, 4, 1), server]));
        traces.add(batch(vec![span(SpanKind::Server, 5, 9), client.clone(), span(SpanKind::Client, 6, 8)]));
        assert_eq!(shape(&traces), [(1, 2), (5, 0)], "nobody's are left out");
        traces.add(batch(vec![client; 9]));
        assert_eq!(shape(&traces)[0], (1, MAX_ATTEMPTS));
    }

    #[test]
    fn the_oldest_calls_go() {
        let traces = Traces::default();
        for id in 0..u8::try_from(MAX_CALLS).expect("few") + 2 {
            traces.add(batch(vec![span(SpanKind::Server, id, 9)]));
        }
        assert_eq!((shape(&traces).len(), shape(&traces)[0].0), (MAX_CALLS, 2));
    }
}
