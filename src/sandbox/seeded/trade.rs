//! Seeded accounts and deals.

use super::super::entity::{Entity, LOST, WON};
use super::super::names::{CITY, COMPANY, PRODUCT, STREET, TRADE, push_slug};
use super::{Meta, World, account_external, stamp};
use serde_json::{Value, json};

/// How many different company names there are; beyond it, names get a number.
pub(super) const NAMES: u64 = COMPANY.len() as u64 * TRADE.len() as u64;

impl World {
    /// The company's name, unique.
    pub(crate) fn account_name(&self, i: u64) -> String {
        let n = self.companies.at(i) as usize;
        let (first, trade) = (COMPANY[n % COMPANY.len()], TRADE[n / COMPANY.len() % TRADE.len()]);
        match i / NAMES {
            0 => format!("{first} {trade}"),
            round => format!("{first} {trade} {}", round + 1),
        }
    }

    pub(super) fn account_json(&self, i: u64, meta: &Meta) -> Value {
        let e = Entity::Account;
        let name = self.account_name(i);
        let mut slug = String::new();
        push_slug(&name, &mut slug);
        let city = self.pick(CITY, e, 5, i);
        json!({
            "id": meta.id,
            "name": name,
            "phone": super::contacts::phone(self.draw(e, 6, i)),
            "website": format!("https://www.{slug}.example"),
            "address": format!("{} {}", 1 + self.draw(e, 7, i) % 90, self.pick(STREET, e, 8, i)),
            "city": city.0,
            "state": city.1,
            "country": city.2,
            "number_of_employees": ([5, 20, 75, 250, 900])[(self.draw(e, 9, i) % 5) as usize],
            "annual_revenue": self.draw(e, 10, i) % 9_000 * 1_000,
            "business_type_id": 70_000_004_100u64 + self.draw(e, 11, i) % 3,
            "industry_type_id": 70_000_004_200u64 + self.draw(e, 12, i) % 5,
            "territory_id": null,
            "owner_id": meta.owner,
            "external_id": account_external(i),
            "record_type_id": "71010794477",
            "custom_field": {},
            "is_deleted": false,
            "created_at": stamp(meta.created),
            "updated_at": stamp(meta.updated),
        })
    }

    /// The index of the account a deal is with.
    pub(crate) fn deal_account(&self, i: u64) -> u64 {
        self.draw(Entity::Deal, 4, i) % self.count(Entity::Account).max(1)
    }

    /// The deal's name; several deals may share one.
    pub(crate) fn deal_name(&self, i: u64) -> String {
        format!("{} {}", self.account_name(self.deal_account(i)), self.pick(PRODUCT, Entity::Deal, 5, i))
    }

    /// The deal's amount in cents.
    pub(crate) fn deal_cents(&self, i: u64) -> u64 {
        let draw = self.draw(Entity::Deal, 6, self.orders.original(i));
        // The square of a uniform share: many small deals, few large ones.
        let share = draw % 1000;
        50_000 + share * share * 12 + (draw >> 20) % 100 * 25
    }

    pub(super) fn deal_json(&self, i: u64, meta: &Meta) -> Value {
        let e = Entity::Deal;
        let stage = match meta.state {
            WON => 70_000_005_106,
            LOST => 70_000_005_107,
            _ => 70_000_005_101u64 + self.draw(e, 7, i) % 5,
        };
        let closed = meta.state == WON || meta.state == LOST;
        let amount = money(self.deal_cents(i));
        json!({
            "id": meta.id,
            "name": self.deal_name(i),
            "amount": amount,
            "base_currency_amount": amount,
            "currency_id": 70_000_006_100u64,
            "expected_close": stamp(meta.created + 60 * super::DAY_S).get(..10).unwrap_or_default(),
            "closed_date": if closed { json!(stamp(meta.updated).get(..10)) } else { Value::Null },
            "deal_pipeline_id": 70_000_005_000u64,
            "deal_stage_id": stage,
            "deal_type_id": 70_000_005_200u64 + self.draw(e, 8, i) % 2,
            "deal_reason_id": if meta.state == LOST { json!(70_000_005_300u64 + self.draw(e, 9, i) % 3) } else { Value::Null },
            "lead_source_id": 70_000_003_300u64 + self.draw(e, 10, i) % 5,
            "probability": match meta.state { WON => 100, LOST => 0, _ => 10 + self.draw(e, 7, i) % 5 * 20 },
            "sales_account_id": Entity::Account.base_id() + self.deal_account(i),
            "owner_id": meta.owner,
            "age": (meta.updated - meta.created) / super::DAY_S,
            "record_type_id": "71010794478",
            "custom_field": {"cf_order_number": self.orders.external_number(i).map(order_number)},
            "is_deleted": false,
            "created_at": stamp(meta.created),
            "updated_at": stamp(meta.updated),
        })
    }
}

/// Cents as the API writes money: a string with two places.
pub(crate) fn money(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// The ERP's name for its order number `n`.
pub(crate) fn order_number(n: u64) -> String {
    format!("O-{}", 500_000 + n)
}
