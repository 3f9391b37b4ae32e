//! The access log: who did what, when, from where. Append-only.
//!
//! Recording lives here; reading, exporting and sealing will. What an event is about is known to the module that
//! records it, never the other way round.

mod access;
mod event;

pub use access::{Access, Asked, deny};
pub use event::{Action, Actor, Event, Origin, Outcome, record};
