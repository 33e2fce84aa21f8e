//! Seeded tasks, appointments and notes.

use super::super::entity::{Entity, WON};
use super::super::names::PRODUCT;
use super::{DAY_S, Meta, World, stamp};
use serde_json::{Value, json};

impl World {
    /// What activity `i` hangs on, and when it is due. Appointments lie within 60 days of the start, half of them past.
    pub(super) fn activity(&self, entity: Entity, i: u64, created: i64) -> (u64, i64) {
        let target = match self.count(Entity::Contact) {
            0 => 0,
            n => Entity::Contact.base_id() + self.draw(entity, 4, i) % n,
        };
        let days = (self.draw(entity, 5, i) % 60) as i64;
        let due = match entity {
            Entity::Appointment if i.is_multiple_of(2) => self.today_s - (days + 1) * DAY_S,
            Entity::Appointment => self.today_s + (days + 2) * DAY_S,
            _ => created + (days + 1) * DAY_S,
        };
        (target, due)
    }

    fn subject(&self, entity: Entity, i: u64) -> &'static str {
        let subject: &&'static str = self.pick(PRODUCT, entity, 6, i);
        subject
    }

    pub(super) fn task_json(&self, i: u64, meta: &Meta) -> Value {
        json!({
            "id": meta.id,
            "title": format!("Call back about {}", self.subject(Entity::Task, i)),
            "description": null,
            "status": if meta.state == WON { 1 } else { 0 },
            "due_date": stamp(meta.due),
            "completed_date": if meta.state == WON { json!(stamp(meta.updated)) } else { Value::Null },
            "owner_id": meta.owner,
            "targetable_type": "Contact",
            "targetable_id": meta.target,
            "task_type_id": null,
            "created_at": stamp(meta.created),
            "updated_at": stamp(meta.updated),
        })
    }

    pub(super) fn appointment_json(&self, i: u64, meta: &Meta) -> Value {
        json!({
            "id": meta.id,
            "title": format!("Meeting: {}", self.subject(Entity::Appointment, i)),
            "description": null,
            "from_date": stamp(meta.due),
            "end_date": stamp(meta.due + 3_600),
            "is_allday": false,
            "location": "Video call",
            "creater_id": meta.owner,
            "owner_id": meta.owner,
            "targetable_type": "Contact",
            "targetable_id": meta.target,
            "created_at": stamp(meta.created),
            "updated_at": stamp(meta.updated),
        })
    }

    pub(super) fn note_json(&self, i: u64, meta: &Meta) -> Value {
        json!({
            "id": meta.id,
            "description": format!("Interested in {}. Wants an offer.", self.subject(Entity::Note, i)),
            "owner_id": meta.owner,
            "creater_id": meta.owner,
            "targetable_type": "Contact",
            "targetable_id": meta.target,
            "created_at": stamp(meta.created),
            "updated_at": stamp(meta.updated),
        })
    }
}
