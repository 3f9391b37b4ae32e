//! `audit witness` sends checkpoints to a second place, and `audit verify --witness` finds what contradicts them.

use std::path::PathBuf;

use primetrade::audit::seal::Checkpoint;
use primetrade::config::SealKey;
use tempfile::TempDir;

use crate::support::{Action, SealedLog, run};

/// A log, and a folder that is its witness.
struct Witnessed {
    log: SealedLog,
    folder: TempDir,
}

impl Witnessed {
    async fn new() -> Self {
        let witnessed = Self { log: SealedLog::new().await, folder: TempDir::with_prefix("primetrade-w-").unwrap() };
        let (code, stdout, stderr) = witnessed.send().await;
        assert!(code == 0 && stdout.contains(" checkpoints sent to "), "{stdout}{stderr}");
        witnessed
    }

    async fn send(&self) -> (i32, String, String) {
        let place = self.folder.path().join("checkpoints");
        run(&self.log.app.environment().to_vec(), &["audit", "witness", place.to_str().unwrap()]).await
    }

    /// Leaves out the storage, as after someone has rewritten it too.
    async fn verify(&self) -> (i32, String) {
        self.verify_with(&self.folder.path().join("checkpoints")).await
    }

    async fn verify_with(&self, place: &std::path::Path) -> (i32, String) {
        let arguments = ["audit", "verify", "--database-only", "--witness", place.to_str().unwrap()];
        let (code, stdout, stderr) = run(&self.log.app.environment().to_vec(), &arguments).await;
        (code, format!("{stdout}{stderr}"))
    }

    /// The files of the witness, in order of size.
    fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder.path().join("checkpoints")).unwrap();
        let mut files: Vec<PathBuf> =
            entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
        files.sort();
        files
    }

    /// Name and content of each file.
    fn snapshot(&self) -> Vec<(PathBuf, Vec<u8>)> {
        self.files().into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
    }

    fn sizes(&self) -> Vec<i64> {
        let name = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        self.files().iter().map(name).collect()
    }

    async fn expect_refusal(&self, said: &str) {
        let before = self.snapshot();
        let (code, stdout, stderr) = self.send().await;
        assert!(code == 1 && stderr.contains(said), "{said}: {code} {stdout}{stderr}");
        assert_eq!(self.snapshot(), before, "{said}: the witness was changed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_published_checkpoint_is_sent_once_byte_for_byte() {
    let witnessed = Witnessed::new().await;
    let app = &witnessed.log.app;
    for checkpoint in app.checkpoints().await.iter().filter(|checkpoint| checkpoint.is_published) {
        let path = witnessed.folder.path().join("checkpoints").join(format!("{:012}.txt", checkpoint.size));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), checkpoint.note, "{path:?}");
    }
    let before = witnessed.snapshot();
    assert!(before.len() >= 3, "{before:?}");
    let (code, stdout, _) = witnessed.send().await;
    assert!(code == 0 && stdout.contains("nothing to send"), "{stdout}");
    assert_eq!(witnessed.snapshot(), before);
    let (code, text) = witnessed.verify().await;
    assert!(code == 0 && text.ends_with("everything matches what was sealed\n"), "{text}");
    assert!(text.contains(&format!("{} checkpoints in the witness ", before.len())), "{text}");
    // Its own event is sealed now. What the witness lacks is a note until the next run sends it.
    app.sealed().await;
    app.published().await;
    let (code, text) = witnessed.verify().await;
    assert!(code == 0 && text.contains("lacks 1 newer checkpoints: its newest one is "), "{text}");
    let place = witnessed.folder.path().join("checkpoints").display().to_string();
    let with_default = [app.environment(), &[("AUDIT_WITNESS", format!("file://{place}"))]].concat();
    let (code, stdout, stderr) = run(&with_default, &["audit", "witness", "--json"]).await;
    let told: serde_json::Value = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}"));
    assert!(code == 0 && told["witness"]["sent"].as_u64().unwrap() >= 1, "{told}");
    assert_eq!(told["witness"]["present"].as_u64().unwrap() as usize, witnessed.files().len());
    // One that was removed comes back.
    let kept = witnessed.snapshot();
    std::fs::remove_file(&kept[1].0).unwrap();
    let (code, text) = witnessed.verify().await;
    assert!(code == 0 && text.contains("lacks 1 checkpoints that are older than its newest one"), "{text}");
    assert_eq!(witnessed.send().await.0, 0);
    assert_eq!(witnessed.snapshot()[..kept.len()], kept);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_cut_contradicts_its_witness() {
    let mut witnessed = Witnessed::new().await;
    let sizes = witnessed.sizes();
    let (cut, last) = (sizes[sizes.len() - 2] - 5, sizes[sizes.len() - 1]);
    witnessed
        .log
        .change(&format!(
            "DELETE FROM audit_events WHERE id IN (SELECT event_id FROM audit_leaves WHERE position >= {cut}); \
             DELETE FROM audit_leaves WHERE position >= {cut}; DELETE FROM audit_checkpoints WHERE size > {cut}"
        ))
        .await;
    witnessed.expect_refusal(&format!("has a checkpoint of {last} events, the log has")).await;
    let (code, text) = witnessed.verify().await;
    assert!(code == 1 && text.contains("the log was cut: the witness "), "{text}");
    assert!(text.contains(&format!("has a checkpoint of {last} events, the log has ")), "{text}");
}

