//! The exchange log that can be searched, by day.

use std::path::PathBuf;

/// Where records are kept and for how long, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// False turns the history off.
    pub enabled: bool,
    /// Directory that holds one file a day.
    pub dir: PathBuf,
    /// Whole days kept, 1 to 90.
    pub days: u32,
    /// Bytes all days may hold together; the oldest go first.
    pub max_bytes: u64,
}
