//! Seeded contacts.

use super::super::entity::{Entity, OPEN};
use super::super::names::{CITY, FIRST, JOB, LAST, STREET, push_slug};
use super::{Meta, World, stamp};
use serde_json::{Value, json};
use std::fmt::Write;

/// How many different full names there are; beyond it, addresses get a number.
pub(super) const NAMES: u64 = FIRST.len() as u64 * LAST.len() as u64;

/// Area codes 200 to 999, each with the hundred numbers kept for fiction.
pub(super) const PHONES: u64 = 800 * 100;

const E: Entity = Entity::Contact;

impl World {
    /// First and last name. A duplicate record has the name of its original.
    pub(crate) fn contact_name(&self, i: u64) -> (&'static str, &'static str) {
        let n = self.people.at(self.customers.original(i)) as usize;
        (FIRST[n % FIRST.len()], LAST[n / FIRST.len() % LAST.len()])
    }

    /// The e-mail address, lower case, unique: a duplicate record has another address of the same person.
    pub(crate) fn contact_email(&self, i: u64) -> String {
        let original = self.customers.original(i);
        let (first, last) = self.contact_name(i);
        let mut email = String::with_capacity(48);
        push_slug(first, &mut email);
        email.push('.');
        push_slug(last, &mut email);
        let round = original / NAMES;
        if round > 0 {
            let _ = write!(email, "{}", round + 1);
        }
        email.push_str(if original == i { "@" } else { "@mail." });
        push_slug(&self.account_name(self.contact_account(original)), &mut email);
        email.push_str(".example");
        email
    }

    /// The mobile number, `+1-415-555-0123`.
    pub(crate) fn contact_mobile(&self, i: u64) -> String {
        phone(self.contact_mobile_place(i))
    }

    /// The place of the mobile number among all of [`PHONES`].
    pub(crate) fn contact_mobile_place(&self, i: u64) -> u64 {
        self.phones.at(self.customers.original(i))
    }

    /// Street, city, state, country and postal code.
    pub(crate) fn contact_place(
        &self,
        i: u64,
    ) -> (String, &'static (&'static str, &'static str, &'static str, &'static str)) {
        let i = self.customers.original(i);
        let street = format!("{} {}", 1 + self.draw(E, 8, i) % 180, self.pick(STREET, E, 9, i));
        (street, self.pick(CITY, E, 7, i))
    }

    /// The index of the account a contact works for.
    pub(crate) fn contact_account(&self, i: u64) -> u64 {
        self.draw(E, 4, i) % self.count(Entity::Account).max(1)
    }

    /// The ERP's number for the contact, as the CRM believes it.
    pub(crate) fn contact_external(&self, i: u64) -> Option<String> {
        self.customers.external_number(i).map(customer_number)
    }

    pub(super) fn contact_json(&self, i: u64, meta: &Meta) -> Value {
        let (first, last) = self.contact_name(i);
        let (email, mobile) = (self.contact_email(i), self.contact_mobile(i));
        let (street, city) = self.contact_place(i);
        let id = meta.id;
        json!({
            "id": id,
            "first_name": first,
            "last_name": last,
            "display_name": format!("{first} {last}"),
            "avatar": null,
            "job_title": self.pick(JOB, E, 5, i),
            "address": street,
            "city": city.0,
            "state": city.1,
            "country": city.2,
            "zipcode": format!("{}{:03}", city.3, self.draw(E, 10, i) % 1000),
            "emails": [{"id": id + 5, "value": email, "is_primary": true, "label": null, "_destroy": false}],
            "email": email,
            "time_zone": null,
            "work_number": phone(self.draw(E, 11, i) % PHONES),
            "mobile_number": mobile,
            "phone_numbers": [],
            "last_contacted": null,
            "open_deals_amount": "0.0",
            "won_deals_amount": "0.0",
            "lead_score": self.draw(E, 12, i) % 100,
            "subscription_status": 1,
            "customer_fit": self.draw(E, 13, i) % 3,
            "external_id": self.contact_external(i),
            "owner_id": meta.owner,
            "contact_status_id": 70_000_003_100u64 + self.draw(E, 14, i) % 4,
            "lifecycle_stage_id": 70_000_003_200u64 + self.draw(E, 15, i) % 3,
            // Ids come as numbers and as strings within one answer; clients must bear both.
            "record_type_id": "71010794476",
            "locale": "en",
            "keyword": null,
            "medium": (["blog", "event", "search", "referral"])[(self.draw(E, 16, i) % 4) as usize],
            "facebook": null,
            "twitter": null,
            "linkedin": null,
            "recent_note": null,
            "custom_field": {"cf_segment": (["A", "B", "C"])[(self.draw(E, 17, i) % 3) as usize], "cf_newsletter": meta.state == OPEN},
            "sales_account_id": Entity::Account.base_id() + self.contact_account(i),
            "links": links(id),
            "is_deleted": false,
            "created_at": stamp(meta.created),
            "updated_at": stamp(meta.updated),
        })
    }
}

/// What an answer points to; without `/api`, as the vendor writes it.
pub(crate) fn links(id: u64) -> Value {
    json!({
        "conversations": format!("/crm/sales/contacts/{id}/conversations/all?include=email_conversation_recipients&per_page=3"),
        "notes": format!("/crm/sales/contacts/{id}/notes?include=creater"),
        "tasks": format!("/crm/sales/contacts/{id}/tasks?include=users"),
        "appointments": format!("/crm/sales/contacts/{id}/appointments?include=creater"),
    })
}

/// Number `n` of [`PHONES`].
pub(crate) fn phone(n: u64) -> String {
    format!("+1-{}-555-01{:02}", 200 + n / 100 % 800, n % 100)
}

/// The ERP's name for its customer number `n`.
pub(crate) fn customer_number(n: u64) -> String {
    format!("C-{}", 100_000 + n)
}
