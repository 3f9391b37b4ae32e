//! A part of the log for somebody who hasn't got it: checked with what lies in it, and by nothing else.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write as _;

use sha2::{Digest, Sha256};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::audit::proof::key;
use crate::portal::zip::unpacked;
use crate::support::{Answer, App, World, script};

type Files = BTreeMap<String, Vec<u8>>;

const OTHERS: &str = "INSERT INTO audit_events (action, outcome, user_agent, customer_code, file_name) \
    SELECT 'BOL_VIEWED', 'success', E'two\\nlines \"é\"', CASE n % 5 WHEN 0 THEN 'ACME' WHEN 1 THEN 'RIVAL' END, '=1+1' FROM generate_series(1, 150) n";

/// With some hundred sealed events, and several checkpoints in the storage.
async fn with_events(app: &App) {
    app.acme().await.get(&format!("/bols/{}/download", World::ACME_BOL)).await;
    for _ in 0..3 {
        app.sql(OTHERS).await;
        app.sealed().await;
        app.published().await;
    }
}

/// What the script that is in the pack says of it.
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

/// As somebody would pack it who knows how.
fn packed(files: &Files) -> Vec<u8> {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let sums: String = files
        .iter()
        .filter(|(name, _)| *name != "SHA256SUMS")
        .map(|(name, bytes)| format!("{}  {name}\n", hex::encode(Sha256::digest(bytes))))
        .collect();
    for (name, bytes) in files {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(if name == "SHA256SUMS" { sums.as_bytes() } else { bytes }).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn lines(files: &Files, name: &str) -> Vec<String> {
    String::from_utf8(files[name].clone()).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_is_checked_without_the_log() {
    let app = App::start().await;
    with_events(&app).await;
    let (auditor, key) = (app.auditor().await, key(&app).await);
    for (asked, condition) in [
        ("?customer=acme", "customer_code = 'ACME'"),
        ("?customer=RIVAL&from=2020-01-01", "customer_code = 'RIVAL'"),
        ("?number=PRT-2025-0001", "bol_number = 'PRT-2025-0001'"),
        ("", "true"),
    ] {
        app.sealed().await;
        let before = format!(
            "SELECT e.id FROM audit_events e JOIN audit_leaves l ON l.event_id = e.id WHERE {condition} ORDER BY l.position"
        );
        let before = app.rows(&before).await;
        let pack = auditor.get(&format!("/audit/pack{asked}")).await;
        assert_eq!((pack.status, pack.header("content-type")), (200, "application/zip"), "{asked}");
        let (is_proved, told) = check(&pack.body, &[&key]).await;
        assert!(is_proved, "{asked}: {told}");
        let files = unpacked(&pack);
        // The names are those that verify.md has.
        let names: Vec<&str> = files.keys().map(String::as_str).collect();
        let expected = [
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
        assert_eq!(names, expected);
        let told = String::from_utf8(files["verify.md"].clone()).unwrap();
        assert!(names.iter().all(|name| told.contains(name)), "{names:?}");
        // Exactly the events that the filter has, in the order of the tree.
        let events = lines(&files, "events.jsonl");
        let ids: Vec<String> = events
            .iter()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].to_string())
            .collect();
        assert_eq!(ids, before, "{asked}");
        assert!(ids.len() > 1 || asked.contains("number"), "{asked}");
        // What is told beside many events is no more than it need be.
        assert!(lines(&files, "tree.txt").len() <= 2 * ids.len() * 10 + 20);
    }
    let pack = auditor.get("/audit/pack?customer=ACME").await;
    let files = unpacked(&pack);
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
    // On record, like every export.
    let sum = hex::encode(Sha256::digest(&pack.body));
    let told = app
        .rows(&format!(
            "SELECT action, user_role, detail->>'format', detail->'filter'->'filter'->>'customer', detail->>'rows' FROM audit_events \
             WHERE detail->>'export' = (SELECT detail->>'export' FROM audit_events WHERE encode(sha256, 'hex') = '{sum}') ORDER BY id"
        ))
        .await;
    let rows = lines(&files, "events.jsonl").len();
    assert_eq!(
        told,
        ["AUDIT_EXPORT_BEGUN|auditor|pack|ACME|".to_owned(), format!("AUDIT_EXPORTED|auditor|pack|ACME|{rows}")]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_changed_in_a_pack_is_noticed() {
    let app = App::start().await;
    with_events(&app).await;
    let key = key(&app).await;
    let pack = app.auditor().await.get("/audit/pack?customer=ACME").await;
    let files = unpacked(&pack);
    let (is_proved, told) = check(&packed(&files), &[&key]).await;
    assert!(is_proved, "packed again it is the same: {told}");

    let line = |files: &mut Files, name: &str, change: &dyn Fn(&mut Vec<String>)| {
        let mut all = lines(files, name);
        change(&mut all);
        files.insert(name.into(), all.into_iter().map(|line| line + "\n").collect::<String>().into_bytes());
    };
    type Change<'a> = (&'a str, Box<dyn Fn(&mut Files) + 'a>);
    let changes: Vec<Change<'_>> = vec![
        (
            "an event",
            Box::new(|files| line(files, "events.jsonl", &|all| all[7] = all[7].replace("success", "denied!"))),
        ),
        ("an event left out", Box::new(|files| line(files, "events.jsonl", &|all| drop(all.remove(7))))),
        ("the last one left out", Box::new(|files| line(files, "events.jsonl", &|all| drop(all.pop())))),
        (
            "one slipped in",
            Box::new(|files| line(files, "events.jsonl", &|all| all.insert(7, all[6].replace("success", "denied")))),
        ),
        ("one at the end", Box::new(|files| line(files, "events.jsonl", &|all| all.push(all[6].clone())))),
        ("two exchanged", Box::new(|files| line(files, "events.jsonl", &|all| all.swap(3, 9)))),
        (
            "a hash",
            Box::new(|files| {
                line(files, "tree.txt", &|all| {
                    let at = all.iter().position(|line| line.starts_with('0')).unwrap();
                    all[at] = format!("0 {}", hex::encode([7; 32]));
                });
            }),
        ),
        ("a level", Box::new(|files| line(files, "tree.txt", &|all| all[0] = format!("1{}", all[0])))),
        ("no tree", Box::new(|files| line(files, "tree.txt", &|all| all.clear()))),
        (
            "an event hidden in a hash",
            Box::new(|files| {
                line(files, "tree.txt", &|all| {
                    let at = all.iter().position(|line| line == "leaf").unwrap();
                    all[at] = format!("0 {}", hex::encode([7; 32]));
                });
                line(files, "events.jsonl", &|all| drop(all.remove(0)));
            }),
        ),
        (
            "the time of the checkpoint",
            Box::new(|files| line(files, "checkpoint.txt", &|all| all[3] = all[3].replace("202", "201"))),
        ),
        ("no checkpoint", Box::new(|files| drop(files.remove("checkpoint.txt")))),
        (
            "another checkpoint",
            Box::new(|files| line(files, "checkpoints.jsonl", &|all| all[0] = all[0].replace("202", "201"))),
        ),
        ("checkpoints in another order", Box::new(|files| line(files, "checkpoints.jsonl", &|all| all.reverse()))),
        ("a file more", Box::new(|files| drop(files.insert("./events.jsonl".into(), b"{}\n".to_vec())))),
        ("a file that would be another", Box::new(|files| drop(files.insert("EVENTS.jsonl".into(), Vec::new())))),
        ("a file elsewhere", Box::new(|files| drop(files.insert("pdfs/../../x".into(), Vec::new())))),
        ("a PDF of no index", Box::new(|files| drop(files.insert("pdfs/bols/2025/X.pdf".into(), Vec::new())))),
        (
            "no events",
            Box::new(|files| {
                line(files, "tree.txt", &|all| all.retain(|line| line != "leaf"));
                files.insert("events.jsonl".into(), Vec::new());
            }),
        ),
    ];
    for (what, change) in &changes {
        let mut changed = files.clone();
        change(&mut changed);
        let (is_proved, told) = check(&packed(&changed), &[&key]).await;
        assert!(!is_proved && told.starts_with("NOT PROVED: "), "{what}: {told}");
    }
    // Damaged on the way; cut off; under another key.
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
async fn pdfs_are_for_administrators_and_each_is_on_record() {
    for on_s3 in [false, true] {
        let app = if on_s3 { App::on_s3(&[]).await } else { App::start().await };
        with_events(&app).await;
        let (admin, key) = (app.user("admin@terminal.example").await, key(&app).await);
        assert!(admin.get("/audit/integrity").await.text().contains("name=\"pdfs\""));
        let pack: Answer = admin.get("/audit/pack?customer=ACME&pdfs=1").await;
        assert_eq!(pack.status, 200);
        let (is_proved, told) = check(&pack.body, &[&key]).await;
        assert!(is_proved, "{told}");
        let files: Files = unpacked(&pack);
        let pdfs: Vec<&String> = files.keys().filter(|name| name.starts_with("pdfs/bols/")).collect();
        assert!(!pdfs.is_empty() && told.contains(" PDFs are what these events are about; of "), "{told}");
        let recorded = app.rows("SELECT 'pdfs/' || object_key FROM audit_events WHERE action = 'BOLS_ZIPPED' AND outcome = 'success' AND user_role = 'admin' ORDER BY 1").await;
        assert_eq!(recorded, pdfs.iter().map(|name| name.as_str()).collect::<Vec<_>>());
        for name in &pdfs {
            assert!(lines(&files, "pdfs/index.csv").iter().any(|line| line.contains(&sum_of(&files[*name]))), "{name}");
        }
        // One that was exchanged, with everything beside it that nobody has signed.
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
        // One isn't what was stored, another one is missing.
        std::fs::write(app.media("bols/2025/PRT-2025-0001.v2.pdf"), b"%PDF-1.4\n% another\n%%EOF\n").unwrap();
        std::fs::remove_file(app.media("bols/2025/PRT-2025-0001.pdf")).unwrap();
        let pack = admin.get("/audit/pack?number=PRT-2025-0001&pdfs=1").await;
        let files = unpacked(&pack);
        let index = lines(&files, "pdfs/index.csv");
        assert!(index.iter().any(|line| line.ends_with("its SHA-256 is not that on record")), "{index:?}");
        assert!(index.iter().any(|line| line.ends_with(",,,,the file is missing in the storage")), "{index:?}");
        let (is_proved, told) = check(&pack.body, &[&key]).await;
        assert!(!is_proved && told.contains("isn't what event "), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_is_for_auditors_and_says_what_is_wrong() {
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
    // Nothing that was changed gets a proof: the connection breaks, which is on record.
    app.sql("ALTER TABLE audit_events DISABLE TRIGGER USER; GRANT ALL ON audit_events TO CURRENT_USER; \
             UPDATE audit_events SET user_agent = 'another' WHERE id = (SELECT max(id) FROM audit_events WHERE customer_code = 'ACME')").await;
    let answer = auditor.request(reqwest::Method::GET, "/audit/pack?customer=ACME").send().await.unwrap();
    assert!(answer.bytes().await.is_err(), "and no ZIP that looks whole");
    let ended =
        "SELECT outcome, detail->>'reason' FROM audit_events WHERE action = 'AUDIT_EXPORTED' ORDER BY id DESC LIMIT 1";
    assert_eq!(app.rows(ended).await, ["failed|broken off"]);
}
