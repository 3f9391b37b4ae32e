//! `primetrade storage reconcile`: finds every difference, and mends those where that loses nothing.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use chrono::TimeDelta;
use diesel_async::RunQueryDsl;
use primetrade::clock::Clock;
use primetrade::db::AdvisoryLock;
use serde_json::Value;

use crate::support::scan::paper;
use crate::support::{Action, App, World};

/// Dates a file back by an hour. The command leaves younger files alone, because their upload may still be running.
fn an_hour_old(path: &std::path::Path) {
    let file = std::fs::File::options().append(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
}

/// The lines that name a difference, without their explanations.
fn differences(report: &str) -> Vec<String> {
    let lines = report.lines().filter(|line| {
        ["missing", "orphan", "size", "checksum", "pending", "fix", "adopt"].iter().any(|word| line.starts_with(word))
    });
    lines.map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect()
}

/// Where the object of a key is on the disk.
fn path(app: &App, key: &str) -> PathBuf {
    match &app.s3 {
        Some(s3) => s3.path_of(key),
        None => app.media(key),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_difference_is_found_and_mended_where_that_loses_nothing() {
    for on_s3 in [false, true] {
        let app = if on_s3 { App::on_s3(&[]).await } else { App::start().await };
        // The server sweeps every minute, and would settle what this test leaves for the command.
        let db = app.db();
        let mut sweeping = db.get().await.unwrap();
        let lock = format!("SELECT pg_advisory_lock({})", AdvisoryLock::Sweep.number());
        diesel::sql_query(lock).execute(&mut sweeping).await.unwrap();
        let (code, stdout, stderr) = app.reconcile(&[]).await;
        assert_eq!((code, differences(&stdout)), (0, vec![]), "{stdout}{stderr}");
        assert!(stdout.contains("Keys in the database:      7"), "{stdout}");
        let key = file_from_the_inbox(&app).await;
        assert_eq!(app.reconcile(&[]).await.0, 0);
        damage_the_storage(&app, &key).await;
        expect_every_difference(&app, &key).await;
        expect_what_can_be_mended(&app, &key).await;
        file_what_was_found(&app).await;
        expect_what_is_left(&app).await;
    }
}

/// Files a document from the inbox and returns its new key. Both objects stay, and each can replace the other.
async fn file_from_the_inbox(app: &App) -> String {
    let office = app.office().await;
    let waiting = office.upload(&[("kind", "other")], "waits.pdf", &paper("waits")).await.document_id(0);
    office.post(&format!("/office/documents/{waiting}/file"), &[("number", "25-5"), ("kind", "invoice")]).await;
    app.document(waiting).await.object_key
}

async fn damage_the_storage(app: &App, filed: &str) {
    std::fs::remove_file(path(app, filed)).unwrap();
    // An operator has renamed this one by hand.
    std::fs::rename(path(app, "bols/2025/PRT-2025-0003.pdf"), path(app, "bols/2025/renamed.pdf")).unwrap();
    an_hour_old(&path(app, "bols/2025/renamed.pdf"));
    std::fs::write(path(app, "bols/2025/PRT-2025-0002.pdf"), b"%PDF-1.4 of another size").unwrap();
    let altered = path(app, "bols/2025/PRT-2025-0004.pdf");
    let same_size = vec![b'x'; std::fs::metadata(&altered).unwrap().len() as usize];
    if app.s3.is_none() {
        std::fs::write(altered, same_size).unwrap();
    }
    for (key, bytes) in [
        ("bols/2025/PRT-2025-0099.pdf", paper("nobody's")),
        ("bols/2025/PRT-2025-0098.pdf", paper("waits")),
        ("bols/notes.txt", b"hello".to_vec()),
        ("audit/checkpoints/1", b"not a document".to_vec()),
    ] {
        let path = path(app, key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        an_hour_old(&path);
    }
    // This one is young, so its upload may still be running.
    std::fs::write(path(app, "bols/2025/PRT-2025-0097.pdf"), b"%PDF-1.4 new").unwrap();
    let two_hours_ago = Clock::system().now() - TimeDelta::hours(2);
    let user = app.user_id(World::ACME).await;
    app.new_document("inbox/2025/stuck.pdf").pending(two_hours_ago, user).create().await;
}

async fn expect_every_difference(app: &App, filed: &str) {
    let mut expected = vec![
        "size bols/2025/PRT-2025-0002.pdf".to_owned(),
        "missing bols/2025/PRT-2025-0003.pdf".to_owned(),
        "checksum bols/2025/PRT-2025-0004.pdf".to_owned(),
        format!("missing {filed}"),
        "orphan bols/2025/PRT-2025-0098.pdf".to_owned(),
        "orphan bols/2025/PRT-2025-0099.pdf".to_owned(),
        "orphan bols/2025/renamed.pdf".to_owned(),
        "orphan bols/notes.txt".to_owned(),
        "pending inbox/2025/stuck.pdf".to_owned(),
    ];
    if app.s3.is_some() {
        expected.remove(2);
    }
    let published = || std::fs::read_dir(path(app, "audit/checkpoints/1").parent().unwrap()).unwrap().count();
    let before = published();
    let (code, stdout, _) = app.reconcile(&[]).await;
    let mut found = differences(&stdout);
    // The command compares checksums in parallel, so the order varies.
    found.sort();
    expected.sort();
    assert_eq!((code, found), (1, expected), "{stdout}");
    assert!(stdout.contains("Uploads in progress:       1"), "{stdout}");
    // The server publishes one checkpoint a minute, also while the command runs.
    let is_counted = |count| stdout.contains(&format!("Not documents:             {count}"));
    assert!((before..=published()).any(is_counted), "{stdout}");
    let (_, stdout, _) = app.reconcile(&["--sizes", "--json"]).await;
    let last: Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    assert_eq!(last["summary"]["differences"], 8, "{stdout}");
}

async fn expect_what_can_be_mended(app: &App, filed: &str) {
    let (code, stdout, _) = app.reconcile(&["--fix", "--adopt"]).await;
    assert_eq!(code, 1, "a lost file can't be made up: {stdout}");
    let documents = app.documents().await;
    let adopted = documents.iter().filter(|document| document.object_key.contains("009"));
    let adopted: Vec<_> = adopted
        .map(|document| (document.object_key.as_str(), document.state.as_str(), document.waits_for.as_str()))
        .collect();
    let key = "bols/2025/PRT-2025-0099.pdf";
    let reason = format!("Found in the storage, without a document, as {key}.");
    assert_eq!(adopted, [(key, "stored", reason.as_str())]);
    assert!(stdout.contains("has the same bytes") && stdout.contains("This file is not a PDF"), "{stdout}");
    for key in ["bols/2025/PRT-2025-0098.pdf", "bols/notes.txt", "bols/2025/PRT-2025-0099.pdf"] {
        assert!(path(app, key).exists(), "nothing is deleted: {key}");
    }
    assert_eq!(std::fs::read(path(app, filed)).unwrap(), paper("waits"), "put back from the inbox");
    assert!(path(app, "bols/2025/PRT-2025-0003.pdf").exists(), "put back from the renamed file");
    assert!(!documents.iter().any(|document| document.object_key.contains("stuck")), "its bytes never arrived");
    assert_eq!(app.events().await.only(Action::DocumentMended).len(), 2);
    assert!(!app.events().await.only(Action::DocumentAdopted).is_empty());
}

async fn file_what_was_found(app: &App) {
    let documents = app.documents().await;
    let found = documents.iter().find(|document| document.object_key.contains("0099")).unwrap().id;
    let form = [("number", "25-5"), ("kind", "other")];
    let filed = app.office().await.post(&format!("/office/documents/{found}/file"), &form).await;
    assert_eq!(filed.status, 303, "{}", filed.text());
}

async fn expect_what_is_left(app: &App) {
    let (_, stdout, _) = app.reconcile(&[]).await;
    let mut left = differences(&stdout);
    left.retain(|line| !line.contains("0004"));
    left.sort();
    assert_eq!(
        left,
        [
            "orphan bols/2025/PRT-2025-0098.pdf",
            "orphan bols/2025/renamed.pdf",
            "orphan bols/notes.txt",
            "size bols/2025/PRT-2025-0002.pdf",
        ]
    );
}

/// More than a page on either side, with differences at the ends of pages, and two documents that share an object.
#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_page_is_compared_to_the_end() {
    let app = App::on_s3(&[]).await;
    let s3 = app.s3.as_ref().unwrap();
    let count = 2_345;
    std::fs::create_dir_all(s3.path_of("inbox/2024")).unwrap();
    for n in 1..=count {
        // Neither the first, nor the last, nor those at the ends of pages of a thousand.
        if ![1, 1000, 1001, 2000, count].contains(&n) {
            std::fs::write(s3.path_of(&format!("inbox/2024/{n:04}.pdf")), b"x").unwrap();
        }
    }
    app.sql(&format!(
        "INSERT INTO documents (kind, version, object_key, file_name, sha256, size_bytes, state, stored_at, arrived_key) \
         SELECT 'other', 1, 'inbox/2024/' || to_char(n, 'FM0000') || '.pdf', 'x.pdf', sha256('x'), 1, 'stored', now(), \
                CASE WHEN n IN (999, 1999) THEN 'inbox/2024/1500.pdf' END FROM generate_series(1, {count}) AS n"
    ))
    .await;
    let (code, stdout, _) = app.reconcile(&[]).await;
    let mut missing = differences(&stdout);
    missing.sort();
    let expected = [1, 1000, 1001, 2000, count].map(|n| format!("missing inbox/2024/{n:04}.pdf"));
    assert_eq!((code, missing), (1, expected.to_vec()), "{stdout}");
    assert!(stdout.contains(&format!("Keys in the database:      {}", count + 7 + 2)), "{stdout}");
}
