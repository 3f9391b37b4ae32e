//! Customers, users, memberships, passwords, sessions and the login.
//!
//! [`crate::db::scope`] decides which rows a user sees, and `web::auth` which pages need which role.

pub mod access;
pub mod account;
mod acting;
mod capabilities;
pub mod customers;
mod device;
pub mod directory;
pub mod invitation;
pub mod login;
pub mod passwords;
pub mod people;
pub mod person_name;
pub mod reset;
pub mod response_slots;
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
