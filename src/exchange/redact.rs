//! Masking, the first of the two doors out of memory: deny by default.
//!
//! A value survives only where a [`Policy`] lists its field as one that may be shown, and only if it looks like what such a
//! field holds (a date, a number, a flag, a word of a closed set, names of fields); ids, e-mails, phones and names become keyed
//! tokens (`deal:1k3f9…`), the same value always the same token within one installation; everything else is replaced.
//! [`detect()`] is the second net: a value in a safe field that looks like personal data or a credential is masked
//! anyway.
//! [`Masked`] has no public constructor that takes raw wire data, so a record cannot hold an unmasked value.
//!
//! Invariants: time is linear in the input and the input is bounded ([`MAX_BODY_BYTES`]); output is bounded
//! ([`MAX_MASKED_BYTES`]); what cannot be parsed to its end is never shown, only its size; nothing here panics on
//! input.

mod body;
mod correlation;
mod decode;
mod detect;
mod fields;
mod form;
mod json;
mod kept;
mod key;
mod known;
mod masked;
mod message;
mod multipart;
mod phone;
mod policy;
mod policy_spec;
mod policy_table;
mod shapes;
mod token;
mod value;
mod words;

#[cfg(test)]
mod canary_tests;
#[cfg(test)]
mod fixture;

pub use correlation::correlation_id;
pub use detect::{Detector, detect};
pub use key::{KeyError, MaskKey};
pub use known::{Known, MIN_KNOWN_BYTES};
pub use masked::{Masked, MaskedBuilder};
pub use phone::PhoneRegion;
pub use policy::Policy;
pub use policy_spec::{Pii, PolicyError, PolicySpec};

/// Largest body that is masked; a larger one is replaced by its size. Well above the copies taken for classification,
/// it only keeps a mistake elsewhere from costing seconds here.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Masked text of one body or query stops growing here (a token or a kept value may end a little beyond); what follows
/// is shown as cut. Logs are read by people and shipped by the byte: 8 KiB shows about 200 fields.
pub const MAX_MASKED_BYTES: usize = 8 * 1024;

/// Longest word of a closed set that is kept; sentences are longer.
pub const MAX_SAFE_CHARS: usize = 64;

/// Longest masked error message, in characters.
pub const MAX_MESSAGE_CHARS: usize = 200;

/// Masks with one key. Cheap to share behind an `Arc`; holds no state but that.
pub struct Masker {
    key: MaskKey,
    phone_region: Option<PhoneRegion>,
}

impl Masker {
    /// A masker whose tokens depend on `key`.
    pub fn new(key: MaskKey) -> Self {
        Self { key, phone_region: None }
    }

    /// Reads phone numbers as written there, so that national and international forms of one give the same token.
    pub fn with_phone_region(self, phone_region: Option<PhoneRegion>) -> Self {
        Self { phone_region, ..self }
    }

    /// A key for another keyed hash, e.g. of callers' credentials: it tells nothing about this one, and changes with
    /// it.
    pub fn derive_key(&self, purpose: &'static str) -> [u8; 32] {
        // Tokens hash a kind first, and no kind begins with a zero byte.
        *blake3::keyed_hash(self.key.bytes(), format!("\0{purpose}").as_bytes()).as_bytes()
    }

    /// The key's version, which every token carries as its first character after the colon.
    pub fn key_version(&self) -> u16 {
        self.key.version()
    }
}
