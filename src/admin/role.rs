//! Who may do what: five roles, each a set of endpoints and not a step on a ladder. [`super::endpoint`] has the table.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a token's holder is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("type" = "string"))]
pub enum Role {
    // Said in the table of docs/security.md; a variant's own words would make the schema a `oneOf` of constants.
    #[allow(missing_docs)]
    Viewer,
    #[allow(missing_docs)]
    Steward,
    #[allow(missing_docs)]
    Operator,
    #[allow(missing_docs)]
    Auditor,
    #[allow(missing_docs)]
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [Self::Viewer, Self::Steward, Self::Operator, Self::Auditor, Self::Admin];

    /// The word in configuration, tokens files and the audit log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Steward => "steward",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
        }
    }

    /// The role called `word`.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
