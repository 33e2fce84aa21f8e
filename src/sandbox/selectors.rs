//! Reference data: users, stages, sources, and the fields of each kind.

use super::entity::{Entity, OWNER_BASE, OWNERS};
use super::names::{FIRST, LAST};
use serde_json::{Value, json};

const STAGES: &[&str] = &["New", "Qualification", "Discovery", "Demo", "Negotiation", "Won", "Lost"];

/// The answer to `/selector/{name}`, or `None` where there is no such list.
pub(crate) fn selector(name: &str) -> Option<Value> {
    if name == "owners" {
        return Some(json!({"users": users()}));
    }
    if name == "deal_stages" {
        return Some(json!({"deal_stages": stages()}));
    }
    let (base, names): (u64, &[&str]) = match name {
        "deal_pipelines" => (70_000_005_000, &["Default Pipeline"]),
        "deal_types" => (70_000_005_200, &["New Business", "Existing Business"]),
        "deal_reasons" => (70_000_005_300, &["Price", "Competitor", "No budget"]),
        "deal_payment_statuses" => (70_000_005_400, &["Offline", "Online", "Cash on delivery"]),
        "currencies" => (70_000_006_100, &["USD"]),
        "territories" => (70_000_006_200, &["Americas", "Europe"]),
        "campaigns" => (70_000_006_300, &["Spring fair"]),
        "contact_statuses" => (70_000_003_100, &["New", "Contacted", "Interested", "Customer"]),
        "lifecycle_stages" => (70_000_003_200, &["Lead", "Sales Qualified Lead", "Customer"]),
        "lead_sources" => (70_000_003_300, &["Web", "Email", "Chat", "Phone", "Fair"]),
        "business_types" => (70_000_004_100, &["Competitor", "Partner", "Reseller"]),
        "industry_types" => (70_000_004_200, &["Chemicals", "Food", "Machinery", "Software", "Textiles"]),
        "sales_activity_types" => (70_000_007_100, &["Call", "Meeting", "Email"]),
        _ => return None,
    };
    let list: Vec<Value> = names
        .iter()
        .enumerate()
        .map(|(i, name)| json!({"id": base + i as u64, "name": name, "position": i + 1, "partial": true}))
        .collect();
    Some(json!({ name: list }))
}

/// The users.
pub(crate) fn users() -> Vec<Value> {
    (0..OWNERS as usize)
        .map(|i| {
            let (first, last) = (FIRST[i * 11 % FIRST.len()], LAST[i * 7 % LAST.len()]);
            json!({
                "id": OWNER_BASE + i as u64,
                "display_name": format!("{first} {last}"),
                "email": format!("user{}@crm.example", i + 1),
                "is_active": true,
                "work_number": null,
                "mobile_number": null,
            })
        })
        .collect()
}

fn stages() -> Vec<Value> {
    STAGES
        .iter()
        .enumerate()
        .map(|(i, name)| {
            let forecast = match *name {
                "Won" => "Closed Won",
                "Lost" => "Closed Lost",
                _ => "Open",
            };
            json!({
                "id": 70_000_005_101u64 + i as u64,
                "name": name,
                "position": i + 1,
                "forecast_type": forecast,
                "deal_pipeline_id": 70_000_005_000u64,
                "probability": (i * 20).min(100),
            })
        })
        .collect()
}

/// The answer to `/settings/{entity}/fields`: name, label, type and whether the field is required, for each field
/// that `sample` has.
pub(crate) fn fields(entity: Entity, sample: &serde_json::Map<String, Value>) -> Value {
    let list: Vec<Value> = sample
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "links" | "custom_field"))
        .enumerate()
        .map(|(i, (name, value))| {
            json!({
                "id": 70_000_020_000u64 + entity as u64 * 1_000 + i as u64,
                "name": name,
                "label": label(name),
                "type": field_type(name, value),
                "default": true,
                "required": is_required(entity, name),
                "readonly": matches!(name.as_str(), "id" | "created_at" | "updated_at" | "is_deleted"),
                "position": i + 1,
            })
        })
        .collect();
    json!({ "fields": list })
}

fn label(name: &str) -> String {
    let words = name.trim_end_matches("_id").replace('_', " ");
    let mut chars = words.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn field_type(name: &str, value: &Value) -> &'static str {
    match value {
        _ if name == "email" || name == "emails" => "email",
        _ if name.ends_with("_id") => "dropdown",
        _ if name.ends_with("_at") || name.ends_with("_date") => "date",
        Value::Bool(_) => "checkbox",
        Value::Number(_) => "number",
        Value::Array(_) => "multi_select_dropdown",
        _ => "text",
    }
}

fn is_required(entity: Entity, name: &str) -> bool {
    matches!(
        (entity, name),
        (Entity::Account | Entity::Deal, "name")
            | (Entity::Task | Entity::Appointment, "title")
            | (Entity::Note, "description")
            | (Entity::Contact, "last_name")
    )
}
