//! What someone with every right on the database does to the log, and then hides.

use primetrade::db::AdvisoryLock;

use super::{App, execute};

/// Puts triggers and grants out of the way.
const ALLOW: &str = "GRANT ALL ON audit_events, audit_leaves, audit_checkpoints TO CURRENT_USER; \
    ALTER TABLE audit_events DISABLE TRIGGER USER; ALTER TABLE audit_leaves DISABLE TRIGGER USER; \
    ALTER TABLE audit_checkpoints DISABLE TRIGGER USER";
/// Puts them back as the migrations made them.
const FORBID: &str = "ALTER TABLE audit_events ENABLE TRIGGER USER; ALTER TABLE audit_leaves ENABLE TRIGGER USER; \
    ALTER TABLE audit_checkpoints ENABLE TRIGGER USER; \
    REVOKE UPDATE, DELETE, TRUNCATE ON audit_events, audit_leaves, audit_checkpoints FROM CURRENT_USER; \
    GRANT UPDATE (publish_at, is_published) ON audit_checkpoints TO CURRENT_USER";

/// The statements of a change that leaves no trace but the change. Waits while a server seals, which locks in another
/// order.
pub fn hidden(sql: &str) -> String {
    format!("SELECT pg_advisory_xact_lock({}); {ALLOW}; {sql}; {FORBID}", AdvisoryLock::Seal.number())
}

impl App {
    /// Changes the log with triggers and grants out of the way, and puts them back.
    pub async fn tamper(&self, sql: &str) {
        execute(&self.database, &hidden(sql)).await;
    }

    /// Undoes an inserted event: removes it with all that was sealed since.
    pub async fn forget(&self, id: i64) {
        let position = self.position_of(id).await;
        self.tamper(&format!(
            "DELETE FROM audit_events WHERE id >= {id}; DELETE FROM audit_checkpoints WHERE size > {position}; \
             DELETE FROM audit_leaves WHERE position >= {position}"
        ))
        .await;
    }
}
