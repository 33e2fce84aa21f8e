//! The ERP, and whether both sides differ exactly as the truth says.

use super::support::{Running, answer, small, start};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

async fn erp(s: &Running, path: &str) -> Value {
    let (status, body) = answer(s.client.get(format!("http://{}/api{path}", s.erp))).await;
    assert_eq!(status, 200, "{body}");
    body
}

async fn all_customers(s: &Running) -> Vec<Value> {
    let mut all = Vec::new();
    for page in 1.. {
        let body = erp(s, &format!("/customers?per_page=100&page={page}")).await;
        all.extend(body["items"].as_array().expect("items").iter().cloned());
        if page >= body["pages"].as_u64().expect("pages") {
            break;
        }
    }
    all
}

async fn all_contacts(s: &Running) -> Vec<Value> {
    let view = s.view("contacts", "All Contacts").await;
    let mut all = Vec::new();
    for page in 1..=10 {
        let (_, body) = s.get(&format!("/contacts/view/{view}?per_page=100&page={page}")).await;
        all.extend(body["contacts"].as_array().expect("contacts").iter().cloned());
    }
    all
}

/// The class of a contact, told from both sides' records alone.
fn class(
    contact: &Value,
    twins: usize,
    by_number: &HashMap<&str, &Value>,
    by_crm: &HashMap<u64, Vec<&Value>>,
    by_email: &HashMap<&str, &Value>,
) -> &'static str {
    let id = contact["id"].as_u64().expect("an id");
    let back = by_crm.get(&id).map_or(&[] as &[&Value], Vec::as_slice);
    let Some(external) = contact["external_id"].as_str() else {
        return if by_email.contains_key(contact["email"].as_str().expect("an address")) {
            "no_reference"
        } else {
            "only_crm"
        };
    };
    let customer = by_number[external];
    if twins > 1 && back.is_empty() {
        return "duplicate_crm";
    }
    if customer["crm_id"] != json!(id) {
        return "divergent_external_id";
    }
    if back.len() > 1 {
        return "duplicate_erp";
    }
    let same = contact["email"] == customer["email"]
        && contact["mobile_number"] == customer["phone"]
        && contact["display_name"] == customer["name"]
        && contact["city"] == customer["city"];
    let time = |v: &Value| v["updated_at"].as_str().and_then(|t| t.parse::<jiff::Timestamp>().ok()).expect("a time");
    match same {
        true => "matched_equal",
        false if time(customer) < time(contact) => "stale",
        false => "matched_different",
    }
}

#[tokio::test]
async fn both_sides_differ_exactly_as_the_truth_says() {
    let s = start(small()).await;
    let (contacts, customers) = (all_contacts(&s).await, all_customers(&s).await);
    let by_number: HashMap<&str, &Value> =
        customers.iter().map(|c| (c["number"].as_str().expect("a number"), c)).collect();
    let by_email: HashMap<&str, &Value> =
        customers.iter().map(|c| (c["email"].as_str().expect("an address"), c)).collect();
    let mut by_crm: HashMap<u64, Vec<&Value>> = HashMap::new();
    for customer in &customers {
        if let Some(id) = customer["crm_id"].as_u64() {
            by_crm.entry(id).or_default().push(customer);
        }
    }
    let mut twins: HashMap<&str, usize> = HashMap::new();
    for external in contacts.iter().filter_map(|c| c["external_id"].as_str()) {
        *twins.entry(external).or_default() += 1;
    }
    let mut found: BTreeMap<&str, u64> = BTreeMap::new();
    for contact in &contacts {
        let twins = contact["external_id"].as_str().map_or(0, |e| twins[e]);
        *found.entry(class(contact, twins, &by_number, &by_crm, &by_email)).or_default() += 1;
    }

    let (_, truth) = answer(s.client.get(format!("http://{}/sandbox/truth", s.crm))).await;
    let truth = &truth["contacts_customers"];
    for (name, count) in &found {
        assert_eq!(truth["classes"][*name]["crm_records"], *count, "{name}: {found:?}");
    }
    assert_eq!(found.len(), 8);
    assert_eq!((&truth["crm_total"], &truth["erp_total"]), (&json!(contacts.len()), &json!(customers.len())));
    let strangers = customers.iter().filter(|c| c["crm_id"].is_null()).count() as u64;
    assert_eq!(truth["classes"]["only_erp"]["erp_records"], strangers - found["no_reference"]);
}

#[tokio::test]
async fn the_truth_names_the_records() {
    let s = start(small()).await;
    let (_, truth) = answer(s.client.get(format!("http://{}/__sandbox/truth?ids=1", s.crm))).await;
    let ids = truth["contacts_customers"]["classes"]["only_crm"]["crm_ids"].as_array().expect("ids").clone();
    assert_eq!(ids.len(), 10);
    for id in ids {
        assert_eq!(s.get(&format!("/contacts/{id}")).await.1["contact"]["external_id"], Value::Null);
    }
    let orders = &truth["won_deals_orders"];
    assert_eq!(orders["crm_total"], 120);
    assert_eq!(erp(&s, "/orders/count").await["count"], orders["erp_total"]);
}

#[tokio::test]
async fn customers_are_read_since_a_time_and_written() {
    let s = start(small()).await;
    let all = erp(&s, "/customers/count").await["count"].as_u64().expect("a count");
    let since = erp(&s, "/customers?updated_since=2025-06-01T00:00:00Z&per_page=100").await;
    let some = since["total"].as_u64().expect("a total");
    assert!(some > 0 && some < all, "{some} of {all}");
    let limit: jiff::Timestamp = "2025-06-01T00:00:00Z".parse().expect("a time");
    assert!(
        since["items"]
            .as_array()
            .expect("items")
            .iter()
            .all(|c| c["updated_at"].as_str().is_some_and(|t| t.parse::<jiff::Timestamp>().is_ok_and(|t| t >= limit)))
    );

    let url = format!("http://{}/api/customers", s.erp);
    let (status, created) = answer(s.client.post(&url).json(&json!({"name": "New", "crm_id": 5}))).await;
    assert_eq!(status, 201);
    let number = created["number"].as_str().expect("a number");
    let (status, changed) =
        answer(s.client.request(Method::PATCH, format!("{url}/{number}")).json(&json!({"name": "Newer"}))).await;
    assert_eq!((status.as_u16(), &changed["name"], &changed["crm_id"]), (200, &json!("Newer"), &json!(5)));
    assert_eq!(erp(&s, "/customers/count").await["count"], all + 1);
    assert_eq!(answer(s.client.get(format!("{url}/C-1"))).await.0, 404);
    assert_eq!(answer(s.client.get(format!("{url}?updated_since=soon"))).await.0, 400);
}
