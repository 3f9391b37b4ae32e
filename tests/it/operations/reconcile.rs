//! `primetrade storage reconcile`: every difference is found, and mended where that loses nothing.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::office::upload::one;
use crate::operations::storage::run;
use crate::support::App;
use crate::support::scan::paper;

pub async fn reconcile(app: &App, arguments: &[&str]) -> (i32, String, String) {
    run(&app.environment().to_vec(), &[&["storage", "reconcile"], arguments].concat()).await
}

/// Written an hour ago: what is younger may be on its way.
fn an_hour_old(path: &std::path::Path) {
    let file = std::fs::File::options().append(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
}

fn of(report: &str) -> Vec<String> {
    let lines = report.lines().filter(|line| {
        ["missing", "orphan", "size", "checksum", "pending", "fix", "adopt"].iter().any(|word| line.starts_with(word))
    });
    lines.map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_difference_is_found_and_mended_where_that_loses_nothing() {
    for on_s3 in [false, true] {
        let app = if on_s3 { App::on_s3(&[]).await } else { App::start().await };
        let path = |key: &str| match &app.s3 {
            Some(s3) => s3.path_of(key),
            None => app.media(key),
        };
        let (code, stdout, stderr) = reconcile(&app, &[]).await;
        assert_eq!((code, of(&stdout)), (0, vec![]), "{stdout}{stderr}");
        assert!(stdout.contains("Keys in the database:      7"), "{stdout}");
        // Filed from the inbox: both objects stay, and each can stand in for the other.
        let office = app.office().await;
        let waiting =
            one(&office, &[("kind", "other")], "waits.pdf", &paper("waits")).await.json()[0]["documentId"].clone();
        office.post(&format!("/office/documents/{waiting}/file"), &[("number", "25-5"), ("kind", "invoice")]).await;
        assert_eq!(reconcile(&app, &[]).await.0, 0);
        let key = app.rows(&format!("SELECT object_key FROM documents WHERE id = {waiting}")).await.remove(0);
        std::fs::remove_file(path(&key)).unwrap();
        // Somebody has renamed this one by hand.
        std::fs::rename(path("bols/2025/PRT-2025-0003.pdf"), path("bols/2025/renamed.pdf")).unwrap();
        an_hour_old(&path("bols/2025/renamed.pdf"));
        std::fs::write(path("bols/2025/PRT-2025-0002.pdf"), b"%PDF-1.4 of another size").unwrap();
        let same_size = vec![b'x'; std::fs::metadata(path("bols/2025/PRT-2025-0004.pdf")).unwrap().len() as usize];
        if !on_s3 {
            std::fs::write(path("bols/2025/PRT-2025-0004.pdf"), same_size).unwrap();
        }
        for (key, bytes) in [
            ("bols/2025/PRT-2025-0099.pdf", paper("nobody's")),
            ("bols/2025/PRT-2025-0098.pdf", paper("waits")),
            ("bols/notes.txt", b"hello".to_vec()),
            ("audit/checkpoints/1", b"not a document".to_vec()),
        ] {
            std::fs::create_dir_all(path(key).parent().unwrap()).unwrap();
            std::fs::write(path(key), bytes).unwrap();
            an_hour_old(&path(key));
        }
        // This one is on its way, for all anybody knows.
        std::fs::write(path("bols/2025/PRT-2025-0097.pdf"), b"%PDF-1.4 new").unwrap();
        app.sql("INSERT INTO documents (kind, version, object_key, file_name, sha256, size_bytes, state, pending_at, pending_by) \
                 SELECT 'other', 1, 'inbox/2025/stuck.pdf', 'stuck.pdf', sha256('x'), 1, 'pending', now() - interval '2 hours', 1").await;
        let mut expected = vec![
            "size bols/2025/PRT-2025-0002.pdf".to_owned(),
            "missing bols/2025/PRT-2025-0003.pdf".to_owned(),
            "checksum bols/2025/PRT-2025-0004.pdf".to_owned(),
            format!("missing {key}"),
            "orphan bols/2025/PRT-2025-0098.pdf".to_owned(),
            "orphan bols/2025/PRT-2025-0099.pdf".to_owned(),
            "orphan bols/2025/renamed.pdf".to_owned(),
            "orphan bols/notes.txt".to_owned(),
            "pending inbox/2025/stuck.pdf".to_owned(),
        ];
        if on_s3 {
            expected.remove(2);
        }
        let (code, stdout, _) = reconcile(&app, &[]).await;
        let mut found = of(&stdout);
        // Checksums are compared at the same time.
        found.sort();
        expected.sort();
        assert_eq!((code, found), (1, expected), "{stdout}");
        // The server publishes a checkpoint a minute, so a slow run finds more of them than the test has put there.
        let checkpoints = std::fs::read_dir(path("audit/checkpoints/1").parent().unwrap()).unwrap().count();
        assert!(
            stdout.contains("Going on right now:        1")
                && stdout.contains(&format!("Not documents:             {checkpoints}")),
            "{stdout}"
        );
        let (_, stdout, _) = reconcile(&app, &["--sizes", "--json"]).await;
        let last: Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
        assert_eq!(last["summary"]["differences"], 8, "{stdout}");
        let (code, stdout, _) = reconcile(&app, &["--fix", "--adopt"]).await;
        assert_eq!(code, 1, "what is gone can't be made up: {stdout}");
        let inbox = app.rows("SELECT object_key, state, waits_for FROM documents WHERE object_key ~ '009[0-9]'").await;
        assert_eq!(
            inbox,
            [
                "bols/2025/PRT-2025-0099.pdf|stored|It was found in the storage without a document, as bols/2025/PRT-2025-0099.pdf."
            ]
        );
        assert!(stdout.contains("the same bytes are document") && stdout.contains("This isn't a PDF"), "{stdout}");
        for key in ["bols/2025/PRT-2025-0098.pdf", "bols/notes.txt", "bols/2025/PRT-2025-0099.pdf"] {
            assert!(path(key).exists(), "nothing is deleted: {key}");
        }
        assert_eq!(std::fs::read(path(&key)).unwrap(), paper("waits"), "put back from the inbox");
        assert!(path("bols/2025/PRT-2025-0003.pdf").exists(), "put back from what was renamed");
        assert_eq!(
            app.rows("SELECT count(*) FROM documents WHERE object_key ~ 'stuck'").await,
            ["0"],
            "nothing had arrived"
        );
        assert_eq!(app.rows("SELECT count(*) FROM audit_events WHERE action = 'DOCUMENT_MENDED'").await, ["2"]);
        assert!(app.events("action").await.contains(&"DOCUMENT_ADOPTED".into()));
        // A clerk files what was found.
        let found = app.rows("SELECT id FROM documents WHERE object_key ~ '0099'").await.remove(0);
        let filed =
            office.post(&format!("/office/documents/{found}/file"), &[("number", "25-5"), ("kind", "other")]).await;
        assert_eq!(filed.status, 303, "{}", filed.text());
        let (_, stdout, _) = reconcile(&app, &[]).await;
        let mut left = of(&stdout);
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
}

/// More than a page of either side, with differences at the ends of pages, and two documents that came as one object.
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
    let (code, stdout, _) = reconcile(&app, &[]).await;
    let mut missing = of(&stdout);
    missing.sort();
    let expected = [1, 1000, 1001, 2000, count].map(|n| format!("missing inbox/2024/{n:04}.pdf"));
    assert_eq!((code, missing), (1, expected.to_vec()), "{stdout}");
    assert!(stdout.contains(&format!("Keys in the database:      {}", count + 7 + 2)), "{stdout}");
}