/// Someone owns the database, the storage and the key, and leaves nothing that contradicts itself.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_witness_finds_a_log_that_was_rewritten_and_sealed_again() {
    let mut witnessed = Witnessed::new().await;
    let position = witnessed.log.app.position_of(700).await;
    let agree = witnessed.sizes().into_iter().filter(|size| *size <= position).max().unwrap();
    let differ = witnessed.sizes().into_iter().find(|size| *size > position).unwrap();
    witnessed
        .log
        .change(
            "UPDATE audit_events SET user_email = 'someone.else@acme.example' WHERE id = 700; \
             DELETE FROM audit_leaves; DELETE FROM audit_checkpoints",
        )
        .await;
    let app = &witnessed.log.app;
    std::fs::remove_dir_all(app.media("audit/checkpoints")).unwrap();
    app.sealed().await;
    app.published().await;
    let report = witnessed.log.verify().await;
    assert!(report.is_fine() && report.notices.is_empty(), "without the witness all is well: {report:?}");
    let (code, text) = witnessed.verify().await;
    assert!(code == 1, "{text}");
    let said = format!("first difference: the log was rewritten: the checkpoint of {differ} events in the witness ");
    assert!(text.contains(&said) && text.contains(&format!("both agree on the first {agree} events")), "{text}");
    witnessed.expect_refusal("the log was rewritten: the checkpoint of ").await;
    // The run is recorded with its result.
    let run = app.events().await.single(Action::AuditVerified);
    assert_eq!(run.outcome.as_str(), "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_the_witness_that_were_changed_are_named() {
    let witnessed = Witnessed::new().await;
    let kept = witnessed.snapshot();
    let [(first, one), .., (last, two)] = kept.as_slice() else { panic!("{kept:?}") };
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    let stranger = SealKey::from_seed("primetrade/audit", &[1; 32]).unwrap();
    let checkpoint = Checkpoint::open(std::str::from_utf8(two).unwrap(), &witnessed.log.app.seals()).unwrap();
    let of_another_log = checkpoint.sign(&stranger).unwrap().into_bytes();
    let own = witnessed.log.app.seals().signs.unwrap();
    let of_another_tree = Checkpoint { root: [7; 32], ..checkpoint }.sign(&own).unwrap().into_bytes();
    let altered = String::from_utf8(two.clone()).unwrap().replace("\"backdated\":0", "\"backdated\":1").into_bytes();
    for (content, said) in [
        (altered, "invalid signature"),
        (two[..two.len() - 1].to_vec(), "it was changed or cut short"),
        (two[..40].to_vec(), "not a signed checkpoint"),
        (Vec::new(), "not a signed checkpoint"),
        (vec![0xff; 50], "not a signed checkpoint"),
        (one.clone(), "which belongs under another name: files were exchanged"),
        (of_another_log, "not signed with a trusted key"),
    ] {
        std::fs::write(last, content).unwrap();
        let (code, text) = witnessed.verify().await;
        assert!(code == 1 && text.contains(said) && text.contains(&name(last)), "{said}: {text}");
        witnessed.expect_refusal(said).await;
    }
    std::fs::write(last, of_another_tree).unwrap();
    let (code, text) = witnessed.verify().await;
    assert!(code == 1 && text.contains("the log was rewritten: the checkpoint of "), "{text}");
    witnessed.expect_refusal("the log was rewritten").await;
    std::fs::write(last, two).unwrap();
    std::fs::write(first.with_file_name("README"), "x").unwrap();
    let (code, text) = witnessed.verify().await;
    assert!(code == 0 && text.contains("1 files in the witness ") && text.contains("not named like"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_file_of_checkpoints_is_a_witness_too() {
    let witnessed = Witnessed::new().await;
    let notes: Vec<Vec<u8>> = witnessed.snapshot().into_iter().map(|(_, note)| note).collect();
    let file = witnessed.folder.path().join("all.txt");
    let whole = notes.concat();
    let reordered = notes.iter().rev().flatten().copied().collect::<Vec<u8>>();
    let joined = |parts: &[&[u8]]| parts.concat();
    for (content, code, said) in [
        (whole.clone(), 0, "everything matches what was sealed"),
        (joined(&[&notes[0], &notes[0], b"\n", &notes[1]]), 0, "everything matches what was sealed"),
        (reordered, 1, "fewer than the checkpoint before it: the file was reordered"),
        (whole[..whole.len() - 10].to_vec(), 1, "it was changed or cut short"),
        (joined(&[b"<html>Please log in</html>\n"]), 1, "checkpoint 1 in the witness is wrong"),
        (joined(&[&notes[0], &[0; 300_000], &notes[1]]), 1, "checkpoint 2 in the witness is wrong"),
        (Vec::new(), 1, "has no checkpoints, so there is nothing to compare"),
        (b"\n\n".to_vec(), 1, "has no checkpoints, so there is nothing to compare"),
    ] {
        std::fs::write(&file, content).unwrap();
        let (found, text) = witnessed.verify_with(&file).await;
        assert!(found == code && text.contains(said), "{said}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_are_appended_to_one_file_once_and_in_order() {
    let witnessed = Witnessed::new().await;
    let whole: Vec<u8> = witnessed.snapshot().into_iter().flat_map(|(_, note)| note).collect();
    let file = witnessed.folder.path().join("new.txt");
    let environment = witnessed.log.app.environment().to_vec();
    let arguments = ["audit", "witness", file.to_str().unwrap()];
    let runs = tokio::join!(run(&environment, &arguments), run(&environment, &arguments));
    for (code, stdout, stderr) in [runs.0, runs.1] {
        assert_eq!(code, 0, "{stdout}{stderr}");
    }
    assert_eq!(std::fs::read(&file).unwrap(), whole);
    // More events, and only their checkpoints follow.
    witnessed.log.app.acme().await.get("/bols").await;
    witnessed.log.app.sealed().await;
    assert_eq!(run(&environment, &arguments).await.0, 0);
    let more = std::fs::read(&file).unwrap();
    assert!(more.len() > whole.len() && more.starts_with(&whole));
    let (code, text) = witnessed.verify_with(&file).await;
    assert!(code == 0 && text.contains("everything matches what was sealed"), "{text}");
    // A file that was changed gets nothing.
    std::fs::write(&file, &more[..more.len() - 10]).unwrap();
    let (code, _, stderr) = run(&environment, &arguments).await;
    assert!(code == 1 && stderr.contains("Nothing was sent"), "{stderr}");
    assert_eq!(std::fs::read(&file).unwrap().len(), more.len() - 10);
    let unwritable = ["audit", "witness", "/proc/witness.txt"];
    let (code, _, stderr) = run(&environment, &unwritable).await;
    assert!(code == 1 && stderr.contains("can't be read"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_at_once_send_each_checkpoint_once() {
    let witnessed = Witnessed { log: SealedLog::new().await, folder: TempDir::with_prefix("primetrade-w-").unwrap() };
    let runs = tokio::join!(witnessed.send(), witnessed.send(), witnessed.send());
    let mut sent = 0;
    for (code, stdout, stderr) in [runs.0, runs.1, runs.2] {
        assert_eq!(code, 0, "{stdout}{stderr}");
        sent += stdout.split(" checkpoint").next().unwrap().parse::<usize>().unwrap_or(0);
    }
    assert_eq!(sent, witnessed.files().len());
    // What a run leaves that was killed while it wrote.
    let incoming = witnessed.folder.path().join("checkpoints/.incoming");
    std::fs::write(incoming.join("0123"), "half of a check").unwrap();
    assert_eq!(witnessed.send().await.0, 0);
    let (code, text) = witnessed.verify().await;
    assert!(code == 0 && text.contains("everything matches"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_proves_nothing_is_an_error_with_what_to_do() {
    let log = SealedLog::new().await;
    let environment = log.app.environment().to_vec();
    let empty = TempDir::new().unwrap();
    let missing = empty.path().join("nowhere");
    let media = log.app.media("");
    for (place, code, said) in [
        (empty.path().to_str().unwrap(), 1, "has no checkpoints, so there is nothing to compare: send them first"),
        (missing.to_str().unwrap(), 1, "isn't there: check the path, or send checkpoints to it first"),
        (media.to_str().unwrap(), 2, "this is the storage of the portal, where a witness proves nothing"),
        ("https://127.0.0.1:9/", 1, "the witness https://127.0.0.1:9 can't be read: "),
        ("s3://no_bucket/x", 2, "not the name of a bucket"),
        ("ftp://witness.example", 2, "use a folder such as /var/witness/checkpoints"),
        ("http://witness.example", 2, "http only on this machine"),
    ] {
        let (found, stdout, stderr) = run(&environment, &["audit", "verify", "--witness", place]).await;
        assert!(found == code && stderr.contains(said), "{place}: {found} {stdout}{stderr}");
        assert!(!stdout.contains("everything matches"), "{place}: {stdout}");
    }
    let (code, _, stderr) = run(&environment, &["audit", "witness"]).await;
    assert!(code == 2 && stderr.contains("AUDIT_WITNESS: not set"), "{stderr}");
}
