//! The Freshsales-compatible API.

use super::support::{answer, small, start};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Duration;
use vigie::clock::Clock;
use vigie::sandbox::{Config, DEMO_KEY, FaultKind, FaultSpec, ResetFormat, Sandbox, Scheduled};

#[tokio::test]
async fn a_key_opens_both_prefixes_and_nothing_else_does() {
    let s = start(small()).await;
    let url = |prefix: &str| format!("http://{}{prefix}/selector/owners", s.crm);
    for (authorization, status) in [
        (format!("Token token={DEMO_KEY}"), 200),
        (format!("token token=\"{DEMO_KEY}\""), 200),
        ("Token token=wrong".to_owned(), 401),
        (format!("Bearer {DEMO_KEY}"), 401),
        (format!("Token {DEMO_KEY}"), 401),
    ] {
        for prefix in ["/crm/sales/api", "/api"] {
            let request = s.client.get(url(prefix)).header("authorization", &authorization);
            assert_eq!(answer(request).await.0, status, "{authorization} {prefix}");
        }
    }
    let (status, body) = answer(s.client.get(url("/api"))).await;
    assert_eq!((status.as_u16(), body), (401, json!({"login": "failed", "message": "Login failed"})));
}

#[tokio::test]
async fn views_page_through_every_record_once() {
    let s = start(small()).await;
    let view = s.view("contacts", "All Contacts").await;
    for sort in ["", "&sort=updated_at&sort_type=asc", "&sort=created_at&sort_type=desc"] {
        let (mut seen, mut times) = (HashSet::new(), Vec::new());
        for page in 1..=11 {
            let (status, body) = s.get(&format!("/contacts/view/{view}?page={page}&per_page=100{sort}")).await;
            assert_eq!(status, 200);
            assert_eq!(body["meta"], json!({"total_pages": 10, "total": 1000}));
            let contacts = body["contacts"].as_array().expect("contacts");
            assert_eq!(contacts.len(), if page <= 10 { 100 } else { 0 });
            seen.extend(contacts.iter().map(|c| c["id"].as_u64().expect("an id")));
            times.extend(contacts.iter().map(|c| c["updated_at"].as_str().expect("a time").to_owned()));
        }
        assert_eq!(seen.len(), 1000);
        if sort.contains("updated_at") {
            let parsed: Vec<jiff::Timestamp> = times.iter().map(|t| t.parse().expect("a time")).collect();
            assert!(parsed.is_sorted());
            assert!(times.iter().all(|t| t.ends_with("-04:00")));
        }
    }
}

#[tokio::test]
async fn deals_have_no_view_of_all_and_the_three_add_up() {
    let s = start(small()).await;
    let (_, body) = s.get("/deals/filters").await;
    assert!(body["filters"].as_array().expect("filters").iter().all(|f| f["name"] != "All Deals"));
    let (open, won) = (s.count("deals", "Open Deals").await, s.count("deals", "Won Deals").await);
    let lost = s.count("deals", "Lost Deals").await;
    assert_eq!((won, open + won + lost), (120, 400));
}

#[tokio::test]
async fn the_classic_prefix_writes_times_in_utc() {
    let s = start(small()).await;
    let url = format!("http://{}/api/contacts/70040000001", s.crm);
    let (_, classic) = answer(s.client.get(url).header("authorization", format!("Token token={DEMO_KEY}"))).await;
    let (_, suite) = s.get("/contacts/70040000001").await;
    let time = |body: &Value| body["contact"]["created_at"].as_str().expect("a time").to_owned();
    assert!(time(&classic).ends_with('Z') && time(&suite).ends_with("-04:00"));
    let parse = |t: String| t.parse::<jiff::Timestamp>().expect("a time");
    assert_eq!(parse(time(&classic)), parse(time(&suite)));
}

