//! With any other part of the agent dead, stuck or out of space, the CRM's traffic flows, and what was lost is counted.

mod collector;
mod disk;
mod kill;
mod load;
mod reader;
mod recorder;
