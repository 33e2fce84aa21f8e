//! One call's spans, drawn: who waited for whom, and for how long.

use super::Call;
use crate::cli::demo::screen::BAR;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use std::fmt::Write;

/// Characters of kind, method and route.
const NAME: usize = 50;

/// The picture, with a line break at its end.
pub fn of(call: &Call) -> String {
    let server = &call.server;
    let whole = (server.start_time_unix_nano, server.end_time_unix_nano);
    let mut text = format!("  trace {}\n", hex::encode(&server.trace_id));
    line(&mut text, 4, server, whole);
    for attempt in &call.attempts {
        line(&mut text, 6, attempt, whole);
    }
    let ids = [("correlation id", "vigie.correlation_id"), ("vendor request id", "vigie.vendor_request_id")];
    let ids: Vec<_> =
        ids.iter().filter_map(|(name, key)| Some(format!("{name} {}", attribute(server, key)?))).collect();
    let _ = writeln!(text, "    {}", ids.join("   "));
    text
}

fn line(text: &mut String, indent: usize, span: &Span, whole: (u64, u64)) {
    let kind = if span.kind() == SpanKind::Server { "SERVER" } else { "CLIENT" };
    let name = format!("{:indent$}{kind} {}", "", span.name);
    let ms = span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano) as f64 / 1e6;
    let said = ["http.response.status_code", "vigie.outcome", "error.type"].map(|key| attribute(span, key));
    let mut said: Vec<_> = said.into_iter().flatten().collect();
    // Of an answered error the type is its status.
    said.dedup();
    let _ = writeln!(text, "{name:<NAME$} {} {ms:>9.2} ms  {}", bar(span, whole), said.join(" "));
}

/// The span's part of the whole call.
fn bar(span: &Span, (start, end): (u64, u64)) -> String {
    let length = end.saturating_sub(start).max(1) as f64;
    let at = |time: u64| ((time.saturating_sub(start) as f64 / length).min(1.0) * BAR as f64).round() as usize;
    let from = at(span.start_time_unix_nano).min(BAR - 1);
    let to = at(span.end_time_unix_nano).max(from + 1);
    format!("[{}{}{}]", ".".repeat(from), "#".repeat(to - from), ".".repeat(BAR - to))
}

fn attribute(span: &Span, key: &str) -> Option<String> {
    match span.attributes.iter().find(|kv| kv.key == key)?.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};

    fn span(kind: SpanKind, from_us: u64, to_us: u64, attributes: &[(&str, Value)]) -> Span {
        let attribute = |(key, value): &(&str, Value)| KeyValue {
            key: (*key).to_owned(),
            value: Some(AnyValue { value: Some(value.clone()) }),
            ..KeyValue::default()
        };
        Span {
            trace_id: vec![0xab; 16],
            kind: kind.into(),
            name: "PUT /api/deals/{id}".into(),
            start_time_unix_nano: from_us * 1000,
            end_time_unix_nano: to_us * 1000,
            attributes: attributes.iter().map(attribute).collect(),
            ..Span::default()
        }
    }

    #[test]
    fn a_call_is_drawn_to_scale() {
        let text = |text: &str| Value::StringValue(text.into());
        let status = |status| ("http.response.status_code", Value::IntValue(status));
        let correlation = ("vigie.correlation_id", text("c-1"));
        let vendor = ("vigie.vendor_request_id", text("v-9"));
        let outcome = ("vigie.outcome", text("vendor_error"));
        let server = span(SpanKind::Server, 0, 3000, &[status(503), outcome, correlation, vendor]);
        let attempts = vec![
            span(SpanKind::Client, 100, 1000, &[("error.type", text("stream_refused"))]),
            span(SpanKind::Client, 1000, 3000, &[status(503), ("error.type", text("503"))]),
        ];
        let lines = [
            "  trace abababababababababababababababab",
            "    SERVER PUT /api/deals/{id}                     [##############################]      3.00 ms  503 vendor_error",
            "      CLIENT PUT /api/deals/{id}                   [.#########....................]      0.90 ms  stream_refused",
            "      CLIENT PUT /api/deals/{id}                   [..........####################]      2.00 ms  503",
            "    correlation id c-1   vendor request id v-9",
        ];
        assert_eq!(of(&Call { server, attempts }).lines().collect::<Vec<_>>(), lines);
    }

    #[test]
    fn a_bar_never_leaves_its_frame() {
        for (from, to, whole) in [(0, 0, (0, 0)), (5, 9, (6, 7)), (9, 5, (0, 3)), (0, u64::MAX / 2000, (1, 2))] {
            let bar = bar(&span(SpanKind::Client, from, to, &[]), whole);
            assert_eq!((bar.len(), bar.contains('#')), (BAR + 2, true), "{bar}");
        }
    }
}
