use super::*;
use serde_json::json;

fn line(changes: serde_json::Value) -> String {
    let mut json = json!({
        "timestamp": "2025-10-24T09:45:30.123Z", "system": "ERP", "direction": "outbound", "endpoint": "/api/deals/{id}",
        "method": "POST", "status_code": 201, "duration_ms": 428.55, "payload_size": "2.1KB", "payload_size_bytes": 2100,
        "response_size_bytes": 360, "response": "Created deal deal:k3f9", "integration": "erp", "upstream": "freshsales",
        "correlation_id": "0199f0e0-7d1e-7000-8000-1234567890ab", "kind": "proxy", "outcome": "ok", "intent": "write",
        "object": "deal", "upstream_ms": 420.0, "overhead_ms": 0.1, "trace_id": "0af7651916cd43dd8448eb211c80319c", "attempts": 1
    });
    json.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    json.to_string()
}

fn sample() -> Vec<String> {
    vec![
        line(json!({})),
        line(json!({
            "system": "Web shop of the north", "endpoint": "/api/contacts/{id}/documents/{id}/versions", "method": "DELETE",
            "status_code": 0, "outcome": "client_closed", "upstream_ms": null, "response": "a\u{1b}[31mb\u{202e}c"
        })),
    ]
}

#[test]
fn a_wide_terminal_shows_everything() {
    insta::assert_snapshot!(Table::of_width(220, false).first(&sample(), false), @"
    TIME (UTC)         SYSTEM           METHOD ENDPOINT                                   STATUS OUTCOME            MS  CRM MS    SIZE RESPONSE               CORRELATION ID
    10-24 09:45:30.123 ERP              POST   /api/deals/{id}                               201 ok              428.6   420.0   2.1KB Created deal deal:k3f9 0199f0e0-7d1e-7000-8000-1234567890ab
    10-24 09:45:30.123 Web shop of the… DELETE /api/contacts/{id}/documents/{id}/versions      - client_closed   428.6       -   2.1KB a?[31mb?c              0199f0e0-7d1e-7000-8000-1234567890ab
    ");
}

#[test]
fn a_narrow_terminal_leaves_out_what_can_be_spared() {
    insta::assert_snapshot!(Table::of_width(80, false).first(&sample(), false), @"
    TIME (UTC)         SYSTEM  METHOD ENDPOINT         STATUS OUTCOME            MS
    10-24 09:45:30.123 ERP     POST   /api/deals/{id}     201 ok              428.6
    10-24 09:45:30.123 Web sh… DELETE /api/contacts/{…      - client_closed   428.6
    ");
}

#[test]
fn no_row_is_wider_than_the_terminal() {
    for width in 80..260 {
        for more in [false, true] {
            let mut table = Table::of_width(width, false);
            let text = table.first(&sample(), more) + &table.more(&sample());
            let widest = text.lines().map(|l| l.chars().count()).max().unwrap_or(0);
            assert!(widest <= usize::from(width), "{widest} > {width}\n{text}");
            assert_eq!(text.lines().count(), 5, "one line a record\n{text}");
        }
    }
}

#[test]
fn colours_come_only_when_asked_for() {
    let coloured = Table::of_width(120, true).first(&sample(), false);
    assert!(coloured.contains("\u{1b}[38;5;10m"), "{coloured:?}");
    assert!(!Table::of_width(120, false).first(&sample(), false).contains('\u{1b}'));
}

#[test]
fn a_line_that_is_no_record_is_shown_raw_and_harmless() {
    let mut table = Table::of_width(120, false);
    table.first(&[], true);
    assert_eq!(table.more(&["{\"new\":\u{1b}1}".to_owned()]), "{\"new\":?1}\n");
}

#[test]
fn nothing_found_prints_nothing() {
    assert_eq!(Table::of_width(120, false).first(&[], false), "");
}
