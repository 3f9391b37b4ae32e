//! API tokens: programs act with them for a user, without a session.
//!
//! A token may do what its scopes allow *and* what its owner may do at the moment of the request. [`lookup`] finds it and
//! counts the request in one round trip; [`refusal`] records what is refused. The secret is shown once and never stored.

mod company;
mod ending;
mod exposure;
pub mod list;
mod lookup;
pub mod manage;
mod owner;
mod readers;
mod refusal;
pub mod reminder;
mod scope;
mod text;

pub use ending::revoke;
pub(super) use ending::revoke_all;
pub use exposure::revoke_exposed;
pub use lookup::{RateUse, TokenCheck, TokenChecker};
pub use owner::TokenOwner;
pub use refusal::{NotAllowed, TokenError, record_not_allowed};
pub use scope::TokenScope;
pub use text::{ApiToken, masked};
