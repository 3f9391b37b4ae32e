//! Packs: a part of the log for a third party, who needs nothing but the pack to check it.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::io::Write as _;

use primetrade::audit::seal::Checkpoint;
use sha2::{Digest, Sha256};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::support::{Action, Answer, App, EventRow, Outcome, World, script};

type Files = BTreeMap<String, Vec<u8>>;

const OTHERS: &str = "INSERT INTO audit_events (action, outcome, user_agent, customer_code, file_name) \
    SELECT 'BOL_VIEWED', 'success', E'two\\nlines \"é\"', CASE n % 5 WHEN 0 THEN 'ACME' WHEN 1 THEN 'RIVAL' END, '=1+1' FROM generate_series(1, 150) n";

/// Adds some hundred sealed events, and several checkpoints in the storage.
async fn with_events(app: &App) {
    app.acme().await.get(&format!("/bols/{}/download", World::ACME_BOL)).await;
    for _ in 0..3 {
        app.sql(OTHERS).await;
        app.sealed().await;
        app.published().await;
    }
}

/// Checks a pack with the scripts that it contains.
async fn check(pack: &[u8], keys: &[&str]) -> (bool, String) {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("pack.zip");
    std::fs::write(&file, pack).unwrap();
    for name in ["check_pack.py", "check_proof.py"] {
        let of_ours = format!("{}/tools/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::copy(of_ours, folder.path().join(name)).unwrap();
    }
    let checker = folder.path().join("check_pack.py");
    let mut arguments = vec![checker.as_os_str(), file.as_os_str()];
    arguments.extend(keys.iter().map(OsStr::new));
    script(&arguments).await
}

/// Builds a pack as a skilled forger would.
fn packed(files: &Files) -> Vec<u8> {
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

fn lines(files: &Files, name: &str) -> Vec<String> {
    String::from_utf8(files[name].clone()).unwrap().lines().map(str::to_owned).collect()
}

/// Whether an event belongs into a pack.
type Condition = fn(&EventRow) -> bool;

/// The files of a pack without PDFs.
const NAMES: [&str; 10] = [
    "SHA256SUMS",
    "bols.csv",
    "check_pack.py",
    "check_proof.py",
    "checkpoint.txt",
    "checkpoints.jsonl",
    "events.jsonl",
    "pack.json",
    "tree.txt",
    "verify.md",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_is_checked_without_the_log() {
    let app = App::start().await;
    with_events(&app).await;
    let (auditor, key) = (app.auditor().await, app.public_key().await);
    let filters: [(&str, Condition); 4] = [
        ("?customer=acme", |event| event.customer() == "ACME"),
        ("?customer=RIVAL&from=2020-01-01", |event| event.customer() == "RIVAL"),
        ("?number=PRT-2025-0001", |event| event.bol() == World::ACME_BOL),
        ("", |_| true),
    ];
    for (asked, matches) in filters {
        app.sealed().await;
        let matching: HashSet<i64> = app.events().await.filter(matches).iter().map(|event| event.id).collect();
        let mut before: Vec<i64> = app.leaves().await.iter().map(|leaf| leaf.event_id).collect();
        before.retain(|event| matching.contains(event));
        let pack = auditor.get(&format!("/audit/pack{asked}")).await;
        assert_eq!((pack.status, pack.header("content-type")), (200, "application/zip"), "{asked}");
        let (is_proved, told) = check(&pack.body, &[&key]).await;
        assert!(is_proved, "{asked}: {told}");
        let files = pack.unzipped();
        // verify.md explains every file.
        let names: Vec<&str> = files.keys().map(String::as_str).collect();
        assert_eq!(names, NAMES);
        let told = String::from_utf8(files["verify.md"].clone()).unwrap();
        assert!(names.iter().all(|name| told.contains(name)), "{names:?}");
        // Exactly the events that match the filter, in the order of the tree.
        let events = lines(&files, "events.jsonl");
        let ids: Vec<i64> = events
            .iter()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_i64().unwrap())
            .collect();
        assert_eq!(ids, before, "{asked}");
        assert!(ids.len() > 1 || asked.contains("number"), "{asked}");
        // The proof stays small beside many events.
        assert!(lines(&files, "tree.txt").len() <= 2 * ids.len() * 10 + 20);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_index_of_a_pack_lists_its_bols() {
    let app = App::start().await;
    with_events(&app).await;
    let pack = app.auditor().await.get("/audit/pack?customer=ACME").await;
    let files = pack.unzipped();
    let index = lines(&files, "bols.csv");
    assert!(
        index[0].starts_with("number,date,customer,consignee,product,net_lb,net_tons,status,document_id,"),
        "{index:?}"
    );
    assert!(
        index.iter().any(|line| line.starts_with("PRT-2025-0001,2025-03-01,ACME,Company sesame,")
            && line.contains(",46900,23.45,issued,")),
        "{index:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_is_recorded_like_every_export() {
    let app = App::start().await;
    with_events(&app).await;
    let pack = app.auditor().await.get("/audit/pack?customer=ACME").await;
    let rows = lines(&pack.unzipped(), "events.jsonl").len().to_string();
    let events = app.events().await;
    let exported = events.single(Action::AuditExported);
    assert_eq!(exported.sha256.as_deref(), Some(&Sha256::digest(&pack.body)[..]));
    let both = events.filter(|event| event.detail("export") == exported.detail("export"));
    let both = both.list(|event| {
        let customer = event.detail["filter"]["filter"]["customer"].as_str().unwrap();
        (event.action.as_str(), event.role(), event.detail("format"), customer, event.detail("rows"))
    });
    let expected = [("AUDIT_EXPORT_BEGUN", "-".to_owned()), ("AUDIT_EXPORTED", rows)];
    assert_eq!(both, expected.map(|(action, rows)| (action, "auditor", "pack".to_owned(), "ACME", rows)));
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

fn sum_of(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[tokio::test(flavor = "multi_thread")]
async fn only_administrators_get_pdfs_and_each_one_is_recorded() {
    for on_s3 in [false, true] {
        let app = if on_s3 { App::on_s3(&[]).await } else { App::start().await };
        with_events(&app).await;
        let (admin, key) = (app.user("admin@terminal.example").await, app.public_key().await);
        assert!(admin.get("/audit/integrity").await.text().contains("name=\"pdfs\""));
        let pack: Answer = admin.get("/audit/pack?customer=ACME&pdfs=1").await;
        assert_eq!(pack.status, 200);
        let (is_proved, told) = check(&pack.body, &[&key]).await;
        assert!(is_proved, "{told}");
        let files: Files = pack.unzipped();
        let pdfs: Vec<&String> = files.keys().filter(|name| name.starts_with("pdfs/bols/")).collect();
        assert!(!pdfs.is_empty() && told.contains(" PDFs are what these events are about; of "), "{told}");
        let zipped = app.events().await.only(Action::BolsZipped).with(Outcome::Success);
        let mut recorded = zipped.filter(|event| event.role() == "admin").list(|event| format!("pdfs/{}", event.key()));
        recorded.sort();
        assert_eq!(recorded, pdfs.iter().map(|name| name.as_str()).collect::<Vec<_>>());
        for name in &pdfs {
            assert!(lines(&files, "pdfs/index.csv").iter().any(|line| line.contains(&sum_of(&files[*name]))), "{name}");
        }
        // A replaced PDF, with all unsigned files adjusted to it.
        let mut forged = files.clone();
        let (name, sum) =
            ("pdfs/bols/2025/PRT-2025-0001.v2.pdf", sum_of(&files["pdfs/bols/2025/PRT-2025-0001.v2.pdf"]));
        forged.insert(name.into(), b"%PDF-1.4\n% forged\n%%EOF\n".to_vec());
        for index in ["bols.csv", "pdfs/index.csv"] {
            let text = lines(&files, index).join("\n").replace(&sum, &sum_of(&forged[name])) + "\n";
            forged.insert(index.into(), text.into_bytes());
        }
        let (is_proved, told) = check(&packed(&forged), &[&key]).await;
        assert!(!is_proved && told.contains("PRT-2025-0001.v2.pdf isn't what event "), "{told}");
        if on_s3 {
            continue;
        }
        // One PDF was replaced in the storage, another one is missing.
        std::fs::write(app.media("bols/2025/PRT-2025-0001.v2.pdf"), b"%PDF-1.4\n% another\n%%EOF\n").unwrap();
        std::fs::remove_file(app.media("bols/2025/PRT-2025-0001.pdf")).unwrap();
        let pack = admin.get("/audit/pack?number=PRT-2025-0001&pdfs=1").await;
        let files = pack.unzipped();
        let index = lines(&files, "pdfs/index.csv");
        assert!(index.iter().any(|line| line.ends_with("its SHA-256 differs from the recorded one")), "{index:?}");
        assert!(index.iter().any(|line| line.ends_with(",,,,the file is missing from the storage")), "{index:?}");
        let (is_proved, told) = check(&pack.body, &[&key]).await;
        assert!(!is_proved && told.contains("isn't what event "), "{told}");
    }
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

/// The numbers of PDFs that the script calls proved and unproved.
async fn counted(pack: &[u8], key: &str) -> (usize, usize) {
    let (is_proved, told) = check(pack, &[key]).await;
    assert!(is_proved, "{told}");
    let numbers = told.lines().last().unwrap().split(' ').filter_map(|word| word.parse().ok());
    let [proved, unproved] = numbers.collect::<Vec<usize>>().try_into().unwrap();
    (proved, unproved)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pdf_is_proved_by_its_sum_and_only_under_its_key() {
    const PDF: &str = "pdfs/bols/2025/PRT-2025-0001.v2.pdf";
    let app = App::start().await;
    with_events(&app).await;
    let (admin, key) = (app.user("admin@terminal.example").await, app.public_key().await);
    let pack = admin.get("/audit/pack?customer=ACME&pdfs=1").await;
    let files = pack.unzipped();
    let (proved, unproved) = counted(&pack.body, &key).await;
    assert!(proved > 0);
    // Renamed in the ZIP and in the unsigned files, a PDF would pass for another one.
    for other in ["pdfs/bols/2025/PRT-2025-0009.pdf", "pdfs/bols/2025/PRT-2025-0001.v9.pdf"] {
        let mut renamed = files.clone();
        let bytes = renamed.remove(PDF).unwrap();
        renamed.insert(other.into(), bytes);
        for index in ["bols.csv", "pdfs/index.csv"] {
            let text = lines(&files, index).join("\n").replace(&PDF[5..], &other[5..]) + "\n";
            renamed.insert(index.into(), text.into_bytes());
        }
        assert_eq!(counted(&packed(&renamed), &key).await, (proved - 1, unproved + 1), "{other}");
    }
    // An event about a document without its SHA-256 proves no bytes.
    app.sql(&format!(
        "INSERT INTO audit_events (action, outcome, user_agent, bol_id, document_id, object_key) \
         SELECT 'X', 'success', 'no sum', bol_id, id, object_key FROM documents \
         WHERE bol_id = (SELECT id FROM bols WHERE number = '{}')",
        World::ACME_BOL
    ))
    .await;
    app.sealed().await;
    let pack = admin.get("/audit/pack?q=no+sum&pdfs=1").await;
    let (proved, unproved) = counted(&pack.body, &key).await;
    assert!(proved == 0 && unproved > 0, "{proved} of {unproved}");
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

#[tokio::test(flavor = "multi_thread")]
async fn only_auditors_get_packs_and_wrong_filters_are_named() {
    let app = App::start().await;
    with_events(&app).await;
    let auditor = app.auditor().await;
    let page = auditor.get("/audit/integrity").await.text();
    assert!(page.contains("action=\"/audit/pack\"") && !page.contains("name=\"pdfs\""));
    assert!(auditor.get("/audit?customer=ACME").await.text().contains("href=\"/audit/pack?customer=ACME\""));
    for (path, status) in [
        ("/audit/pack?customer=ACME&pdfs=1", 403),
        ("/audit/pack?customer=ACME&pdfs=yes", 422),
        ("/audit/pack?customer=NOBODY", 422),
        ("/audit/pack?from=yesterday", 422),
        ("/audit/pack?from=2026-02-01&to=2026-01-01", 422),
        ("/audit/pack?customer=%00", 200),
    ] {
        assert_eq!(auditor.get(path).await.status, status, "{path}");
    }
    for (somebody, status) in [(app.stranger(), 303), (app.acme().await, 403), (app.office().await, 403)] {
        assert_eq!(somebody.get("/audit/pack?customer=ACME").await.status, status);
    }
    // A changed event gets no proof. The server breaks the connection and records it.
    app.sql("ALTER TABLE audit_events DISABLE TRIGGER USER; GRANT ALL ON audit_events TO CURRENT_USER; \
             UPDATE audit_events SET user_agent = 'another' WHERE id = (SELECT max(id) FROM audit_events WHERE customer_code = 'ACME')").await;
    let answer = auditor.request(reqwest::Method::GET, "/audit/pack?customer=ACME").send().await.unwrap();
    assert!(answer.bytes().await.is_err(), "and no ZIP that looks whole");
    let ended = app.events().await.only(Action::AuditExported);
    let ended = ended.last().unwrap();
    assert_eq!((ended.outcome.as_str(), ended.detail("reason").as_str()), ("failed", "broken off"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_breaks_off_when_its_auditor_is_disabled() {
    let app = App::start().await;
    app.sql("ALTER TABLE audit_events DISABLE TRIGGER audit_events_opens; \
             INSERT INTO audit_events (action, outcome, user_agent) \
             SELECT 'BOL_VIEWED', 'success', (SELECT string_agg(md5(n::text || m::text), '') FROM generate_series(1, 9) m) FROM generate_series(1, 30000) n").await;
    app.sealed().await;
    let auditor = app.auditor().await;
    let answer = auditor.request(reqwest::Method::GET, "/audit/pack").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    // Long enough to fill what the connection takes unread.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    app.sql("UPDATE users SET role = 'customer' WHERE email = 'auditor@terminal.example'").await;
    assert!(answer.bytes().await.is_err(), "and the connection breaks");
    app.events_until(Action::AuditExported, |ended| {
        ended.last().is_some_and(|ended| ended.detail("reason") == "access was taken away: the role was changed")
    })
    .await;
}
