//! Customers, users, memberships, passwords, second factors, sessions and the login.
//!
//! [`crate::db::scope`] decides which rows a user sees, and `web::auth` which pages need which role.

pub mod access;
pub mod account;
mod acting;
mod capabilities;
pub mod customers;
mod device;
pub mod directory;
pub mod entry;
mod factor_policy;
pub mod factors;
pub mod invitation;
pub mod login;
mod own_password;
pub mod passwords;
pub mod people;
pub mod person_name;
pub mod reset;
pub mod response_slots;
pub mod see_as;
pub mod sessions;
pub mod step_up;
pub mod throttle;
mod token;
pub mod users;

pub use acting::ActingUser;
pub use customers::Customer;
pub use device::DeviceKey;
pub use factor_policy::Policy;
pub use factors::FactorKey;
pub use sessions::{Company, HalfLogin, Viewer};
pub use token::Token;
pub use users::{Role, User};
