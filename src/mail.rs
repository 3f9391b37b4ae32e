//! Outgoing mail: what it says ([`Letter`]), the outbox that loses nothing ([`outbox`]), and the way out ([`Postman`]).
//!
//! A mail is written into the outbox in the transaction of what it tells of, and sent afterwards, so that a mail server
//! that is down or slow neither loses one nor holds anybody up. It may arrive twice if a process dies between sending and
//! noting it; its `Message-ID` is the same then. No mail has a file in it, or a link to one that works without a log-in.

mod letter;
mod link;
pub mod outbox;
mod postman;

pub use letter::{Item, Letter, News};
pub use link::LinkKey;
pub use postman::Postman;

/// Can mail be sent to this? As the library that sends it reads addresses.
pub fn is_address(text: &str) -> bool {
    text.len() <= 254 && text.parse::<lettre::Address>().is_ok()
}
