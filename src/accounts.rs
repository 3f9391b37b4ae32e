//! Who may come in: customers, users, memberships, passwords, sessions and the log-in.
//!
//! What somebody may then see is [`crate::db::scope`]'s business, and which page needs which role is
//! `web::auth`'s.

pub mod account;
mod acting;
pub mod customers;
mod device;
pub mod directory;
pub mod invitation;
pub mod login;
pub mod passwords;
pub mod people;
pub mod reset;
pub mod see_as;
pub mod sessions;
pub mod throttle;
mod token;
pub mod users;

pub use acting::ActingUser;
pub use customers::Customer;
pub use device::DeviceKey;
pub use sessions::{Company, Viewer};
pub use token::Token;
pub use users::{Role, User};
