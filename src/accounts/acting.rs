//! The user behind a change, with what every change needs.

use super::Viewer;
use crate::audit::{Actor, Origin};
use crate::clock::Clock;
use crate::db::Database;

/// The logged-in user who makes a change, and the request that it came with.
#[derive(Clone, Copy)]
pub struct ActingUser<'a> {
    pub db: &'a Database,
    pub clock: &'a Clock,
    pub viewer: &'a Viewer,
    pub origin: &'a Origin,
}

impl<'a> ActingUser<'a> {
    /// The user as events of the audit log name them.
    pub fn actor(&self) -> Actor<'a> {
        self.viewer.actor()
    }
}
