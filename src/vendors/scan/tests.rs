use super::*;
use proptest::prelude::*;

fn scan(places: &[(&str, u16)]) -> Scan {
    let mut scan = Scan::default();
    for (place, marks) in places {
        scan.add(place, *marks).expect(place);
    }
    scan
}

#[test]
fn places_are_found_at_any_depth_and_other_values_skipped() {
    let scan = scan(&[
        ("contact.id", mark::ID),
        ("meta.total", mark::TOTAL),
        ("contacts.contacts", mark::LIST),
        ("deals", mark::LIST),
        ("job_status_url", mark::JOB),
    ]);
    let body = br#"{"x":{"contact":{"id":9}},"contact":{"name":"\u00e9","id":70042006456},"meta":{"total":"12"},
        "contacts":{"contacts":[{},{"id":1}]},"deals":[1],"job_status_url":"https://x"}"#;
    let (found, end) = scan.run(body);
    assert_eq!(end, End::Whole);
    assert_eq!(found.id.as_deref(), Some("70042006456"));
    assert_eq!((found.total, found.listed, found.job), (Some(12), Some(3), true));
}

#[test]
fn a_bare_list_is_the_whole() {
    let (found, end) = scan(&[("$", mark::LIST)]).run(b" [1, [2], {}] ");
    assert_eq!((found.listed, end), (Some(3), End::Whole));
}

#[test]
fn messages_are_joined_from_text_and_lists_and_bounded() {
    let scan =
        scan(&[("errors", mark::MESSAGE), ("errors.message", mark::MESSAGE), ("errors[].message", mark::MESSAGE)]);
    let message = |body: &str| scan.run(body.as_bytes()).0.message;
    assert_eq!(message(r#"{"errors":"a"}"#).as_deref(), Some("a"));
    assert_eq!(message(r#"{"errors":["a","b"]}"#).as_deref(), Some("a; b"));
    assert_eq!(message(r#"{"errors":{"message":["a","b"]}}"#).as_deref(), Some("a; b"));
    assert_eq!(message(r#"{"errors":[{"message":"a"},{"message":"b"}]}"#).as_deref(), Some("a; b"));
    assert_eq!(message(r#"{"other":1}"#), None);
    let long = format!(r#"{{"errors":["{0}","{0}"]}}"#, "é".repeat(400));
    assert!(message(&long).is_some_and(|m| m.len() <= MAX_MESSAGE_BYTES && m.len() > MAX_MESSAGE_BYTES - 3));
}

#[test]
fn only_what_is_filled_is_a_failure() {
    let scan = scan(&[("errors", mark::NON_EMPTY), ("success", mark::IS_FALSE)]);
    let table = [
        (r#"{"errors":null}"#, false),
        (r#"{"errors":false}"#, false),
        (r#"{"errors":[]}"#, false),
        (r#"{"errors":{}}"#, false),
        (r#"{"errors":""}"#, false),
        (r#"{"errors":[null]}"#, true),
        (r#"{"errors":{"a":1}}"#, true),
        (r#"{"errors":"x"}"#, true),
        (r#"{"errors":0.5}"#, true),
        (r#"{"success":true}"#, false),
        (r#"{"success":false}"#, true),
        (r#"{"data":{"errors":["x"],"success":false}}"#, false),
    ];
    for (body, expected) in table {
        assert_eq!(scan.run(body.as_bytes()).0.failed, expected, "{body}");
    }
}

#[test]
fn results_are_judged_one_by_one_and_do_not_fail_the_whole() {
    let scan = scan(&[("r", mark::ITEMS), ("r[].error", mark::NON_EMPTY), ("r[].ok", mark::IS_FALSE)]);
    let (found, _) = scan.run(br#"{"r":[{"ok":true},{"error":"x"},{"ok":false,"error":"y"},{}]}"#);
    assert_eq!((found.items, found.failed), (Some((2, 2)), false));
}

#[test]
fn a_cut_body_gives_what_came_before_the_cut() {
    let scan = scan(&[("deals", mark::LIST), ("meta.total", mark::TOTAL)]);
    let (found, end) = scan.run(br#"{"meta":{"total":5},"deals":[{"id":1},{"id":"#);
    assert_eq!((found.total, found.listed, end), (Some(5), Some(1), End::Cut));
    assert_eq!(scan.run(b"<html>").1, End::Broken);
    assert_eq!(scan.run(b"{} {}").1, End::Broken);
    assert_eq!(scan.run(b"").1, End::Cut);
}

#[test]
fn a_misspelt_place_is_refused() {
    for bad in ["", "a..b", "a b", "a[0]", "a[]b"] {
        assert!(Scan::default().add(bad, mark::ID).is_err(), "{bad:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        body in prop::collection::vec(any::<u8>(), 0..300),
        json in "[\\[\\]{}\":,a-c0-9e ]{0,200}",
    ) {
        let scan = scan(&[("a", mark::LIST | mark::ID), ("a[].b", mark::NON_EMPTY), ("c", mark::MESSAGE)]);
        scan.run(&body);
        scan.run(json.as_bytes());
    }
}
