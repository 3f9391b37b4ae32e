//! Customers, users, memberships, passwords, second factors, sessions, API tokens and the login.
//!
//! [`crate::db::scope`] decides which rows a user sees, and `web::auth` which pages need which role.

pub mod access;
pub mod account;
mod acting;
pub mod api_tokens;
pub mod breached;
mod capabilities;
pub mod customers;
mod device;
mod device_name;
pub mod directory;
pub mod entry;
mod factor_policy;
pub mod factors;
pub mod invitation;
pub mod login;
pub mod login_history;
pub mod new_device;
mod own_password;
pub mod passwords;
pub mod people;
pub mod person_name;
pub mod reset;
pub mod response_slots;
pub mod see_as;
pub mod sessions;
pub mod sso;
pub mod step_up;
pub mod throttle;
mod token;
pub mod users;
mod viewer;

pub use acting::ActingUser;
pub use customers::Customer;
pub use device::DeviceKey;
pub use device_name::device_name;
pub use factor_policy::{LoginLinks, Policy};
pub use factors::FactorKey;
pub use sessions::HalfLogin;
pub use token::Token;
pub use users::{Role, User, is_customer_role};
pub use viewer::{Company, Door, Viewer};
