//! Seals: every event becomes a leaf exactly once, in a tree and under signatures that third parties can check.

use std::collections::HashSet;
use std::process::Stdio;
use std::time::Duration;

use diesel_async::SimpleAsyncConnection;
use primetrade::audit::seal::{Checkpoint, SealError, Sealed, checkpoint_key, publish_once, seal_once};
use primetrade::config::{SealKey, SealKeys};
use primetrade::db::{self, Database};
use signed_note::{Note, StandardVerifier, VerifierList};
use tokio::io::AsyncWriteExt;

use crate::support::{App, Fault, Proxy, S3Server, World, primetrade, python};

/// Expects this many leaves without a gap, each of another event.
async fn expect_leaves(app: &App, count: usize) {
    let leaves = app.leaves().await;
    assert!(leaves.iter().map(|leaf| leaf.position as usize).eq(0..count), "{} leaves", leaves.len());
    let events: HashSet<i64> = leaves.iter().map(|leaf| leaf.event_id).collect();
    assert_eq!(events.len(), count);
}

async fn insert(app: &App, count: u32) {
    app.sql(&format!(
        "INSERT INTO audit_events (action, outcome, user_email) SELECT 'X', 'success', 'x' || n FROM generate_series(1, {count}) n"
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_sealed_at_once_and_checkpoints_stored_soon() {
    let mut app = App::start().await;
    app.second().await;
    app.acme().await.get(&format!("/bols/{}", World::ACME_BOL)).await;
    app.sealed().await;
    app.published().await;
    let published = || std::fs::read_dir(app.media("audit/checkpoints")).unwrap().count();
    let before = published();
    insert(&app, 25_000).await;
    app.sealed().await;
    expect_leaves(&app, 25_002).await;
    // A batch has at most 10,000 events.
    let sizes: Vec<i64> = app.checkpoints().await.iter().map(|checkpoint| checkpoint.size).collect();
    let starts = std::iter::once(0).chain(sizes.iter().copied());
    assert!(sizes.iter().zip(starts).all(|(size, start)| size - start <= 10_000), "{sizes:?}");
    assert!(sizes.len() >= 4, "{sizes:?}");
    app.published().await;
    let newest = app.newest_checkpoint().await;
    assert_eq!(std::fs::read_to_string(app.media(&newest.key())).unwrap(), newest.note);
    // One for all batches of that minute.
    assert_eq!(published(), before + 1);
    // Checkpoints in the storage are no difference for a reconciliation.
    let told = primetrade(app.environment(), &["storage", "reconcile"], "").await;
    assert!(told.status.success(), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_took_a_low_id_and_commits_late_is_sealed_once() {
    let app = App::start().await;
    app.sealed().await;
    // The first transaction has written already. The second one has only begun.
    let mut early = db::connect(&app.database).await.unwrap();
    let mut late = db::connect(&app.database).await.unwrap();
    early
        .batch_execute("BEGIN; INSERT INTO audit_events (id, action, outcome) VALUES (1001, 'EARLY', 'success')")
        .await
        .unwrap();
    late.batch_execute("BEGIN").await.unwrap();
    app.sql("INSERT INTO audit_events (id, action, outcome) VALUES (1002, 'BETWEEN', 'success')").await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    // An event behind a running transaction waits for it.
    assert!(!app.is_sealed(1002).await);
    early.batch_execute("COMMIT").await.unwrap();
    app.sealed().await;
    late.batch_execute("INSERT INTO audit_events (id, action, outcome) VALUES (1000, 'LATE', 'success')")
        .await
        .unwrap();
    app.sql("INSERT INTO audit_events (id, action, outcome) VALUES (1003, 'AFTER', 'success')").await;
    late.batch_execute("COMMIT").await.unwrap();
    app.sealed().await;
    let leaves = app.leaves().await;
    let events = leaves.iter().map(|leaf| leaf.event_id).filter(|event| (1000..=1003).contains(event));
    assert_eq!(events.collect::<Vec<_>>(), [1001, 1002, 1000, 1003]);
}

/// Hashes events as docs/audit-format.md specifies, from the values that Postgres returns.
const RECOMPUTE: &str = r#"
import hashlib, json, sys
for line in sys.stdin:
    row = json.loads(line)
    want = row.pop("leaf")
    text = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
    got = hashlib.sha256(b"\0" + text.encode()).hexdigest()
    assert got == want, (text, got, want)
    print(row["id"])
"#;

#[tokio::test(flavor = "multi_thread")]
async fn leaves_follow_the_documented_format() {
    let app = App::start().await;
    app.acme().await.get(&format!("/bols/{}", World::ACME_BOL)).await;
    app.add_hostile_events().await;
    app.sql("INSERT INTO audit_events (occurred_at, action, outcome, ip) VALUES ('2000-01-01T00:00:00.000001Z', 'X', 'failed', '10.1.2.3'), \
             ('9999-12-31 23:59:59.999999Z', 'X', 'denied', '10.0.0.0/8')").await;
    app.sealed().await;
    // `json` keeps the order of the columns. `jsonb` would sort them.
    let rows = app
        .rows(
            r#"SELECT json_build_object('id', id, 'occurred_at', to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                'xact_id', xact_id::text::bigint, 'action', action, 'outcome', outcome, 'user_id', user_id, 'user_email', user_email, 'user_role', user_role,
                'customer_id', customer_id, 'customer_code', customer_code, 'bol_id', bol_id, 'bol_number', bol_number, 'document_id', document_id,
                'document_kind', document_kind, 'file_name', file_name, 'object_key', object_key, 'sha256', encode(sha256, 'hex'), 'ip', CASE WHEN ip IS NOT NULL THEN format('%s', ip) END,
                'user_agent', user_agent, 'request_id', request_id, 'detail', detail::text, 'leaf', encode(hash, 'hex'))
              FROM audit_leaves JOIN audit_events ON id = event_id ORDER BY position"#,
        )
        .await;
    let mut child = tokio::process::Command::new(python())
        .args(["-c", RECOMPUTE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all((rows.join("\n") + "\n").as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), rows.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn other_programs_read_the_checkpoints() {
    let app = App::start().await;
    insert(&app, 700).await;
    app.sealed().await;
    let told = primetrade(app.environment(), &["audit", "key"], "").await;
    let key = String::from_utf8(told.stdout).unwrap();
    let verifier = StandardVerifier::new(key.trim()).unwrap();
    let checkpoints = app.checkpoints().await;
    assert!(!checkpoints.is_empty());
    for checkpoint in &checkpoints {
        let note = Note::from_bytes(checkpoint.note.as_bytes()).unwrap();
        let verifiers = VerifierList::new(vec![Box::new(verifier.clone())]);
        let (by, others) = note.verify(&verifiers).unwrap();
        assert_eq!((by.len(), others.len()), (1, 0));
        let checkpoint = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
        assert_eq!(checkpoint.origin(), "primetrade/audit");
        // Another implementation computes the same root from the leaves.
        let mut leaves = app.leaves().await;
        leaves.retain(|leaf| (leaf.position as u64) < checkpoint.size());
        assert_eq!(leaves.len() as u64, checkpoint.size());
        let mut stored: Vec<tlog_tiles::Hash> = Vec::new();
        for leaf in leaves {
            let hash = tlog_tiles::Hash(leaf.hash.try_into().unwrap());
            let position = leaf.position as u64;
            let more = tlog_tiles::stored_hashes_for_record_hash(position, hash, &Stored(&stored)).unwrap();
            stored.extend(more);
        }
        assert_eq!(&tlog_tiles::tree_hash(checkpoint.size(), &Stored(&stored)).unwrap(), checkpoint.hash());
    }
}

struct Stored<'a>(&'a [tlog_tiles::Hash]);

impl tlog_tiles::HashReader for Stored<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        Ok(indexes.iter().map(|index| self.0[*index as usize]).collect())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sealing_continues_and_checkpoints_wait_while_the_storage_is_unavailable() {
    let server = S3Server::start().await;
    let proxy = Proxy::before(server.address).await;
    let mut environment = server.environment();
    environment.retain(|(name, _)| *name != "AWS_ENDPOINT_URL_S3");
    environment.push(("AWS_ENDPOINT_URL_S3", format!("http://{}", proxy.address)));
    let app = App::on(environment).await;
    proxy.always(Some(Fault::Says(503, "ServiceUnavailable", "Please try again")));
    insert(&app, 5).await;
    app.sealed().await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    insert(&app, 5).await;
    app.sealed().await;
    app.skip_the_wait_of_publishing().await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let checkpoints = app.checkpoints().await;
    assert!(!checkpoints.iter().any(|checkpoint| checkpoint.is_published), "{checkpoints:?}");
    let chosen = || checkpoints.iter().filter(|checkpoint| checkpoint.publish_at.is_some());
    assert!(chosen().count() >= 1, "{checkpoints:?}");
    proxy.always(None);
    publish_once(&app.db(), &app.storage().await).await.unwrap();
    for checkpoint in chosen() {
        assert!(server.path_of(&checkpoint.key()).exists(), "{}", checkpoint.size);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_says_something_else_is_never_overwritten() {
    let app = App::start().await;
    let key = checkpoint_key(3);
    std::fs::create_dir_all(app.media("audit/checkpoints")).unwrap();
    std::fs::write(app.media(key.as_str()), "something else").unwrap();
    insert(&app, 3).await;
    app.sealed().await;
    let error = loop {
        match publish_once(&app.db(), &app.storage().await).await {
            Ok(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(error) => break error.to_string(),
        }
    };
    assert!(error.contains("audit/checkpoints/000000000003.txt") && error.contains("audit verify"), "{error}");
    assert_eq!(std::fs::read_to_string(app.media(key.as_str())).unwrap(), "something else");
    // Later checkpoints are published nevertheless.
    insert(&app, 1).await;
    app.sealed().await;
    app.published().await;
    assert!(app.media(checkpoint_key(4).as_str()).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_restored_into_another_cluster_continues() {
    let app = App::start().await;
    insert(&app, 3).await;
    app.sealed().await;
    let keys = app.seals();
    // The transaction ids of the other cluster were far higher, and one event was not sealed before the backup.
    let far: u64 = 1 << 40;
    let last = app.newest_checkpoint().await.note;
    let mut checkpoint = Checkpoint::open(&last, &keys).unwrap();
    checkpoint.stated.transaction = far;
    let note = checkpoint.sign(keys.signs.as_ref().unwrap()).unwrap();
    app.sql(&format!(
        "GRANT UPDATE ON audit_checkpoints TO CURRENT_USER; ALTER TABLE audit_checkpoints DISABLE TRIGGER USER; \
         UPDATE audit_checkpoints SET note = '{note}' WHERE size = {}; \
         INSERT INTO audit_events (xact_id, action, outcome) VALUES ('{}', 'RESTORED', 'success'), (pg_current_xact_id(), 'NEW', 'success')",
        checkpoint.size,
        far + 5
    ))
    .await;
    app.sealed().await;
    insert(&app, 2).await;
    app.sealed().await;
    insert(&app, 1).await;
    app.sealed().await;
    expect_leaves(&app, 8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_rotated_and_unknown_ones_stop_the_sealing() {
    let app = App::start().await;
    insert(&app, 3).await;
    app.sealed().await;
    let old = app.seals();
    let told = primetrade(&[], &["audit", "keygen", "--name", "portal.example/log"], "").await;
    let line = String::from_utf8(told.stdout).unwrap();
    let seal_key = line.trim().strip_prefix("SEAL_KEY=").unwrap().to_owned();
    let public = String::from_utf8(told.stderr).unwrap().lines().last().unwrap().to_owned();
    assert!(!public.contains("PRIVATE"));

    // With only the new key, the program doesn't trust the earlier signatures.
    let mut environment = app.environment().to_vec();
    environment.push(("SEAL_KEY", seal_key));
    let key = primetrade(&environment, &["audit", "key"], "").await;
    assert_eq!(String::from_utf8(key.stdout).unwrap().trim(), public);
    let told = primetrade(&environment, &["audit", "verify"], "").await;
    let text = String::from_utf8(told.stdout).unwrap();
    assert_eq!(told.status.code(), Some(1));
    assert!(text.contains("first difference: checkpoint 3 was changed: not signed with a trusted key"), "{text}");
    // The public key of the old one makes it trust the log and continue with its own key.
    environment.push(("SEAL_VERIFIERS", old.trusted[0].to_string()));
    let told = primetrade(&environment, &["audit", "verify"], "").await;
    assert!(told.status.success(), "{told:?}");

    let seed = [9; 32];
    let stranger = SealKey::from_seed("primetrade/audit", &seed).unwrap();
    let keys = SealKeys { trusted: vec![stranger.verifier().clone()], signs: Some(stranger) };
    // The server seals too; while it does, this attempt is skipped.
    let mut sealed = seal_once(&app.db(), &keys).await;
    while matches!(sealed, Ok(Sealed::Skipped)) {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        sealed = seal_once(&app.db(), &keys).await;
    }
    let error = sealed.expect_err("another key's log").to_string();
    assert!(error.contains("not signed with a trusted key"), "{error}");
    assert!(matches!(seal_once(&app.db(), &SealKeys::default()).await, Ok(Sealed::Skipped)));
}

#[tokio::test(flavor = "multi_thread")]
async fn sealing_stops_at_a_damaged_state() {
    let app = App::start().await;
    insert(&app, 5).await;
    app.sealed().await;
    let (db, keys) = (app.db(), app.seals());
    let allow = "GRANT ALL ON audit_leaves, audit_checkpoints TO CURRENT_USER; ALTER TABLE audit_leaves DISABLE TRIGGER USER; ALTER TABLE audit_checkpoints DISABLE TRIGGER USER;";
    let copy =
        "CREATE TABLE kept AS SELECT * FROM audit_checkpoints; CREATE TABLE kept_leaves AS SELECT * FROM audit_leaves;";
    app.sql(&format!("{allow} {copy}")).await;
    for (change, told) in [
        ("UPDATE audit_checkpoints SET edge = '\\x00'", "its compact range is damaged"),
        (
            "UPDATE audit_checkpoints SET edge = set_byte(edge, 3, 255 - get_byte(edge, 3))",
            "its note belongs to a different tree",
        ),
        ("UPDATE audit_checkpoints SET note = replace(note, 'previous', 'before')", "invalid signature"),
        ("UPDATE audit_checkpoints SET note = 'x'", "not a signed checkpoint"),
        ("DELETE FROM audit_leaves WHERE position = 4", "the database has 4 leaves"),
        ("DELETE FROM audit_checkpoints", "5 leaves exist, but no checkpoint"),
    ] {
        app.sql(change).await;
        let error = seal_when_free(&db, &keys).await.expect_err(change).to_string();
        assert!(error.contains(told), "{change}: {error}");
        app.sql("DELETE FROM audit_checkpoints; INSERT INTO audit_checkpoints SELECT * FROM kept; DELETE FROM audit_leaves; INSERT INTO audit_leaves SELECT * FROM kept_leaves").await;
    }
    seal_when_free(&db, &keys).await.unwrap();
}

/// Seals once the server's own sealer has released the lock: on a busy machine it may hold it at this moment.
async fn seal_when_free(db: &Database, keys: &SealKeys) -> Result<Sealed, SealError> {
    loop {
        match seal_once(db, keys).await {
            Ok(Sealed::Skipped) => tokio::time::sleep(Duration::from_millis(50)).await,
            sealed => return sealed,
        }
    }
}
