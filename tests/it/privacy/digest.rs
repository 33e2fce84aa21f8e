//! Random exchanges through the recorder's digest.
