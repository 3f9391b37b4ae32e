//! Logging in and out, invitations and forgotten passwords.

pub mod invitation;
pub mod login;
pub mod password_reset;
pub mod sessions;