#[tokio::test]
async fn a_contact_lives_changes_and_goes() {
    let s = start(small()).await;
    let input = json!({"contact": {"first_name": "Ada", "last_name": "Byron", "email": "Ada@byron.example", "custom_field": {"cf_x": 1}}});
    let (status, created) = s.post("/contacts", input.clone()).await;
    assert_eq!(status, 201, "{created}");
    let id = created["contact"]["id"].as_u64().expect("an id");
    assert!((1_000_000_000..100_000_000_000).contains(&id));
    assert_eq!(created["contact"]["emails"][0]["value"], "Ada@byron.example");
    assert_eq!(created["contact"]["display_name"], "Ada Byron");

    let (status, body) = s.post("/contacts", json!({"email": "ada@BYRON.example"})).await;
    assert_eq!(
        (status.as_u16(), body),
        (400, json!({"errors": {"code": 400, "message": ["Email has already been taken"]}}))
    );
    let (status, body) = s.post("/contacts", json!({"email": "ada byron"})).await;
    assert_eq!((status.as_u16(), &body["errors"]["message"][0]), (400, &json!("Email is invalid")));

    let (status, changed) =
        s.put(&format!("/contacts/{id}"), json!({"city": "London", "id": 1, "custom_field": {"cf_y": 2}})).await;
    assert_eq!((status.as_u16(), &changed["contact"]["city"]), (200, &json!("London")));
    assert_eq!(changed["contact"]["id"], id);
    assert_eq!(changed["contact"]["custom_field"], json!({"cf_x": 1, "cf_y": 2}));
    assert_eq!(s.count("contacts", "All Contacts").await, 1001);

    assert_eq!(s.delete(&format!("/contacts/{id}")).await.0, 200);
    assert_eq!(s.get(&format!("/contacts/{id}")).await.0, 404);
    assert_eq!(s.delete(&format!("/contacts/{id}")).await.0, 404);
    assert_eq!(s.count("contacts", "All Contacts").await, 1000);
    assert_eq!(s.count("contacts", "Recycle Bin").await, 1);
    assert_eq!(s.delete(&format!("/contacts/{id}/forget")).await.0, 200);
    assert_eq!(s.count("contacts", "Recycle Bin").await, 0);
    // The address is free again.
    assert_eq!(s.post("/contacts", input).await.0, 201);
}

#[tokio::test]
async fn seeded_records_change_like_others() {
    let s = start(small()).await;
    let (_, before) = s.get("/contacts/70040000007").await;
    let email = before["contact"]["email"].clone();
    let (status, _) = s.post("/contacts", json!({ "email": email })).await;
    assert_eq!(status, 400);
    let (status, after) = s.put("/contacts/70040000007", json!({"email": "moved@example.com"})).await;
    assert_eq!((status.as_u16(), &after["contact"]["emails"][0]["value"]), (200, &json!("moved@example.com")));
    assert_eq!(after["contact"]["created_at"], before["contact"]["created_at"]);
    assert_eq!(s.post("/contacts", json!({ "email": email })).await.0, 201);
    assert_eq!(s.delete("/contacts/70040000008/forget").await.0, 200);
    assert_eq!(s.get("/contacts/70040000008").await.0, 404);
    assert_eq!(s.count("contacts", "All Contacts").await, 1000);
}

