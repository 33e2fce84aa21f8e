use super::*;
use proptest::prelude::*;

fn builtin(name: &str) -> Profile {
    Profile::parse(&written(name), name).unwrap_or_else(|errors| panic!("{}", lines(&errors)))
}

/// The built-in file called `name`.
fn written(name: &str) -> String {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/vendors");
    std::fs::read_to_string(folder.join(name).with_extension("yaml")).expect("a built-in file")
}

fn lines(errors: &[ProfileError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_built_in_profile_proves_itself() {
    for name in Profile::builtin_names() {
        let mut written = builtin(name);
        let failed = written.check_examples();
        assert!(failed.is_empty(), "{name}:\n{}", failed.join("\n"));
        assert!(!written.examples.is_empty(), "{name} proves nothing");
        written.examples.clear();
        let built = Profile::builtin(name).expect("usable");
        assert_eq!(format!("{built:?}"), format!("{written:?}"), "{name}");
    }
    assert!(Profile::builtin("nobody").is_none());
}

#[test]
fn an_example_that_does_not_come_true_is_reported() {
    let wrong = written("generic").replace("outcome: rate_limited", "outcome: ok");
    let failed = Profile::parse(&wrong, "x").expect("parses").check_examples();
    assert_eq!(failed, ["too many calls: outcome is \"rate_limited\", expected \"ok\""]);
}

const MINIMAL: &str = "name: x\ntitle: X\nsources: { s: { trust: client, where: w } }\nanswers: { content: json }\n";
const EXAMPLE: &str = "examples:
  - name: e
    request: { method: GET, target: /a }
    answer: { status: 200 }
    expect: { route: '/{value}', outcome: ok }
";

#[test]
fn what_is_wrong_in_a_file_is_said_at_once() {
    let wrong = format!(
        "{MINIMAL}paths: {{ prefixes: [api/], from: [s] }}\nquota: [{{ remaining: [X-Left], windows: [], from: [] }}]
errors: {{ message: ['a b'], inner_status: {{ pattern: 'x', statuses: [400, 429], from: [t] }}, from: [s] }}
routes:
  - {{ path: a, each: [z], from: [s] }}
  - {{ path: '/a/{{id:x}}', object: y, from: [s] }}
  - {{ path: '/a/{{other:x}}', from: [s] }}
"
    );
    let errors = Profile::parse(&wrong, "x.yaml").expect_err("it is wrong");
    insta::assert_snapshot!(lines(&errors), @r"
    x.yaml: examples: there is none; a profile proves itself: give at least one request and answer
    x.yaml: paths: `api/`; a prefix starts with `/` and does not end with it
    x.yaml: quota[0].windows: none, or one of no length; name a window and its length_s
    x.yaml: errors.inner_status: `from` names `t`; that is no key of `sources`
    x.yaml: quota[0]: `from` is empty; name at least one key of `sources`
    x.yaml: routes: a: each `z`; that is not one of `objects`
    x.yaml: routes: a: `a` does not start with `/`; e.g. `/contacts/{id:contact}/notes`
    x.yaml: routes: /a/{id:x}: object `y`; that is not one of `objects`
    x.yaml: routes: /a/{other:x}: another route has the same shape; keep one, with all its methods
    x.yaml: errors: `a b` is not a place: dotted names, `[]` for elements, `$` for the whole; e.g. `errors.message` or `results[].id`
    x.yaml: errors.inner_status.statuses: 401, 429 and 5xx name their cause; give plain 4xx, or 403
    x.yaml: errors.inner_status.pattern: it has no group; put the status in one: `(\d{3})`
    x.yaml: headers: `X-Left`; a header's name in lower case is needed
    ");
}

#[test]
fn an_unknown_key_is_refused_with_its_line() {
    for (yaml, word) in [
        (format!("{MINIMAL}{EXAMPLE}hots: {{}}\n"), "hots"),
        (format!("{MINIMAL}{EXAMPLE}routes: [{{ path: /a, get: {{ verb: red }}, from: [s] }}]\n"), "red"),
        (format!("{MINIMAL}{EXAMPLE}name: y\n"), "name"),
    ] {
        let errors = Profile::parse(&yaml, "x.yaml").expect_err("it is wrong");
        assert_eq!(errors.len(), 1);
        let text = errors[0].to_string();
        assert!(text.starts_with("x.yaml: ") && text.contains(word) && text.contains("line"), "{text}");
    }
}

#[test]
fn results_one_by_one_make_a_batch_partial() {
    let yaml = format!(
        "{MINIMAL}{EXAMPLE}routes:
  - path: /batch
    post: {{ verb: upserted, items: {{ list: results, failed: {{ non_empty: [errors], is_false: [ok] }} }} }}
    from: [s]
"
    );
    let profile = Profile::parse(&yaml, "x").unwrap_or_else(|e| panic!("{}", lines(&e)));
    let judge = |body: &str, truncated| {
        let route = profile.route(&Method::POST, "/batch").known();
        let content_type = Some("application/json");
        let (method, path, body) = (&Method::POST, "/batch", body.as_bytes());
        let answer = Answer { method, route, path, status: 200, content_type, body, truncated, readable: true };
        let judgement = classify(&profile, &answer);
        (judgement.outcome.as_str(), judgement.items)
    };
    assert_eq!(judge(r#"{"results":[{"ok":true},{"errors":["x"]},{"ok":false}]}"#, false), ("partial", Some((1, 2))));
    assert_eq!(judge(r#"{"results":[{"ok":false}]}"#, false), ("client_error", Some((0, 1))));
    assert_eq!(judge(r#"{"results":[{"ok":true}]}"#, false), ("ok", Some((1, 0))));
    assert_eq!(judge(r#"{"results":[{"ok":true},{"#, true).0, "unclassified");
    assert_eq!(judge("{}", false), ("unclassified", None));
}

/// Method, path, status, content type, body, whether it was cut, and the outcome.
type Judged<'a> = (&'a Method, &'a str, u16, Option<&'a str>, &'a str, bool, &'a str);

fn all_come_out(table: &[Judged]) {
    let profile = builtin("freshsales");
    for &(method, path, status, content_type, body, truncated, expected) in table {
        let (route, body) = (profile.route(method, path).known(), body.as_bytes());
        let answer = Answer { method, route, path, status, content_type, body, truncated, readable: true };
        assert_eq!(classify(&profile, &answer).outcome.as_str(), expected, "{path} {status} {content_type:?} {body:?}");
    }
}

/// What the examples cannot show, because it is the same for every vendor.
#[test]
fn a_success_has_its_form_and_what_its_route_answers() {
    let (get, head, json) = (Method::GET, Method::HEAD, Some("application/json"));
    all_come_out(&[
        (&head, "/api/contacts/1", 200, json, "", false, "ok"),
        (&get, "/api/contacts/1", 204, json, "", false, "ok"),
        (&get, "/api/contacts/1", 200, json, "", false, "unclassified"),
        (&get, "/api/contacts/1", 200, json, "", true, "unclassified"),
        (&get, "/api/contacts/1", 200, json, r#"{"contact":{}}"#, true, "unclassified"),
        (&get, "/api/contacts/1", 200, json, r#"{"contact":{"#, true, "ok"),
        (&get, "/api/contacts/1", 200, json, r#"{"errors":["x"],"#, true, "client_error"),
        (&get, "/api/contacts/1", 200, json, "null", false, "unclassified"),
        (&get, "/api/contacts/1", 202, json, "", false, "ok"),
        (&get, "/api/selector/x", 200, json, "", false, "ok"),
        (&get, "/api/selector/x", 200, json, "null", false, "ok"),
        // Nobody but the profile's author ever saw it.
        (&Method::POST, "/api/contacts/bulk_destroy", 200, json, "{}", false, "ok"),
        (&get, "/api/unknown", 200, json, r#"{"a":"#, true, "unclassified"),
        (&get, "/api/unknown", 207, json, "", false, "unclassified"),
        (&head, "/api/unknown", 207, json, "", false, "ok"),
        (&get, "/api/selector/x", 200, Some("Application/Problem+JSON; charset=x"), "{}", false, "ok"),
        (&get, "/api/selector/x", 200, None, " {}", false, "ok"),
        (&get, "/api/selector/x", 200, None, "\u{feff} {}", false, "ok"),
        (&get, "/api/contacts/1", 200, json, "\u{feff}{\"contact\":{\"id\":1}}", false, "ok"),
        (&get, "/api/contacts/1", 200, json, "\u{feff}{\"contact\":{\"id\":1}", false, "vendor_error"),
        (&get, "/api/contacts/1", 200, json, r#"{"contact":{"id":1},"success":"false"}"#, false, "client_error"),
        (&get, "/api/contacts/1", 200, None, "<html>", false, "vendor_error"),
        (&get, "/api/search", 200, Some("text/plain"), "[]", false, "ok"),
        (&get, "/api/contacts/1", 200, Some("text/html"), "{}", false, "vendor_error"),
        (&get, "/api/contacts/1", 200, json, "<html>", false, "vendor_error"),
    ]);
}

#[test]
fn the_status_decides_where_the_body_says_nothing_or_may_not() {
    let (get, json) = (Method::GET, Some("application/json"));
    all_come_out(&[
        (&get, "/api/contacts/1", 304, None, "", false, "ok"),
        (&get, "/api/contacts/1", 302, None, "", false, "unclassified"),
        (&get, "/api/contacts/1", 402, None, "", false, "client_error"),
        (&get, "/api/contacts/1", 599, None, "", false, "vendor_error"),
        (&get, "/api/contacts/1", 600, None, "", false, "unclassified"),
        (
            &get,
            "/api/contacts/1",
            500,
            json,
            r#"{"message":"UCR x failure :: response_code :: 429"}"#,
            false,
            "vendor_error",
        ),
        (
            &get,
            "/api/contacts/1",
            400,
            json,
            r#"{"message":"UCR x failure :: response_code :: 429"}"#,
            false,
            "rate_limited",
        ),
        (
            &get,
            "/api/contacts/1",
            400,
            json,
            r#"{"message":"UCR x failure :: response_code :: 200"}"#,
            false,
            "client_error",
        ),
        (&get, "/api/contacts/1", 400, json, r#"{"message":"response_code :: 429"}"#, false, "client_error"),
        (&get, "/api/contacts/1", 401, json, r#"{"errors":{"code":429}}"#, false, "auth"),
        (&get, "/api/contacts/1", 422, json, r#"{"errors":{"code":401}}"#, false, "auth"),
    ]);
}

#[test]
fn hosts_are_matched_by_whole_labels() {
    let profile = builtin("freshsales");
    assert!(profile.is_vendor_host("Acme.MyFreshworks.com"));
    for host in ["myfreshworks.com", "evilmyfreshworks.com", "acme.freshsales.io.example"] {
        assert!(!profile.is_vendor_host(host), "{host}");
    }
}

#[test]
fn ids_of_a_path_come_with_their_kind() {
    let profile = builtin("freshsales");
    let ids = |path| profile.path_ids(path).collect::<Vec<_>>();
    assert_eq!(ids("/crm/sales/api/sales_accounts/7/notes?x=1"), [("account", "7")]);
    assert_eq!(ids("/api/contacts/view/70/"), [("view", "70")]);
    assert_eq!(ids("/api/contacts"), []);
    assert_eq!(ids("/elsewhere/7"), []);
}

#[test]
fn every_fact_says_how_far_it_is_trusted() {
    let profile = builtin("freshsales");
    let trust = |about: &str| profile.facts().iter().find(|f| f.about == about).map(|f| f.trust);
    assert_eq!(trust("auth[0]"), Some(Trust::Official));
    assert_eq!(trust("errors.inner_status"), Some(Trust::Client));
    assert_eq!(trust("request_id"), Some(Trust::Unverified));
    assert_eq!(trust("routes: /<many>/bulk_destroy"), Some(Trust::Unverified));
}

#[test]
fn no_field_is_on_two_lists() {
    let fields = builtin("freshsales").fields().clone();
    let ids = fields.ids.into_iter().map(|(name, _)| name);
    let personal = fields.personal.into_iter().map(|(name, _)| name);
    let shown = [fields.dates, fields.numbers, fields.flags, fields.enums, fields.names].concat();
    let mut all: Vec<String> =
        shown.into_iter().chain(ids).chain(personal).chain(fields.secrets).chain(fields.known).collect();
    let named = all.len();
    all.iter_mut().for_each(|name| name.make_ascii_lowercase());
    all.sort();
    all.dedup();
    assert_eq!(all.len(), named);
}

#[test]
fn every_placeholder_of_a_known_template_is_a_name() {
    for route in builtin("freshsales").routes() {
        assert!(route.template.starts_with("/api/"), "{}", route.template);
        assert!(!route.template.bytes().any(|b| b.is_ascii_digit() || b == b'<' || b == b':'), "{}", route.template);
    }
}

#[test]
fn no_id_or_token_in_a_path_reaches_a_template() {
    let profiles: Vec<Profile> = Profile::builtin_names().iter().map(|name| builtin(name)).collect();
    let secret =
        prop_oneof!["[0-9]{6,19}", "[0-9a-f]{32}", "[A-Za-z0-9]{18}", "[a-z]{4,9}[.][a-z]{4,9}@[a-z]{4,9}[.]example"];
    let prefix = prop_oneof![Just("/api"), Just("/crm/sales/api"), Just(""), Just("/crm/sales")];
    let place = prop_oneof![
        Just("/contacts/X"),
        Just("/X"),
        Just("/X/contacts"),
        Just("/contacts/view/X"),
        Just("/selector/X"),
        Just("/custom_module/X/X"),
        Just("/contacts/X/X"),
        Just("/filtered_search/X"),
        Just("/deals/X/notes"),
    ];
    proptest!(ProptestConfig::with_cases(2000), |(secret in secret, prefix in prefix, place in place)| {
        let path = format!("{prefix}{}", place.replace('X', &secret));
        for profile in &profiles {
            let template = profile.route(&Method::GET, &path).template().to_owned();
            prop_assert!(!template.contains(&secret), "{}: {path} -> {template}", profile.name());
        }
    });
}

#[test]
fn any_answer_is_judged_without_panic_and_a_page_is_never_ok() {
    let profile = builtin("freshsales");
    let judge = |method: &Method, path: &str, status, content_type, body: &str, truncated| {
        let route = profile.route(method, path).known();
        let (content_type, body) = (Some(content_type), body.as_bytes());
        let answer = Answer { method, route, path, status, content_type, body, truncated, readable: true };
        classify(&profile, &answer).outcome
    };
    proptest!(|(status in 100u16..700, body in "[ -~é\\n]{0,200}", path in "/api/[a-z_/0-9]{0,40}", cut: bool)| {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            judge(&method, &path, status, "application/json", &body, cut);
            let page = judge(&method, &path, status, "text/html", &format!("<html>{body}"), cut);
            prop_assert!(matches!(status, 101 | 204 | 205 | 304) || page != crate::exchange::Outcome::Ok);
        }
    });
}
