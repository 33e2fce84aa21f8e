//! A masker and a policy shared by the tests of this module.

use super::{MaskKey, Masker, PhoneRegion, Policy, PolicySpec};
use crate::secret::Secret;

pub(super) fn masker_of(version: u16, secret: &str) -> Masker {
    Masker::new(MaskKey::from_secret(version, &Secret::new(secret)).unwrap())
}

pub(super) fn masker() -> Masker {
    masker_of(1, "a secret of 16 bytes or more")
}

pub(super) fn masker_in(region: &str) -> Masker {
    masker().with_phone_region(PhoneRegion::of(region))
}

pub(super) fn policy() -> Policy {
    let spec: PolicySpec = serde_json::from_str(
        r#"{
            "enums": ["status", "deal_stage.name", "cf_tier*"],
            "dates": ["created_at"],
            "numbers": ["amount", "page"],
            "flags": ["is_active"],
            "names": ["sort"],
            "ids": {"id": "record", "deal.id": "deal", "contact_id": "contact", "deal_id": "deal"},
            "pii": {"email": "email", "emails.value": "email", "mobile_number": "phone", "last_name": "name",
                    "city": "address", "description": "text"},
            "secrets": ["session_key"],
            "known": ["contact", "errors", "message", "payload", "name", "cf_*"],
            "words": ["pipeline"],
            "nouns": ["opportunity"]
        }"#,
    )
    .unwrap();
    Policy::new(&spec).unwrap()
}
