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
        (r#"{"success":"False"}"#, true),
        (r#"{"success":"true"}"#, false),
        (r#"{"success":""}"#, false),
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

/// JSON texts, most of them well-formed, with the names that the scan below looks for.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        "-?(0|[1-9][0-9]{0,22})(\\.[0-9]{1,3})?(e[+-]?[0-9]{1,2})?",
        "\"([a-zé ]|\\\\[nt\"/]|\\\\u00e9){0,9}\"",
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let name = prop_oneof![4 => "\"[abcd]\"", 1 => Just("\"\\u0061\"".to_owned())];
        let member = (name, "[ \n]?", inner.clone()).prop_map(|(name, space, value)| format!("{name}{space}:{value}"));
        prop_oneof![
            prop::collection::vec(inner, 0..5).prop_map(|list| format!("[{}]", list.join(", "))),
            prop::collection::vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

fn everything() -> Scan {
    scan(&[
        ("a", mark::LIST | mark::ID | mark::NON_EMPTY),
        ("a[].b", mark::NON_EMPTY | mark::IS_FALSE),
        ("b", mark::ITEMS),
        ("b[].a", mark::IS_FALSE),
        ("b[].c", mark::JOB),
        ("c", mark::MESSAGE | mark::TOTAL),
        ("d.a", mark::TOTAL | mark::ID),
        ("$", mark::LIST),
    ])
}

proptest! {
    #[test]
    fn it_finds_what_a_general_reader_finds(json in json(), cut in 0..60usize, bytes in "[\\[\\]{}\":,a-c0-9e.\\\\ -]{0,40}") {
        let scan = everything();
        let cut = &json.as_bytes()[..json.len().saturating_sub(cut)];
        for body in [json.as_bytes(), cut, bytes.as_bytes()] {
            let (mut expected, found) = (oracle::run(&scan, body), scan.run(body));
            if found.1 == End::Cut {
                // Whether an object or list that broke off at its first bytes is empty is not the same to both.
                (expected.0.failed, expected.0.job) = (found.0.failed, found.0.job);
            }
            if found.1 == End::Cut && body.last().is_some_and(|b| b"-+.eE".contains(b)) {
                // The other one calls a number broken that was only cut.
                continue;
            }
            prop_assert_eq!(found.1, expected.1, "{}", String::from_utf8_lossy(body));
            if expected.1 != End::Broken {
                prop_assert_eq!(found.0, expected.0, "{}", String::from_utf8_lossy(body));
            }
        }
    }

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
