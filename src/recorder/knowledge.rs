//! What the recorder knows of an upstream: its vendor's profile, and the masking policy made from the profile's lists.

use crate::exchange::redact::{Pii, Policy, PolicyError, PolicySpec};
use crate::vendors::{PersonalKind, Profile};
use std::sync::Arc;

/// Profile and policy.
#[derive(Clone)]
pub struct Knowledge {
    /// The profile.
    pub profile: Arc<Profile>,
    /// What may be kept.
    pub policy: Arc<Policy>,
}

impl Knowledge {
    /// Builds the policy; errors name the list and the field.
    pub fn new(profile: Arc<Profile>) -> Result<Self, Vec<PolicyError>> {
        let fields = profile.fields();
        let spec = PolicySpec {
            safe: fields.safe.clone(),
            ids: fields.ids.iter().cloned().collect(),
            pii: fields.personal.iter().map(|(name, kind)| (name.clone(), pii(*kind))).collect(),
            secrets: fields.secrets.clone(),
            ..PolicySpec::default()
        };
        let policy = Arc::new(Policy::new(&spec)?);
        Ok(Self { profile, policy })
    }
}

fn pii(kind: PersonalKind) -> Pii {
    match kind {
        PersonalKind::Email => Pii::Email,
        PersonalKind::Phone => Pii::Phone,
        PersonalKind::Name => Pii::Name,
        PersonalKind::Address => Pii::Address,
        PersonalKind::Text => Pii::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_profile_makes_a_policy() {
        for name in Profile::builtin_names() {
            let profile = Profile::builtin(name).expect("a built-in profile");
            if let Err(errors) = Knowledge::new(profile) {
                panic!("{name}: {errors:?}");
            }
        }
    }
}
