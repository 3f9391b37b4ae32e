//! The access log: who did what, when, from where. Append-only.
//!
//! Recording lives here, also of what became of a link ([`fetched`]), reading ([`search`]), exporting ([`export`]),
//! sealing ([`seal`]), verifying ([`verify`]), proving ([`prove`]) and purging ([`retention`]). This module asks nobody's
//! permission and calls no other domain module; it knows the tables of BOLs and documents as far as an event names their
//! rows.

mod access;
mod binary_copy;
mod columns;
mod event;
pub mod export;
pub mod fetched;
pub mod filter;
pub mod prove;
pub mod retention;
pub mod seal;
pub mod search;
pub mod verify;

pub use access::{Asked, Recorded, deny, record_link, record_view};
pub use columns::{COLUMNS, Cell, EventRow};
pub use event::{Action, Actor, Event, Origin, Outcome, record};
