//! Attempts to log in are counted in rows that others count in at the same time.

use std::time::Duration;

use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use primetrade::db;
use tokio::time::{sleep, timeout};

use crate::support::{App, PASSWORD, World};

/// The counts that refuse, of one address.
const REFUSING: &str = "scope IN ('account+address', 'address')";

async fn guess(app: &App) -> u16 {
    app.stranger().post("/login", &[("email", World::ACME), ("password", "a guess of fifteen")]).await.status
}

/// A connection with an open transaction.
async fn begun(app: &App) -> AsyncPgConnection {
    let mut connection = db::connect(&app.database).await.unwrap();
    connection.batch_execute("BEGIN").await.unwrap();
    connection
}

/// Waits until a statement of this database waits for a lock.
async fn until_one_waits(app: &App) {
    const WAITING: &str =
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    for _ in 0..200 {
        if !app.rows(WAITING).await.is_empty() {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("none waits");
}

/// Two refusals of one login that locked the same rows in different orders would be a deadlock, and one of them an error.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_locks_its_counts_in_one_order() {
    let app = App::start().await;
    let mut answers = Vec::new();
    for _ in 0..6 {
        answers.push(guess(&app).await);
    }
    assert_eq!(answers, [422, 422, 422, 422, 422, 429]);
    // The next refusal is to be noted again. The rows lie the other way round than they are to be locked in.
    app.sql(
        "CREATE TABLE counts AS SELECT * FROM login_throttles; DELETE FROM login_throttles; \
         UPDATE counts SET refused_at = NULL, failures = 100, last_failed_at = now() + interval '1 hour'; \
         INSERT INTO login_throttles SELECT * FROM counts ORDER BY key DESC",
    )
    .await;
    let mut other = begun(&app).await;
    let lock = |order: &str, how: &str| {
        format!("SELECT FROM login_throttles WHERE {REFUSING} ORDER BY key {order} LIMIT 1 FOR UPDATE {how}")
    };
    other.batch_execute(&lock("ASC", "")).await.unwrap();
    let (status, ()) = tokio::join!(guess(&app), async {
        until_one_waits(&app).await;
        other.batch_execute(&lock("DESC", "NOWAIT")).await.expect("the refusal waits for its first row");
        other.batch_execute("COMMIT").await.unwrap();
    });
    assert_eq!(status, 429);
    assert_eq!(
        app.rows(&format!("SELECT FROM login_throttles WHERE {REFUSING} AND refused_at IS NULL")).await.len(),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn old_counts_are_deleted_without_waiting_for_those_in_use() {
    let app = App::start().await;
    assert_eq!(guess(&app).await, 422);
    app.sql("UPDATE login_throttles SET last_failed_at = last_failed_at - interval '25 hours'").await;
    let mut other = begun(&app).await;
    other.batch_execute("SELECT FROM login_throttles WHERE scope = 'account' FOR UPDATE").await.unwrap();
    let login = [("email", World::RIVAL), ("password", PASSWORD)];
    let answer = timeout(Duration::from_secs(10), app.stranger().post("/login", &login)).await.expect("no wait");
    assert_eq!(answer.status, 303);
    const OF_ACME: &str = "SELECT scope FROM login_throttles WHERE last_failed_at < now() - interval '1 day'";
    assert_eq!(app.rows(OF_ACME).await, ["account"]);
    other.batch_execute("COMMIT").await.unwrap();
    assert_eq!(app.stranger().post("/login", &login).await.status, 303);
    assert!(app.rows(OF_ACME).await.is_empty());
}
