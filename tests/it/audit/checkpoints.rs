//! `audit verify` names every change of leaves and checkpoints, in the database and in the storage.

use primetrade::audit::seal::{Checkpoint, checkpoint_key};
use primetrade::config::SealKey;

use crate::support::{SealedLog, primetrade};

#[tokio::test(flavor = "multi_thread")]
async fn changed_leaves_and_checkpoints_are_named() {
    let mut log = SealedLog::new().await;
    let sizes = log.sizes().await;
    let [.., before, last] = sizes.as_slice() else { panic!("{sizes:?}") };
    let middle = sizes[sizes.len() / 2];
    for (sql, told) in [
        // An event and its leaf.
        (
            "UPDATE audit_events SET outcome = 'denied' WHERE id = 12; UPDATE audit_leaves SET hash = sha256('\\x00') WHERE event_id = 12",
            "leaves were changed",
        ),
        ("DELETE FROM audit_events WHERE id = 12; DELETE FROM audit_leaves WHERE event_id = 12", "leaf 11 is missing"),
        ("DELETE FROM audit_leaves WHERE position >= 1000", "covers more leaves than exist (1000)"),
        (
            &format!("DELETE FROM audit_checkpoints WHERE size = {last}"),
            &format!("leaves from {before} on have no checkpoint"),
        ),
        (&format!("DELETE FROM audit_checkpoints WHERE size = {middle}"), &format!("checkpoint {middle} is missing")),
        (
            &format!("DELETE FROM audit_checkpoints WHERE size = {}", sizes[0]),
            &format!("checkpoint {} is missing", sizes[0]),
        ),
        (
            "UPDATE audit_checkpoints SET note = replace(note, '\"backdated\":0', '\"backdated\":1')",
            "invalid signature",
        ),
        ("UPDATE audit_checkpoints SET note = ''", "not a signed checkpoint"),
        (
            &format!(
                "UPDATE audit_checkpoints a SET note = b.note FROM audit_checkpoints b WHERE a.size = {last} AND b.size = {middle}"
            ),
            &format!("its note states size {middle}"),
        ),
        (
            &format!("UPDATE audit_checkpoints SET edge = '' WHERE size = {middle}"),
            &format!("the compact range of checkpoint {middle} was changed"),
        ),
    ] {
        log.expect(sql, told).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_cut_short_is_named_by_the_checkpoints_in_the_storage() {
    let mut log = SealedLog::new().await;
    let sizes = log.sizes().await;
    let [.., before, _] = sizes.as_slice() else { panic!("{sizes:?}") };
    let cut = format!(
        "DELETE FROM audit_events WHERE id IN (SELECT event_id FROM audit_leaves WHERE position >= {before}); \
         DELETE FROM audit_leaves WHERE position >= {before}; DELETE FROM audit_checkpoints WHERE size > {before};"
    );
    let object = log.app.newest_checkpoint().await.key();
    for (sql, told) in [
        // Leaves, events and checkpoints removed together, as when an old backup is restored.
        (cut.as_str(), &*format!("{object} is in the storage, but the database has only {before} leaves")),
        ("DELETE FROM audit_events; TRUNCATE audit_leaves, audit_checkpoints", "but the database has only 0 leaves"),
        ("TRUNCATE audit_leaves, audit_checkpoints", "but the database has only 0 leaves"),
    ] {
        log.expect(sql, told).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_can_not_be_rewritten_without_the_key() {
    let mut log = SealedLog::new().await;
    // The whole log again with signatures of another key of the same name.
    let stranger = SealKey::from_seed("primetrade/audit", &[1; 32]).unwrap();
    let checkpoints = log.app.checkpoints().await;
    for checkpoint in &checkpoints {
        let checkpoint = Checkpoint::open(&checkpoint.note, &log.app.seals()).unwrap();
        let forged = checkpoint.sign(&stranger).unwrap();
        log.change(&format!("UPDATE audit_checkpoints SET note = '{forged}' WHERE size = {}", checkpoint.size)).await;
    }
    let told = log.verify().await;
    assert!(told.differences[0].contains("not signed with a trusted key"), "{told:?}");
    log.undo().await;
    // The operator has the real key, but the storage and everyone who kept a checkpoint can contradict.
    let keys = log.app.seals();
    let newest = &checkpoints.last().unwrap().note;
    let last = Checkpoint::open(newest, &keys).unwrap();
    let forged = Checkpoint { root: [7; 32], ..last.clone() }.sign(keys.signs.as_ref().unwrap()).unwrap();
    let key = checkpoint_key(last.size);
    log.change(&format!("UPDATE audit_checkpoints SET note = '{forged}' WHERE size = {}", last.size)).await;
    let told = log.verify().await;
    assert!(
        told.differences
            .iter()
            .any(|told| *told == format!("{key} in the storage differs from checkpoint {} of the database", last.size)),
        "{told:?}"
    );
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("kept.txt");
    std::fs::write(&file, newest).unwrap();
    let arguments = ["audit", "verify", "--database-only", "--checkpoint", file.to_str().unwrap()];
    let told = primetrade(log.app.environment(), &arguments, "").await;
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(told.status.code() == Some(1) && text.contains("has a different root than the database"), "{text}");
    log.undo().await;
    let told = primetrade(log.app.environment(), &arguments, "").await;
    assert!(told.status.success(), "{told:?}");
    std::fs::write(&file, "x").unwrap();
    let told = primetrade(log.app.environment(), &arguments, "").await;
    assert_eq!(told.status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_checkpoints_in_the_storage_are_named() {
    let mut log = SealedLog::new().await;
    let mut published = log.app.checkpoints().await;
    published.retain(|checkpoint| checkpoint.is_published);
    for checkpoint in &published {
        let (size, key) = (checkpoint.size, checkpoint.key());
        let path = log.app.media(&key);
        let kept = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(log.verify().await.differences, [format!("{key} is missing from the storage")]);
        // Later checkpoints prove that it was published, so the database can't deny it. This fails only for the newest one.
        log.change(&format!(
            "UPDATE audit_checkpoints SET is_published = false, publish_at = NULL WHERE size = {size}"
        ))
        .await;
        if Some(checkpoint) != published.last() {
            assert_eq!(log.verify().await.differences, [format!("{key} is missing from the storage")]);
        }
        log.undo().await;
        std::fs::write(&path, b"something else").unwrap();
        assert_eq!(
            log.verify().await.differences,
            [format!("{key} in the storage differs from checkpoint {size} of the database")]
        );
        std::fs::write(&path, kept).unwrap();
    }
    let stray = checkpoint_key(77);
    std::fs::write(log.app.media(stray.as_str()), "x").unwrap();
    assert_eq!(
        log.verify().await.differences,
        [format!("{stray} is in the storage, but the database has no such checkpoint")]
    );
    std::fs::remove_file(log.app.media(stray.as_str())).unwrap();
    assert!(log.verify().await.is_fine());
}
