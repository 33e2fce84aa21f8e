//! Masking, the first of the two doors out of memory: deny by default.
//!
//! A string value survives only where a [`Policy`] lists its field as safe; ids, e-mails, phones and names become keyed
//! tokens (`deal:k3f9…`), the same value always the same token within one installation; everything else is replaced.
//! [`Masked`] has no public constructor that takes raw wire data, so a record cannot hold an unmasked value.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Text that may leave memory: made only here, or from words that the program itself defines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Masked(Cow<'static, str>);

impl Masked {
    /// A word of the program's own.
    pub const fn word(word: &'static str) -> Self {
        Self(Cow::Borrowed(word))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
