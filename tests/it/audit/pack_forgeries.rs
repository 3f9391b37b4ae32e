//! Packs that were changed, damaged or forged: the script that checks them notices all of it.

use std::io::Write as _;

use primetrade::audit::seal::Checkpoint;
use sha2::{Digest, Sha256};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::pack::{Files, check, lines, sum_of, with_events};
use crate::support::App;

/// Builds a pack as a skilled forger would.
pub fn packed(files: &Files) -> Vec<u8> {
    packed_with(files, "")
}

/// Builds a pack with more lines in `SHA256SUMS`.
fn packed_with(files: &Files, more_sums: &str) -> Vec<u8> {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let sums: String = files
        .iter()
        .filter(|(name, _)| *name != "SHA256SUMS")
        .map(|(name, bytes)| format!("{}  {name}\n", hex::encode(Sha256::digest(bytes))))
        .collect();
    let sums = sums + more_sums;
    for (name, bytes) in files {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(if name == "SHA256SUMS" { sums.as_bytes() } else { bytes }).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Changes the lines of one file in a pack.
fn line(files: &mut Files, name: &str, change: &dyn Fn(&mut Vec<String>)) {
    let mut all = lines(files, name);
    change(&mut all);
    files.insert(name.into(), all.into_iter().map(|line| line + "\n").collect::<String>().into_bytes());
}

type Change = (&'static str, Box<dyn Fn(&mut Files)>);

fn changes_of_events_and_proof() -> Vec<Change> {
    vec![
        (
            "an event",
            Box::new(|files: &mut Files| {
                line(files, "events.jsonl", &|all| all[7] = all[7].replace("success", "denied!"))
            }),
        ),
        ("an event left out", Box::new(|files: &mut Files| line(files, "events.jsonl", &|all| drop(all.remove(7))))),
        ("the last one left out", Box::new(|files: &mut Files| line(files, "events.jsonl", &|all| drop(all.pop())))),
        (
            "one slipped in",
            Box::new(|files: &mut Files| {
                line(files, "events.jsonl", &|all| all.insert(7, all[6].replace("success", "denied")))
            }),
        ),
        ("one at the end", Box::new(|files: &mut Files| line(files, "events.jsonl", &|all| all.push(all[6].clone())))),
        ("two exchanged", Box::new(|files: &mut Files| line(files, "events.jsonl", &|all| all.swap(3, 9)))),
        (
            "a hash",
            Box::new(|files: &mut Files| {
                line(files, "tree.txt", &|all| {
                    let at = all.iter().position(|line| line.starts_with('0')).unwrap();
                    all[at] = format!("0 {}", hex::encode([7; 32]));
                });
            }),
        ),
        ("a level", Box::new(|files: &mut Files| line(files, "tree.txt", &|all| all[0] = format!("1{}", all[0])))),
        ("no tree", Box::new(|files: &mut Files| line(files, "tree.txt", &|all| all.clear()))),
        (
            "an event hidden in a hash",
            Box::new(|files: &mut Files| {
                line(files, "tree.txt", &|all| {
                    let at = all.iter().position(|line| line == "leaf").unwrap();
                    all[at] = format!("0 {}", hex::encode([7; 32]));
                });
                line(files, "events.jsonl", &|all| drop(all.remove(0)));
            }),
        ),
        (
            "the time of the checkpoint",
            Box::new(|files: &mut Files| line(files, "checkpoint.txt", &|all| all[3] = all[3].replace("202", "201"))),
        ),
    ]
}

fn changes_of_checkpoints_and_files() -> Vec<Change> {
    vec![
        ("no checkpoint", Box::new(|files: &mut Files| drop(files.remove("checkpoint.txt")))),
        (
            "another checkpoint",
            Box::new(|files: &mut Files| {
                line(files, "checkpoints.jsonl", &|all| all[0] = all[0].replace("202", "201"))
            }),
        ),
        (
            "checkpoints in another order",
            Box::new(|files: &mut Files| line(files, "checkpoints.jsonl", &|all| all.reverse())),
        ),
        ("a file more", Box::new(|files: &mut Files| drop(files.insert("./events.jsonl".into(), b"{}\n".to_vec())))),
        (
            "a file that would be another",
            Box::new(|files: &mut Files| drop(files.insert("EVENTS.jsonl".into(), Vec::new()))),
        ),
        ("a file elsewhere", Box::new(|files: &mut Files| drop(files.insert("pdfs/../../x".into(), Vec::new())))),
        (
            "a PDF of no index",
            Box::new(|files: &mut Files| drop(files.insert("pdfs/bols/2025/X.pdf".into(), Vec::new()))),
        ),
        (
            "no events",
            Box::new(|files: &mut Files| {
                line(files, "tree.txt", &|all| all.retain(|line| line != "leaf"));
                files.insert("events.jsonl".into(), Vec::new());
            }),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_in_a_pack_is_noticed() {
    let app = App::start().await;
    with_events(&app).await;
    let key = app.public_key().await;
    let pack = app.auditor().await.get("/audit/pack?customer=ACME").await;
    let files = pack.unzipped();
    let (is_proved, told) = check(&packed(&files), &[&key]).await;
    assert!(is_proved, "packed again it is the same: {told}");
    for (what, change) in changes_of_events_and_proof().into_iter().chain(changes_of_checkpoints_and_files()) {
        let mut changed = files.clone();
        change(&mut changed);
        let (is_proved, told) = check(&packed(&changed), &[&key]).await;
        assert!(!is_proved && told.starts_with("NOT PROVED: "), "{what}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_pack_and_one_under_another_key_are_not_proved() {
    let app = App::start().await;
    with_events(&app).await;
    let key = app.public_key().await;
    let pack = app.auditor().await.get("/audit/pack?customer=ACME").await;
    // Damaged in transit, truncated, and signed with another key.
    let at = pack.body.len() / 2;
    let mut damaged = pack.body.clone();
    damaged[at] ^= 1;
    let other = primetrade::config::SealKey::from_seed(key.split('+').next().unwrap(), &[9; 32])
        .unwrap()
        .verifier()
        .to_string();
    for (bytes, keys) in [(&damaged[..], [&key]), (&pack.body[..at], [&key]), (&pack.body[..], [&other])] {
        let (is_proved, told) = check(bytes, &[keys[0]]).await;
        assert!(!is_proved && told.starts_with("NOT PROVED: "), "{told}");
    }
    let (is_proved, told) = check(&pack.body, &[&other, &key]).await;
    assert!(is_proved, "one of several: {told}");
}

/// Signs a checkpoint of another size and root, as a dishonest log can.
fn signed(app: &App, note: &str, size: u64, root: [u8; 32]) -> String {
    let keys = app.seals();
    let checkpoint = Checkpoint { size, root, ..Checkpoint::open(note, &keys).unwrap() };
    checkpoint.sign(keys.signs.as_ref().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_checkpoints_that_contradict_the_pack_are_noticed() {
    let app = App::start().await;
    with_events(&app).await;
    let key = app.public_key().await;
    let pack = app.auditor().await.get("/audit/pack?customer=ACME").await;
    let files = pack.unzipped();
    let note = String::from_utf8(files["checkpoint.txt"].clone()).unwrap();
    let end = Checkpoint::open(&note, &app.seals()).unwrap();
    let entry = |stated: u64, size: u64, root: [u8; 32]| {
        serde_json::json!({"size": stated, "note": signed(&app, &note, size, root)}).to_string()
    };
    let forged = |entries: Vec<String>| {
        let mut changed = files.clone();
        line(&mut changed, "checkpoints.jsonl", &|all| all.clone_from(&entries));
        packed(&changed)
    };
    let (size, root) = (end.size, end.root);
    for (what, entries, reason) in [
        ("another root of that size", vec![entry(size, size, [7; 32])], "the log was rewritten"),
        ("two of one size", vec![entry(2, 2, [7; 32]), entry(2, 2, [8; 32])], "isn't in order"),
        ("a later one", vec![entry(size + 1, size + 1, [7; 32])], "goes beyond checkpoint.txt"),
        ("another size beside it", vec![entry(1, 2, [7; 32])], "isn't what its note says"),
    ] {
        let (is_proved, told) = check(&forged(entries), &[&key]).await;
        assert!(!is_proved && told.starts_with("NOT PROVED: ") && told.contains(reason), "{what}: {told}");
    }
    // Nothing ties a smaller checkpoint to the tree, so it dates no event.
    let (is_proved, told) = check(&forged(vec![entry(1, 1, [7; 32]), entry(size, size, root)]), &[&key]).await;
    assert!(is_proved, "{told}");
    assert!(told.contains("doesn't prove that smaller ones contain its events"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_collide_or_repeat_are_noticed() {
    let app = App::start().await;
    with_events(&app).await;
    let (admin, key) = (app.user("admin@terminal.example").await, app.public_key().await);
    let files = admin.get("/audit/pack?customer=ACME&pdfs=1").await.unzipped();
    let mut nested = files.clone();
    let pdf = nested.keys().find(|name| name.starts_with("pdfs/bols/")).unwrap().clone();
    let inner = format!("{pdf}/x.pdf");
    nested.insert(inner.clone(), b"%PDF-1.4\n%%EOF\n".to_vec());
    line(&mut nested, "pdfs/index.csv", &|all| all.push(format!("999999,{inner},1,,")));
    let mut cut = files.clone();
    let events = cut.remove("events.jsonl").unwrap();
    cut.insert("events.jsonl\0.exe".into(), events);
    let repeated = format!("{}  verify.md\n", sum_of(&files["verify.md"]));
    for (what, pack, reason) in [
        ("a file that is a folder too", packed(&nested), "would collide"),
        ("a name with a NUL", packed(&cut), "another name than it seems"),
        ("a sum twice", packed_with(&files, &repeated), "aren't those in SHA256SUMS"),
    ] {
        let (is_proved, told) = check(&pack, &[&key]).await;
        assert!(!is_proved && told.starts_with("NOT PROVED: ") && told.contains(reason), "{what}: {told}");
    }
}
