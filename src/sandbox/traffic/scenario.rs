//! What each integration does, call by call.

use super::super::entity::Entity;
use super::super::names::{FIRST, LAST, PRODUCT, push_slug};
use super::super::random::Rng;
use super::Integration;
use http::Method;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Duration;

/// Ids remembered of records an integration created, to change them later.
const MAX_REMEMBERED: usize = 64;
/// The share of calls that are mistakes: a wrong address, a record that exists, an id that does not.
const MISTAKES: f64 = 0.04;
/// Contacts that are taken to exist at the CRM.
const KNOWN_CONTACTS: u64 = 1_000;

/// Which integration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    ErpSync,
    WebForm,
    Marketing,
    Bi,
}

impl Kind {
    /// In the order of the integrations.
    pub(super) const ALL: [Self; 4] = [Self::ErpSync, Self::WebForm, Self::Marketing, Self::Bi];
}

/// An integration at work.
pub(super) struct Scenario {
    kind: Kind,
    integration: Integration,
    client: reqwest::Client,
    base: String,
    rng: Rng,
    calls: u64,
    /// Contacts created here.
    contacts: VecDeque<u64>,
    /// Deals created here.
    deals: VecDeque<u64>,
    /// The view paged through: its id, the next page, the last page.
    view: Option<(u64, u64, u64)>,
}

/// One call to make.
struct Call {
    method: Method,
    path: String,
    body: Option<Value>,
}

impl Call {
    fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), body: None }
    }

    fn send(method: Method, path: impl Into<String>, body: Value) -> Self {
        Self { method, path: path.into(), body: Some(body) }
    }
}

impl Scenario {
    pub(super) fn new(kind: Kind, integration: Integration, client: reqwest::Client, base: String, rng: Rng) -> Self {
        let (contacts, deals) = (VecDeque::new(), VecDeque::new());
        Self { kind, integration, client, base, rng, calls: 0, contacts, deals, view: None }
    }