#[tokio::test]
async fn other_kinds_are_validated() {
    let s = start(small()).await;
    for (path, body, message) in [
        ("/deals", json!({"amount": 5}), "Name can't be blank"),
        ("/deals", json!({"name": "x", "amount": "much"}), "Amount is not a number"),
        ("/deals", json!({"name": "x", "sales_account_id": 5}), "Sales account is invalid"),
        ("/sales_accounts", json!({"name": " "}), "Name can't be blank"),
        ("/tasks", json!({"description": "x"}), "Title can't be blank"),
        (
            "/notes",
            json!({"description": "x", "targetable_type": "Contact", "targetable_id": 5}),
            "The type for targetable is invalid.",
        ),
    ] {
        let (status, answer) = s.post(path, body).await;
        assert_eq!((status.as_u16(), &answer["errors"]["message"]), (400, &json!([message])), "{path}");
    }
    let (status, answer_to_large) = s.post("/contacts", json!({"last_name": "x".repeat(20_000)})).await;
    assert_eq!((status.as_u16(), &answer_to_large["errors"]["message"][0]), (400, &json!("The record is too large")));
    let bad = s.call(Method::POST, "/deals").body("{").header("content-type", "application/json");
    assert_eq!(answer(bad).await.0, 400);
    let (_, account) = s.get("/sales_accounts/71040000001").await;
    let (status, body) = s.post("/sales_accounts", json!({"name": account["sales_account"]["name"]})).await;
    assert_eq!((status.as_u16(), &body["errors"]["message"][0]), (400, &json!("Name has already been taken")));
    for path in ["/contacts/1", "/contacts/abc", "/nothing", "/contacts/view/1", "/selector/nothing"] {
        assert_eq!(s.get(path).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn a_deal_moves_through_the_views() {
    let s = start(small()).await;
    let account = 71_040_000_001u64;
    let (status, deal) =
        s.post("/deals", json!({"deal": {"name": "Big one", "amount": "99.50", "sales_account_id": account}})).await;
    assert_eq!(status, 201);
    let id = deal["deal"]["id"].as_u64().expect("an id");
    assert_eq!(s.put(&format!("/deals/{id}"), json!({"deal_stage_id": 70_000_005_106u64})).await.0, 200);
    assert_eq!(s.count("deals", "Won Deals").await, 121);
    let (_, body) = s.get(&format!("/deals/{id}?include=sales_account")).await;
    assert_eq!(body["deal"]["sales_account"]["id"], account);
}

#[tokio::test]
async fn upserts_update_what_they_find() {
    let s = start(small()).await;
    let body = |city: &str| json!({"unique_identifier": {"emails": "up@example.com"}, "contact": {"last_name": "Up", "city": city}});
    let (status, first) = s.post("/contacts/upsert", body("Rome")).await;
    assert_eq!(status, 201);
    let (status, second) = s.post("/contacts/upsert", body("Oslo")).await;
    assert_eq!(status, 200);
    assert_eq!((&second["contact"]["id"], &second["contact"]["city"]), (&first["contact"]["id"], &json!("Oslo")));
    assert_eq!(s.post("/contacts/upsert", json!({"contact": {}})).await.0, 400);
    assert_eq!(s.stats().await["records"]["contacts"], json!({"created": 1, "updated": 1, "deleted": 0, "evicted": 0}));
}

#[tokio::test]
async fn bulk_calls_answer_at_once_and_the_job_tells_the_truth() {
    let s = start(small()).await;
    let items = json!({"contacts": [
        {"emails": "b1@example.com", "data": {"last_name": "One"}},
        {"emails": "no address", "data": {"last_name": "Two"}},
        {"unique_identifier": {"emails": "b1@example.com"}, "contact": {"city": "Lyon"}},
    ]});
    let (status, body) = s.post("/contacts/bulk_upsert", items).await;
    assert_eq!(status, 200);
    let url = body["job_status_url"].as_str().expect("a URL");
    let path = url.strip_prefix(&format!("http://{}/crm/sales/api", s.crm)).expect("a URL of this API");
    assert_eq!(s.get(path).await.1["status"], "In Progress");
    let (_, job) = s.get(path).await;
    assert_eq!(
        (&job["status"], &job["success_count"], &job["failed_count"]),
        (&json!("Completed"), &json!(2), &json!(1))
    );
    assert_eq!(job["failures"], json!([{"index": 1, "message": "Email is invalid"}]));

    let (status, body) =
        s.post("/contacts/bulk_destroy", json!({"selected_ids": [70_040_000_001u64, "70040000002", 3]})).await;
    assert_eq!(status, 200);
    assert!(body["job_status_url"].is_string());
    assert_eq!(s.count("contacts", "All Contacts").await, 999);
    let too_many = vec![json!({"emails": "x@example.com", "data": {}}); 101];
    assert_eq!(s.post("/contacts/bulk_upsert", json!({ "contacts": too_many })).await.0, 400);
}

#[tokio::test]
async fn searches_look_ups_and_filters_find_a_contact() {
    let s = start(small()).await;
    let (_, contact) = s.get("/contacts/70040000042").await;
    let contact = &contact["contact"];
    let email = contact["email"].as_str().expect("an address");

    let (_, found) = s.get(&format!("/search?q={}&include=contact", email.replace('@', "%40"))).await;
    assert_eq!((found[0]["id"].as_str(), found.as_array().map(Vec::len)), (Some("70040000042"), Some(1)));
    assert_eq!(s.get("/search?q=nobody-has-this&include=contact").await, (reqwest::StatusCode::OK, json!([])));

    for (field, value) in [("email", email), ("mobile_number", contact["mobile_number"].as_str().expect("a number"))] {
        let request = s.call(Method::GET, "/lookup").query(&[("q", value), ("f", field), ("entities", "contact")]);
        let (_, found) = answer(request).await;
        assert_eq!(found["contacts"]["contacts"][0]["id"], 70_040_000_042u64, "{field}");
    }
    let rule = |attribute: &str, operator: &str, value: Value| json!({"filter_rule": [{"attribute": attribute, "operator": operator, "value": value}]});
    let (_, found) = s.post("/filtered_search/contact", rule("email", "is_in", json!([email]))).await;
    assert_eq!((&found["contacts"][0]["id"], &found["meta"]["total"]), (&json!(70_040_000_042u64), &json!(1)));
    let (_, late) =
        s.post("/filtered_search/contact?per_page=1", rule("created_at", "is_after", json!("2024-06-01"))).await;
    let (_, early) =
        s.post("/filtered_search/contact?per_page=1", rule("created_at", "is_before", json!("2024-06-01"))).await;
    let total = |body: &Value| body["meta"]["total"].as_u64().expect("a total");
    assert!(total(&late) > 100 && total(&early) > 100);
    assert_eq!(total(&late) + total(&early), 1000);
    assert_eq!(s.post("/filtered_search/contact", rule("city", "sounds_like", json!("x"))).await.0, 400);
}

#[tokio::test]
async fn activities_have_filters_of_their_own() {
    let s = start(small()).await;
    let total = |body: (reqwest::StatusCode, Value)| body.1["meta"]["total"].as_u64().expect("a total");
    let (open, done) = (total(s.get("/tasks?filter=open").await), total(s.get("/tasks?filter=completed").await));
    assert!(open > 10 && done > 10);
    assert_eq!(open + done, 100);
    let past = total(s.get("/appointments?filter=past").await);
    assert_eq!((past, total(s.get("/appointments?filter=upcoming").await)), (25, 25));
    assert_eq!(s.get("/tasks?filter=maybe").await.0, 400);
    let note = json!({"note": {"description": "hello", "targetable_type": "Contact", "targetable_id": "70040000005"}});
    assert_eq!(s.post("/notes", note).await.0, 201);
    let (_, notes) = s.get("/contacts/70040000005/notes").await;
    assert!(notes["notes"].as_array().expect("notes").iter().any(|n| n["description"] == "hello"));
    assert_eq!(s.get("/contacts/70040000005/activities").await.1["activities"].as_array().map(Vec::len), Some(2));
    let (status, copy) = s.post("/contacts/70040000005/clone", json!({"email": "copy@example.com"})).await;
    assert_eq!((status.as_u16(), &copy["contact"]["email"]), (201, &json!("copy@example.com")));
    let (_, fields) = s.get("/settings/contacts/fields").await;
    assert!(fields["fields"].as_array().expect("fields").iter().any(|f| f["name"] == "external_id"));
}

#[tokio::test]
async fn the_quota_runs_out_and_comes_back_with_the_hour() {
    let clock = Clock::manual(Duration::from_secs(1_764_000_000));
    let config = Config { quota_per_hour: 3, quota_per_minute: Some(100), clock: clock.clone(), ..small() };
    let s = start(config).await;
    let call = async || {
        let response = s.call(Method::GET, "/selector/owners").send().await.expect("an answer");
        let header = |name: &str| response.headers().get(name).map(|v| v.to_str().expect("text").to_owned());
        let reset = header("x-ratelimit-reset").expect("a reset");
        assert_eq!(header("x-ratelimit-limit").as_deref(), Some("3"));
        assert_eq!(header("x-ratelimit-limit-minute").as_deref(), Some("100"));
        assert_eq!(header("retry-after"), None);
        assert!(header("x-request-id").is_some());
        (response.status().as_u16(), header("x-ratelimit-remaining").expect("a rest"), reset)
    };
    for rest in ["2", "1", "0"] {
        assert_eq!(call().await, (200, rest.to_owned(), "3600".to_owned()));
    }
    clock.advance(Duration::from_secs(600));
    assert_eq!(call().await, (429, "0".to_owned(), "3000".to_owned()));
    clock.advance(Duration::from_secs(3000));
    assert_eq!(call().await, (200, "2".to_owned(), "3600".to_owned()));
}

#[tokio::test]
async fn the_reset_can_be_an_epoch_and_wrong_keys_cost_nothing() {
    let clock = Clock::manual(Duration::from_secs(1_764_000_000));
    let config = Config { quota_per_hour: 5, reset_format: ResetFormat::Epoch, clock, ..small() };
    let s = start(config).await;
    let request =
        s.client.get(format!("http://{}/api/selector/owners", s.crm)).header("authorization", "Token token=x");
    let response = request.send().await.expect("an answer");
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["x-ratelimit-remaining"], "5");
    assert_eq!(response.headers()["x-ratelimit-reset"], (1_764_000_000u64 + 3600).to_string());
}

#[tokio::test]
async fn the_same_seed_gives_the_same_records_in_another_sandbox() {
    let (a, b) = (start(small()).await, start(small()).await);
    let other = start(Config { seed: 2, ..small() }).await;
    let path = "/contacts/view/70010000100?per_page=100&page=3&include=sales_accounts,owner";
    assert_eq!(a.get(path).await, b.get(path).await);
    assert_ne!(a.get(path).await, other.get(path).await);
}

#[tokio::test]
async fn an_empty_sandbox_can_be_filled() {
    let s = start(Config { contacts: 0, accounts: 0, deals: 0, ..small() }).await;
    for (entity, view) in [("contacts", "All Contacts"), ("sales_accounts", "All Accounts"), ("deals", "Open Deals")] {
        assert_eq!(s.count(entity, view).await, 0);
        assert_eq!(s.post(&format!("/{entity}"), json!({"name": "First", "last_name": "First"})).await.0, 201);
        assert_eq!(s.count(entity, view).await, 1);
    }
    let (status, truth) = answer(s.client.get(format!("http://{}/sandbox/truth", s.crm))).await;
    assert_eq!((status.as_u16(), &truth["contacts_customers"]["erp_total"]), (200, &json!(0)));
    assert_eq!(answer(s.client.get(format!("http://{}/api/customers", s.erp))).await.1["total"], 0);
}

#[tokio::test]
async fn sizes_and_schedules_beyond_the_bounds_are_refused() {
    let many = Config { contacts: 1_000_001, ..small() };
    let fault = FaultSpec { probability: Some(7.0), ..FaultSpec::new(FaultKind::Status) };
    let wrong = Config { schedule: vec![Scheduled { after_s: u64::MAX, for_s: u64::MAX, fault }], ..small() };
    for (config, message) in [(many, "at most 1000000 records"), (wrong, "probability must lie")] {
        let error = Sandbox::bind(config).await.err().expect("a refusal");
        assert!(error.to_string().contains(message), "{error}");
    }
    let fault = FaultSpec::new(FaultKind::Status);
    let never = Config { schedule: vec![Scheduled { after_s: u64::MAX, for_s: u64::MAX, fault }], ..small() };
    assert_eq!(start(never).await.get("/selector/owners").await.0, 200);
}
