use super::*;

fn head(status: u16, headers: &[(&'static str, &'static str)]) -> Parts {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(()).expect("an answer").into_parts().0
}

#[test]
fn only_whole_plain_unsigned_json_is_changed() {
    let json = ("content-type", "application/json; charset=utf-8");
    let good = [
        (200, vec![json]),
        (201, vec![("content-type", "application/vnd.api+json")]),
        (200, vec![json, ("content-encoding", "identity"), ("cache-control", "max-age=0, private")]),
        (200, vec![json, ("content-length", "1048576")]),
    ];
    for (status, headers) in good {
        assert_eq!(judge(&head(status, &headers)), Ok(true), "{status} {headers:?}");
    }
    for status in [204, 205, 301, 304, 404, 500] {
        assert_eq!(judge(&head(status, &[json])), Ok(false), "{status}");
    }
    let bad = [
        (206, vec![json], Why::Partial),
        (200, vec![json, ("content-range", "bytes 0-1/2")], Why::Partial),
        (200, vec![json, ("content-encoding", "gzip")], Why::Unreadable),
        (200, vec![("content-type", "text/html")], Why::Unreadable),
        (200, vec![], Why::Unreadable),
        (200, vec![json, ("content-length", "1048577")], Why::TooLarge),
        (200, vec![json, ("cache-control", "private, No-Transform")], Why::Signed),
    ];
    for (status, headers, why) in bad {
        assert_eq!(judge(&head(status, &headers)), Err(why), "{status} {headers:?}");
    }
    let signed = [
        "content-digest",
        "repr-digest",
        "digest",
        "content-md5",
        "signature",
        "signature-input",
        "x-hub-signature-256",
        "x-freshworks-hmac",
        "x-body-checksum",
        "x-content-sha256",
    ];
    for name in signed {
        assert_eq!(judge(&head(200, &[json, (name, "x")])), Err(Why::Signed), "{name}");
    }
}

fn replaced(body: &str) -> (Option<String>, Vec<(String, Why)>) {
    let profile = Profile::parse(
        r#"
name: t
title: t
answers: { content: any }
links: { places: [next, "items[].self", a.b], from: [s] }
sources: { s: { trust: official, where: x } }
examples: [{ name: e, request: { method: GET, target: / }, answer: { status: 304 }, expect: { route: /, outcome: ok } }]
"#,
        "t.yaml",
    )
    .expect("a profile");
    let links = profile.links(&Method::GET, None, body.as_bytes()).expect("JSON");
    let place = |url: &str| match url.strip_prefix("https://crm") {
        Some(rest) => Placed { to: Some(format!("http://vigie{rest}")), past: None },
        None => Placed::left(Why::OtherHost),
    };
    let (new, left) = replace(body.as_bytes(), &links, place);
    let new = new.map(|new| String::from_utf8(new.to_vec()).expect("text"));
    (new, left.into_iter().map(|b| (b.field.to_string(), b.why)).collect())
}

#[test]
fn every_byte_but_the_links_stays() {
    let body = "{ \"next\" : \"https://crm/p?a=1&b=2\",\n \"n\": 1.50, \"items\":[{\"self\":\"https:\\/\\/crm\\/1\"},{\"self\":\"/2\"}],\
        \"other\":\"https://crm/x\",\"a\":{\"b\":\"https://elsewhere/\"} }";
    let expected = "{ \"next\" : \"http://vigie/p?a=1&b=2\",\n \"n\": 1.50, \"items\":[{\"self\":\"http://vigie/1\"},{\"self\":\"/2\"}],\
        \"other\":\"https://crm/x\",\"a\":{\"b\":\"https://elsewhere/\"} }";
    let (new, left) = replaced(body);
    assert_eq!(new.as_deref(), Some(expected));
    assert_eq!(left, [("a.b".to_owned(), Why::OtherHost)]);
}

#[test]
fn what_must_be_escaped_is() {
    let (new, _) = replaced(r#"{"next":"https://crm/\u00e9?q=\"\\\u0001"}"#);
    let new: serde_json::Value = serde_json::from_str(&new.expect("changed")).expect("JSON");
    assert_eq!(new["next"], "http://vigie/\u{e9}?q=\"\\\u{1}");
    assert_eq!(replaced(r#"{"next":null}"#), (None, Vec::new()));
}

#[test]
fn a_changed_answer_says_so() {
    let mut headers = head(200, &[("content-length", "9"), ("accept-ranges", "bytes"), ("etag", "\"v1\"")]).headers;
    change(&mut headers, 12);
    assert_eq!(
        (&headers["content-length"], &headers["etag"]),
        (&HeaderValue::from(12), &HeaderValue::from_static("W/\"v1\""))
    );
    assert!(!headers.contains_key("accept-ranges"));
    change(&mut headers, 12);
    assert_eq!(headers["etag"], "W/\"v1\"");
}