    pub(super) fn name(&self) -> &'static str {
        self.integration.name
    }

    /// Half to one and a half of `gap`.
    pub(super) fn jitter(&mut self, gap: Duration) -> Duration {
        gap.mul_f64(0.5 + self.rng.unit())
    }

    /// Makes the next call; the status, or `None` without an answer.
    pub(super) async fn step(&mut self) -> Option<u16> {
        self.calls += 1;
        let call = if self.rng.chance(MISTAKES) { self.mistake() } else { self.next_call() };
        let url = format!("{}{}", self.base, call.path);
        let mut request = self
            .client
            .request(call.method.clone(), url)
            .header("authorization", format!("Token token={}", self.integration.key))
            .header("x-integration", self.integration.name)
            .header("user-agent", format!("{}/1.4", self.integration.name));
        request = self.trace(request);
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.unwrap_or_default();
        self.learn(&call, &body);
        Some(status)
    }

    /// The ERP sends a correlation id with every third call, the web form a trace context with every other.
    fn trace(&mut self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match self.kind {
            Kind::ErpSync if self.calls.is_multiple_of(3) => {
                request.header("x-correlation-id", format!("erp-{:012x}", self.rng.next() >> 16))
            }
            Kind::WebForm if self.calls.is_multiple_of(2) => {
                let (a, b, span) = (self.rng.next() | 1, self.rng.next(), self.rng.next() | 1);
                request.header("traceparent", format!("00-{a:016x}{b:016x}-{span:016x}-01"))
            }
            _ => request,
        }
    }

    fn next_call(&mut self) -> Call {
        match self.kind {
            Kind::ErpSync => self.erp_call(),
            Kind::WebForm => self.form_call(),
            Kind::Marketing => self.marketing_call(),
            Kind::Bi => self.bi_call(),
        }
    }

    fn erp_call(&mut self) -> Call {
        match self.rng.below(10) {
            0..4 => {
                let contact = self.person();
                let email = contact["email"].clone();
                let body = json!({"unique_identifier": {"emails": email}, "contact": contact});
                Call::send(Method::POST, "/contacts/upsert", body)
            }
            4..6 => {
                let amount = 500 + self.rng.below(40_000);
                let name = format!("{} {}", self.word(PRODUCT), self.rng.below(100_000));
                Call::send(Method::POST, "/deals", json!({"deal": {"name": name, "amount": amount}}))
            }
            6..8 => match pick(&self.deals, &mut self.rng) {
                Some(id) => {
                    let stage = 70_000_005_101u64 + self.rng.below(7);
                    Call::send(Method::PUT, format!("/deals/{id}"), json!({"deal": {"deal_stage_id": stage}}))
                }
                None => Call::get(format!("/contacts/{}?include=sales_accounts", self.known_contact())),
            },
            8 => {
                let city = (["Lisbon", "Osaka", "Denver"])[self.rng.below(3) as usize];
                let path = format!("/contacts/{}", self.known_contact());
                Call::send(Method::PUT, path, json!({"contact": {"city": city}}))
            }
            _ => Call::get("/selector/deal_stages"),
        }
    }

    fn form_call(&mut self) -> Call {
        let contact = pick(&self.contacts, &mut self.rng);
        match (self.rng.below(10), contact) {
            (0..5, _) | (_, None) => Call::send(Method::POST, "/contacts", json!({"contact": self.person()})),
            (5..8, Some(id)) => {
                let text = format!("Please call me about {}.", self.word(PRODUCT));
                let note = json!({"description": text, "targetable_type": "Contact", "targetable_id": id});
                Call::send(Method::POST, "/notes", json!({ "note": note }))
            }
            (8, Some(id)) => {
                let task = json!({"title": "Call back", "due_date": "2030-01-15T09:00:00Z", "targetable_type": "Contact", "targetable_id": id});
                Call::send(Method::POST, "/tasks", json!({ "task": task }))
            }
            (_, Some(id)) => Call::get(format!("/contacts/{id}")),
        }
    }

    fn marketing_call(&mut self) -> Call {
        match self.rng.below(4) {
            0 => Call::get(format!("/search?q={}&include=contact", slug(self.word(LAST)))),
            1 => Call::get(format!("/contacts/{}/activities", self.known_contact())),
            2 => {
                let rule = json!({"attribute": "updated_at", "operator": "is_after", "value": "2025-09-01"});
                let body = json!({"filter_rule": [rule], "sort": "updated_at", "sort_type": "desc"});
                Call::send(Method::POST, "/filtered_search/contact?page=1&per_page=25", body)
            }
            _ => {
                let name = format!("{}.{}", slug(self.word(FIRST)), slug(self.word(LAST)));
                Call::get(format!("/lookup?q={name}%40example.com&f=email&entities=contact"))
            }
        }
    }

    fn bi_call(&mut self) -> Call {
        match self.view {
            None => Call::get("/contacts/filters"),
            Some((view, page, _)) => {
                Call::get(format!("/contacts/view/{view}?page={page}&per_page=50&sort=updated_at&sort_type=asc"))
            }
        }
    }

    fn mistake(&mut self) -> Call {
        match self.rng.below(3) {
            0 => {
                Call::send(Method::POST, "/contacts", json!({"contact": {"email": "not an address", "last_name": "?"}}))
            }
            1 => Call::get(format!("/deals/{}", 72_049_999_999u64 - self.rng.below(1000))),
            // The first call creates the contact, every later one meets it.
            _ => {
                let contact = json!({"email": "twice@example.com", "last_name": "Twice"});
                Call::send(Method::POST, "/contacts", json!({ "contact": contact }))
            }
        }
    }

    /// Remembers what an answer tells: ids of created records, the view, its last page.
    fn learn(&mut self, call: &Call, body: &Value) {
        let remember = |list: &mut VecDeque<u64>, id: Option<u64>| {
            if let Some(id) = id {
                if list.len() == MAX_REMEMBERED {
                    list.pop_front();
                }
                list.push_back(id);
            }
        };
        if call.method == Method::POST {
            remember(&mut self.contacts, body["contact"]["id"].as_u64());
            remember(&mut self.deals, body["deal"]["id"].as_u64());
        }
        if let Some(view) = body["filters"][0]["id"].as_u64() {
            self.view = Some((view, 1, 1));
        }
        if let (Some((view, page, _)), Some(last), Kind::Bi) =
            (self.view, body["meta"]["total_pages"].as_u64(), self.kind)
        {
            // After the last page the next export begins.
            self.view = Some((view, if page >= last { 1 } else { page + 1 }, last));
        }
    }

    /// Somebody new, or somebody who came before: the names are few enough to meet again.
    fn person(&mut self) -> Value {
        let (first, last) = (self.word(FIRST), self.word(LAST));
        let email = format!("{}.{}@example.com", slug(first), slug(last));
        let phone = super::super::seeded::phone(self.rng.below(80_000));
        json!({"first_name": first, "last_name": last, "email": email, "mobile_number": phone})
    }

    fn word(&mut self, from: &'static [&'static str]) -> &'static str {
        from[self.rng.below(from.len() as u64) as usize]
    }

    fn known_contact(&mut self) -> u64 {
        Entity::Contact.base_id() + self.rng.below(KNOWN_CONTACTS)
    }
}

fn pick(list: &VecDeque<u64>, rng: &mut Rng) -> Option<u64> {
    list.get(rng.below(list.len() as u64) as usize).copied()
}

fn slug(name: &str) -> String {
    let mut slug = String::new();
    push_slug(name, &mut slug);
    slug
}
