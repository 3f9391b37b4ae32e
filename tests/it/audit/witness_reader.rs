//! `audit witness` by a role that can only read, and after a purge.

use crate::support::{App, run, with_variables};

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_can_only_read_sends_checkpoints() {
    let app = App::start().await;
    app.acme().await.get("/bols").await;
    app.sealed().await;
    app.published().await;
    app.sql(
        "DO $$ BEGIN CREATE ROLE witness_reader LOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$; \
         GRANT SELECT ON audit_checkpoints, audit_leaves, __diesel_schema_migrations TO witness_reader",
    )
    .await;
    let (scheme, rest) = app.database.as_str().split_once("://").unwrap();
    let url = format!("{scheme}://witness_reader@{}", rest.split_once('@').unwrap().1);
    let key = app.public_key().await;
    let folder = tempfile::TempDir::new().unwrap();
    let place = folder.path().to_str().unwrap();
    // Without the key that signs.
    let environment = vec![("DATABASE_URL", url), ("SEAL_VERIFIERS", key), ("AUDIT_WITNESS", place.to_owned())];
    let events = app.events().await.len();
    let (code, stdout, stderr) = run(&environment, &["audit", "witness"]).await;
    assert!(code == 0 && stdout.contains("sent to") && stderr.is_empty(), "{stdout}{stderr}");
    assert_eq!(app.events().await.len(), events, "it records nothing");
    let verify = ["audit", "verify", "--witness", place];
    let (code, stdout, stderr) = run(&app.environment().to_vec(), &verify).await;
    assert!(code == 0 && stdout.contains("checkpoints in the witness"), "{stdout}{stderr}");
    let unknown = with_variables(environment, &[("SEAL_VERIFIERS", "")]);
    let (code, _, stderr) = run(&unknown, &["audit", "witness"]).await;
    assert!(code == 2 && stderr.contains("set SEAL_VERIFIERS to what `primetrade audit key` prints"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn purged_events_contradict_no_witness() {
    let app = super::retention::with_years().await;
    app.sql("UPDATE audit_checkpoints SET publish_at = now()").await;
    for _ in 0..200 {
        if app.checkpoints().await.iter().all(|checkpoint| checkpoint.is_published) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let folder = tempfile::TempDir::new().unwrap();
    let place = folder.path().to_str().unwrap();
    let environment = with_variables(app.environment().to_vec(), &[("AUDIT_RETENTION_YEARS", "1")]);
    let (code, stdout, stderr) = run(&environment, &["audit", "witness", place]).await;
    assert!(code == 0 && stdout.contains(" checkpoints sent to "), "{stdout}{stderr}");
    let (code, stdout, stderr) = super::retention::purge(&app, "1", &["--yes"]).await;
    assert!(code == 0 && stdout.contains("602 events removed"), "{stdout}{stderr}");
    app.sealed().await;
    let (code, stdout, stderr) = run(&environment, &["audit", "verify", "--witness", place]).await;
    assert!(code == 0 && stdout.contains("602 of them were purged"), "{stdout}{stderr}");
    assert!(stdout.contains(" checkpoints in the witness ") && stdout.contains("everything matches"), "{stdout}");
    let (code, stdout, stderr) = run(&environment, &["audit", "witness", place]).await;
    assert!(code == 0 && stdout.contains("sent to"), "{stdout}{stderr}");
}
