//! The sweeper, which settles interrupted uploads.

use chrono::TimeDelta;
use primetrade::db::Database;
use primetrade::documents::sweep::{sweep_alone, sweep_once};

use crate::support::scan::paper;
use crate::support::{Action, App, DocumentRow, World};

/// One row without its bytes, one with them, and one that was leaving the inbox.
#[tokio::test(flavor = "multi_thread")]
async fn the_sweeper_settles_interrupted_uploads() {
    let app = App::start().await;
    let office = app.office().await;
    for (name, text) in [("PRT-2025-0005.pdf", "gone"), ("PRT-2025-0005.pdf", "there"), ("waits.pdf", "waits")] {
        office.upload(&[("kind", "other")], name, &paper(text)).await;
    }
    let uploads = app.uploads().await;
    let ids: Vec<i64> = uploads.iter().map(|document| document.id).collect();
    let gone = uploads[0].object_key.clone();
    let clerk = app.user_id(World::OFFICE).await;
    app.interrupt_upload(&ids[..2], clerk).await;
    app.interrupt_filing(ids[2], World::ACME_BARE, 9, clerk).await;
    std::fs::rename(app.media(&gone), app.media("elsewhere.pdf")).unwrap();
    // Pending documents are invisible.
    assert_eq!(office.get(&format!("/documents/{}/download", ids[1])).await.status, 404);
    assert_eq!(sweep(&app).await, 0, "the upload may still be running");
    app.clock.advance(TimeDelta::minutes(16));
    assert_eq!(sweep(&app).await, 3);
    assert_eq!(sweep(&app).await, 0);
    let left = app.uploads().await;
    let left: Vec<_> = left
        .iter()
        .map(|document| {
            let (is_filed, came_from_inbox) = (document.bol_id.is_some(), document.arrived_key.is_some());
            (document.arrived_as.as_str(), document.state.as_str(), is_filed, came_from_inbox)
        })
        .collect();
    assert_eq!(left, [("PRT-2025-0005.pdf", "stored", true, false), ("waits.pdf", "stored", false, false)]);
    let uploaded = app.events().await.only(Action::DocumentUploaded);
    assert!(
        uploaded
            .iter()
            .any(|event| event.email() == World::OFFICE && event.detail("settled") == "after an interruption"),
        "{uploaded:?}"
    );
    // The lost file is uploaded again and stored.
    assert_eq!(
        office.upload(&[("kind", "other")], "PRT-2025-0005.pdf", &paper("gone")).await.outcomes(),
        ["stored PRT-2025-0005"]
    );
}

/// Only one server sweeps at a time. The others skip the sweep.
#[tokio::test(flavor = "multi_thread")]
async fn one_server_sweeps_at_a_time() {
    use diesel_async::SimpleAsyncConnection;
    let app = App::start().await;
    let old = app.clock.now() - TimeDelta::minutes(20);
    app.new_document("inbox/2026/cut-off.pdf").pending(old, app.user_id(World::ACME).await).create().await;
    let db = Database::new(&app.database, 2);
    let config = primetrade::config::StorageConfig::Local { root: app.media("") };
    let storage = primetrade::storage::Storage::with_long_timeouts(&config).await;
    let mut other = primetrade::db::connect(&app.database).await.unwrap();
    other
        .batch_execute(&format!(
            "BEGIN; SELECT pg_advisory_xact_lock({})",
            primetrade::db::AdvisoryLock::Sweep.number()
        ))
        .await
        .unwrap();
    let swept = sweep_alone(&db, &storage, &app.clock).await.unwrap();
    assert_eq!((swept.settled, swept.left), (0, 0), "another server is sweeping");
    other.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(sweep_alone(&db, &storage, &app.clock).await.unwrap().settled, 1);
    assert!(!app.documents().await.iter().any(DocumentRow::is_pending));
}

/// Runs a sweep and returns how many documents it settled.
pub(super) async fn sweep(app: &App) -> usize {
    let config = primetrade::config::StorageConfig::Local { root: app.media("") };
    let secret = primetrade::config::SecretKey::from_bytes(vec![0]);
    let storage = primetrade::storage::Storage::new(&config, &secret, String::new()).await;
    sweep_once(&Database::new(&app.database, 2), &storage, &app.clock).await.unwrap().settled
}

/// Filing was interrupted after the copy. Another upload was interrupted before its BOL was reassigned. A third row can
/// never be settled.
#[tokio::test(flavor = "multi_thread")]
async fn the_sweeper_records_what_it_settled() {
    let app = App::start().await;
    let (office, admin) = (app.office().await, app.user_id(World::ADMIN).await);
    let filed = office.upload(&[("kind", "other")], "waits.pdf", &paper("waits")).await.document_id(0);
    office.post(&format!("/office/documents/{filed}/file"), &[("number", "25-5"), ("kind", "invoice")]).await;
    let given = office.upload(&[("kind", "other")], "PRT-2025-0004.pdf", &paper("given")).await.document_id(0);
    let odd = office.upload(&[("kind", "other")], "PRT-2025-0005.pdf", &paper("odd")).await.document_id(0);
    let mark = app.events().await.mark();
    app.interrupt_upload(&[filed, given, odd], admin).await;
    app.sql(&format!(
        "UPDATE documents SET pending_customer = {} WHERE id = {given}; UPDATE bols SET customer_id = {} WHERE number = 'PRT-2025-0004'; \
         UPDATE documents SET object_key = 'no key at all' WHERE id = {odd}",
        app.world.acme, app.world.rival
    ))
    .await;
    app.clock.advance(TimeDelta::minutes(16));
    assert_eq!(sweep(&app).await, 2);
    let events = app.events().await.since(mark);
    let mut events = events.list(|event| (event.document_id, event.action.as_str(), event.email(), event.customer()));
    events.sort_unstable();
    assert_eq!(
        events,
        [(Some(filed), "DOCUMENT_FILED", World::ADMIN, "ACME"), (Some(given), "DOCUMENT_UPLOADED", World::ADMIN, "-"),]
    );
    let waiting = app.document(given).await;
    assert_eq!(
        (waiting.waits_for.as_str(), waiting.bol_id, waiting.state.as_str()),
        ("PRT-2025-0004 was assigned to RIVAL during the upload.", None, "stored")
    );
}

/// A document leaves the inbox, is interrupted, and is uploaded again. There is no second document, and the sweeper
/// settles the first one.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_upload_during_filing_stores_nothing_twice() {
    let app = App::start().await;
    let office = app.office().await;
    let id = office.upload(&[("kind", "other")], "waits.pdf", &paper("waits")).await.document_id(0);
    app.interrupt_filing(id, World::ACME_BARE, 1, app.user_id(World::OFFICE).await).await;
    let again = office.upload(&[("kind", "other")], "waits.pdf", &paper("waits")).await;
    assert_eq!(again.outcomes(), ["duplicate"]);
    assert!(again.reason(0).contains("being stored with PRT-2025-0005"), "{}", again.reason(0));
    assert_eq!(app.uploads().await.len(), 1);
    app.clock.advance(TimeDelta::minutes(16));
    assert_eq!(sweep(&app).await, 1);
    assert_eq!(office.get("/office/inbox").await.all(".intake h2"), ["waits.pdf"]);
    assert_eq!(
        office.get("/office/inbox").await.one(".intake .why"),
        "No BOL number was found in the file, its name or a list."
    );
    // With a number it is filed.
    let named = office.upload(&[("kind", "other")], "PRT-2025-0005.pdf", &paper("waits")).await;
    assert_eq!(named.outcomes(), ["stored PRT-2025-0005"]);
}
