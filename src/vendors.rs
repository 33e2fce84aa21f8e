//! What is known about each CRM, as data, and the pure functions that read it.

/// One vendor's facts.
#[derive(Debug)]
pub struct Profile {}
