//! Packs: a part of the log for a third party, who needs nothing but the pack to check it.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;

use sha2::{Digest, Sha256};

use super::pack_forgeries::packed;
use crate::support::{Action, Answer, App, EventRow, Outcome, World, script};

pub type Files = BTreeMap<String, Vec<u8>>;

const OTHERS: &str = "INSERT INTO audit_events (action, outcome, user_agent, customer_code, file_name) \
    SELECT 'BOL_VIEWED', 'success', E'two\\nlines \"é\"', CASE n % 5 WHEN 0 THEN 'ACME' WHEN 1 THEN 'RIVAL' END, '=1+1' FROM generate_series(1, 150) n";

/// Adds some hundred sealed events, and several checkpoints in the storage.
pub async fn with_events(app: &App) {
    app.acme().await.get(&format!("/bols/{}/download", World::ACME_BOL)).await;
    for _ in 0..3 {
        app.sql(OTHERS).await;
        app.sealed().await;
        app.published().await;
    }
}

/// Checks a pack with the scripts that it contains.
pub async fn check(pack: &[u8], keys: &[&str]) -> (bool, String) {
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

pub fn lines(files: &Files, name: &str) -> Vec<String> {
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

pub fn sum_of(bytes: &[u8]) -> String {
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
async fn only_auditors_get_packs_and_wrong_filters_are_named() {
    let app = App::start().await;
    with_events(&app).await;
    let auditor = app.auditor().await;
    let page = auditor.get("/audit/integrity").await.text();
    assert!(page.contains("action=\"/audit/pack\"") && !page.contains("name=\"pdfs\""));
    assert!(auditor.get("/audit?customer=ACME").await.text().contains("formaction=\"/audit/pack\""));
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
