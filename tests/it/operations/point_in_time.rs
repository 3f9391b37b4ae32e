//! Recovery to a point in time, as docs/operations.md describes it: archived WAL, a base backup, and what the log says.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use primetrade::config::DatabaseUrl;
use primetrade::db::cluster::{Cluster, Options};
use primetrade::db::guard;
use tempfile::TempDir;

use crate::support::{Environment, World, execute, rows, run, secret_key};

/// Folders that the user of Postgres can enter, or also write to.
fn folder(mode: u32) -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(mode)).unwrap();
    folder
}

async fn start(folder: &Path, settings: &[(&'static str, String)]) -> Cluster {
    Cluster::start(folder, &Options { scratch: true, settings: settings.to_vec() }).await.unwrap()
}

/// Waits until a query answers true.
async fn until(url: &DatabaseUrl, condition: &str) {
    for _ in 0..1000 {
        if rows(url, &format!("SELECT {condition}")).await == ["true"] {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never true: {condition}");
}

/// Adds a customer by the command line, which records an event, and has the log sealed and published.
async fn work(environment: &Environment, code: &str) {
    for arguments in [&["customer", "create", "--code", code, "--name", code][..], &["audit", "verify"]] {
        let (exit, stdout, stderr) = run(environment, arguments).await;
        assert_eq!(exit, 0, "{stdout}{stderr}");
    }
}

fn environment(url: &DatabaseUrl, media: &TempDir) -> Environment {
    let media = media.path().to_str().unwrap().to_owned();
    vec![("DATABASE_URL", url.as_str().to_owned()), ("SECRET_KEY", secret_key()), ("MEDIA_ROOT", media)]
}

/// Recovers the archived WAL to a time, into a server that takes writes.
async fn recover(backup: &Path, archive: &TempDir, time: &str) -> Cluster {
    let signal = backup.join("postgres/recovery.signal");
    std::fs::write(&signal, "").unwrap();
    std::fs::set_permissions(&signal, std::fs::Permissions::from_mode(0o666)).unwrap();
    let settings = [
        ("restore_command", format!("cp {}/%f %p", archive.path().display())),
        ("recovery_target_time", time.to_owned()),
        ("recovery_target_action", "promote".to_owned()),
    ];
    let recovered = start(backup, &settings).await;
    until(&recovered.url_as("postgres", "postgres").unwrap(), "NOT pg_is_in_recovery()").await;
    recovered
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_rows_come_back_and_the_log_of_that_time_is_intact() {
    let (live, archive, backup, media) = (folder(0o755), folder(0o777), folder(0o755), folder(0o755));
    let archived = archive.path().display();
    let settings = [
        ("archive_mode", "on".to_owned()),
        (
            "archive_command",
            format!("test ! -f {archived}/%f && cp %p {archived}/%f.tmp && mv {archived}/%f.tmp {archived}/%f"),
        ),
    ];
    let primary = start(live.path(), &settings).await;
    let url = primary.database("portal").await.unwrap();
    guard::set_up(&url, &url).await.unwrap();
    World::fill(&url).await;
    let here = environment(&url, &media);
    work(&here, "BEFORE-BACKUP").await;
    primary.base_backup(backup.path(), &["--wal-method=none"]).unwrap();
    work(&here, "AFTER-BACKUP").await;
    let superuser = primary.url_as("postgres", "postgres").unwrap();
    let time = rows(&url, "SELECT clock_timestamp()::text").await.remove(0);
    execute(&url, "TRUNCATE bols, documents CASCADE").await;
    execute(&url, "UPDATE audit_checkpoints SET publish_at = publish_at - interval '1 minute'").await;
    work(&here, "AFTER-DAMAGE").await;
    let wal = rows(&superuser, "SELECT pg_walfile_name(pg_switch_wal())").await.remove(0);
    until(&superuser, &format!("coalesce(last_archived_wal >= '{wal}', false) FROM pg_stat_archiver")).await;
    primary.stop().await.unwrap();

    let recovered = recover(backup.path(), &archive, &time).await;
    let url = recovered.url_as("primetrade", "portal").unwrap();
    let counts = "SELECT (SELECT count(*) FROM bols) AS bols, (SELECT count(*) FROM documents) AS documents";
    assert_eq!(rows(&url, counts).await, ["5|7"]);
    let codes = "SELECT code FROM customers WHERE code LIKE 'BEFORE%' OR code LIKE 'AFTER%' ORDER BY id";
    assert_eq!(rows(&url, codes).await, ["BEFORE-BACKUP", "AFTER-BACKUP"]);
    let there = environment(&url, &media);
    let (code, stdout, stderr) = run(&there, &["audit", "verify", "--database-only"]).await;
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(stdout.contains("everything matches what was sealed"), "{stdout}");
    assert!(!stdout.contains("restored into another cluster"), "transactions count on: {stdout}");
    // The checkpoint of what came after that time is in the storage, and proves what was lost.
    let (code, stdout, _) = run(&there, &["audit", "verify"]).await;
    let cut = "is in the storage, but the database has only ";
    assert!(code == 1 && stdout.starts_with("first difference: audit/checkpoints/"), "{stdout}");
    assert!(stdout.lines().next().unwrap().contains(cut), "{stdout}");
    recovered.stop().await.unwrap();
}
