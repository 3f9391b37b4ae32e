//! A log to tamper with, and what `audit verify` says about it.

use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use primetrade::audit::verify::{ExpectedRetention, Progress, Report, Verification};
use primetrade::db;

use super::tamper::hidden;
use super::{App, World};

const EVENTS: &str = "INSERT INTO audit_events (action, outcome, user_id, user_email, user_role, customer_id, customer_code, bol_id, bol_number, \
        document_id, document_kind, file_name, object_key, sha256, ip, user_agent, request_id, detail) \
    SELECT 'BOL_DOWNLOADED', 'success', n % 7, 'user' || n % 7 || '@acme.example', 'customer', 1, 'ACME', NULL, 'PRT-2025-0001', n, 'bol', 'a.pdf', \
        'bols/2025/PRT-2025-0001.pdf', decode(md5(n::text) || md5(n::text), 'hex'), '10.0.0.1', 'Mozilla', md5(n::text), jsonb_build_object('n', n) \
    FROM generate_series(1, 600) n";

/// A log with some hundred sealed events, and a connection of its owner, who can change everything.
pub struct SealedLog {
    pub app: App,
    owner: AsyncPgConnection,
}

impl SealedLog {
    pub async fn new() -> Self {
        let app = App::start().await;
        let acme = app.acme().await;
        app.all_published().await;
        acme.get(&format!("/bols/{}", World::ACME_BOL)).await;
        app.all_published().await;
        for _ in 0..3 {
            app.sql(EVENTS).await;
            app.all_published().await;
        }
        let mut owner = db::connect(&app.database).await.unwrap();
        owner
            .batch_execute(
                "CREATE TABLE kept_events AS SELECT * FROM audit_events; CREATE TABLE kept_leaves AS SELECT * FROM audit_leaves; \
                 CREATE TABLE kept_checkpoints AS SELECT * FROM audit_checkpoints",
            )
            .await
            .unwrap();
        Self { app, owner }
    }

    /// Changes the log while no server seals, because sealing locks in another order. A server that publishes a
    /// checkpoint at this moment may still cause a deadlock, after which the change is made again.
    pub async fn change(&mut self, sql: &str) {
        let sql = hidden(sql);
        for _ in 0..5 {
            match self.owner.batch_execute(&sql).await {
                Err(error) if error.to_string().contains("deadlock detected") => self.run("ROLLBACK").await,
                done => return done.unwrap_or_else(|error| panic!("{sql}: {error}")),
            }
        }
        panic!("five deadlocks: {sql}");
    }

    /// Runs statements of the owner, which may leave a transaction open.
    pub async fn run(&mut self, sql: &str) {
        self.owner.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    pub async fn undo(&mut self) {
        self.change(
            "BEGIN; DELETE FROM audit_events; TRUNCATE audit_leaves, audit_checkpoints; INSERT INTO audit_events SELECT * FROM kept_events; \
             INSERT INTO audit_leaves SELECT * FROM kept_leaves; INSERT INTO audit_checkpoints SELECT * FROM kept_checkpoints; COMMIT",
        )
        .await;
    }

    pub async fn verify(&self) -> Report {
        self.app.verify().await
    }

    /// Changes the log, returns the differences that verifying finds, and undoes the change.
    pub async fn told_of(&mut self, sql: &str) -> Vec<String> {
        self.change(sql).await;
        let told = self.verify().await.differences;
        self.undo().await;
        told
    }

    /// Expects verifying to name a change of the log, and undoes the change.
    pub async fn expect(&mut self, sql: &str, told: &str) {
        let differences = self.told_of(sql).await;
        assert!(differences.iter().any(|difference| difference.contains(told)), "{sql}: {told}: {differences:?}");
        // Some changes drop constraints.
        let _ = self.owner.batch_execute("ALTER TABLE audit_leaves ADD PRIMARY KEY (position)").await;
    }

    /// The sizes of the tree at its checkpoints, in ascending order.
    pub async fn sizes(&self) -> Vec<i64> {
        self.app.checkpoints().await.iter().map(|checkpoint| checkpoint.size).collect()
    }

    pub async fn number(&self, select: &str) -> i64 {
        self.app.rows(select).await[0].parse().unwrap()
    }
}

impl App {
    /// Waits until every event is sealed and the newest checkpoint is in the storage. A checkpoint names the last one
    /// that was published before it, so only after this wait does the next one prove that this one was published.
    async fn all_published(&self) {
        self.sealed().await;
        self.published().await;
    }

    /// Verifies the log with this server's keys and its storage, without a retention.
    pub async fn verify(&self) -> Report {
        let (db, keys, storage) = (self.db(), self.seals(), self.storage().await);
        let storage = Some(&storage);
        let (retention, progress) = (ExpectedRetention::default(), Progress::default());
        let (kept, witness) = (Vec::new(), None);
        Verification { db: &db, keys: &keys, storage, kept, witness, retention, progress }.run().await.unwrap()
    }
}
