//! Logging in and out, invitations and forgotten passwords.

mod attempts;
mod drafts;
mod factors;
mod invitation;
mod login;
mod new_device;
mod passkeys;
mod password_reset;
mod revocation;
mod sessions;
mod sso;
