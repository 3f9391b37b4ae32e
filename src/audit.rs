//! The access log: who did what, when, and from where. Append-only.
//!
//! * [`record`] writes an [`Event`], whose columns `columns` lists; [`fetched`] records what became of links.
//! * [`search`] reads the log. [`filter`] parses what someone searches for, and [`names`] finds what a part of a name
//!   means. [`export`] writes files.
//! * [`feed`] reads the sealed events in the order of the tree, for programs that follow the log.
//! * [`seal`] puts events into a signed Merkle tree, [`verify`] checks it, and [`prove`] proves single events.
//! * [`witness`] sends checkpoints to a second place.
//! * [`months`] prepares the partitions, and [`retention`] removes events that are older than the retention period.
//!
//! This module checks no permissions and calls no other domain module.

mod binary_copy;
mod columns;
mod event;
pub mod export;
pub mod feed;
pub mod fetched;
pub mod filter;
pub mod months;
pub mod names;
pub mod prove;
pub mod retention;
pub mod seal;
pub mod search;
pub mod verify;
pub mod witness;

pub use columns::{COLUMNS, Cell, EventRow};
pub use event::{Action, Actor, Event, Origin, Outcome, TokenName, not_stored, record, record_returning_id};
