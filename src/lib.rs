#![doc = include_str!("ARCHITECTURE.md")]

// Layer 0: values, no I/O.
pub mod clock;
pub mod exchange;
pub mod secret;

// Layer 1: what is known about each CRM, pure; certificates; ways out of the machine.
pub mod net;
pub mod tls;
pub mod vendors;

// Layer 2: infrastructure.
pub mod history;
pub mod quota;
pub mod recorder;
pub mod telemetry;
pub mod upstream;

// Layer 3: features; they never import each other.
pub mod proxy;
pub mod sandbox;

// Layer 4 and up: read side, composition, commands.
pub mod admin;
pub mod app;
pub mod cli;
pub mod config;
