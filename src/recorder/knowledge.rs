//! What the recorder knows of an upstream: its vendor's profile, and the masking policy made from the profile's lists.

use crate::exchange::Origin;
use crate::exchange::redact::{Policy, PolicyError};
use crate::vendors::Profile;
use std::sync::Arc;

/// Profile and policy.
#[derive(Clone)]
pub struct Knowledge {
    /// The profile.
    pub profile: Arc<Profile>,
    /// What may be kept.
    pub policy: Arc<Policy>,
    /// Where all upstreams are: a link that leads to one leads past the agent.
    pub origins: Arc<[Origin]>,
}

impl Knowledge {
    /// Builds the policy; errors name the list and the field.
    pub fn new(profile: Arc<Profile>) -> Result<Self, Vec<PolicyError>> {
        let policy = Arc::new(Policy::new(&profile.policy())?);
        Ok(Self { profile, policy, origins: Arc::default() })
    }

    /// Beside the upstreams at `origins`.
    pub fn among(self, origins: Arc<[Origin]>) -> Self {
        Self { origins, ..self }
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
