//! `primetrade import-bols` and `migrate-pdfs-to-s3`: BOLs and PDFs of the previous system.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use primetrade::db;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::scan::paper;
use crate::support::{
    Action, App, DocumentRow, Environment, Fault, Program, Proxy, S3Server, migrated_database, primetrade, run,
    with_variables,
};

const OLD: &str = "number,date,customer,product,truck,trailer,PO,tons,official weight lb\n\
    PRT-2024-0001,2024-01-03,Miami Valley Castings,Basic pig iron,T-12,88,\"PO, 1\",23.03,46100\n\
    PRT-2024-0002,01/04/2024,Miami Valley Castings,Basic pig iron,T-12,88,PO 2,23.5,\n\
    PRT-2024-0017,2024-01-05,ACME,\"Scrap \"\"HMS 1\"\"\",T-13,88,PO 3,22,\n";

/// Imports a file from standard input. Returns the exit code, and what the command printed.
pub async fn import(app: &App, csv: impl AsRef<[u8]>, arguments: &[&str]) -> (i32, String, String) {
    let output = primetrade(app.environment(), &[&["import-bols", "-"], arguments].concat(), csv).await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// Expects the three BOLs of [`OLD`] with their customers, dates and weights.
async fn expect_the_old_bols(app: &App) {
    let (miami, acme) = (app.customer("MIAMI-VALLEY").await.id, app.world.acme);
    let mut bols = app.bols().await;
    bols.retain(|bol| bol.number_year == 2024);
    bols.sort_by(|one, other| one.number.cmp(&other.number));
    let days = bols.iter().map(|bol| (&*bol.number, bol.customer_id, bol.bol_date, bol.visible_since.date_naive()));
    let day = |day| chrono::NaiveDate::from_ymd_opt(2024, 1, day).unwrap();
    let expected = [
        ("PRT-2024-0001", Some(miami), day(3), day(3)),
        ("PRT-2024-0002", Some(miami), day(4), day(4)),
        ("PRT-2024-0017", Some(acme), day(5), day(5)),
    ];
    assert_eq!(days.collect::<Vec<_>>(), expected);
    let loads = bols
        .iter()
        .map(|bol| (&*bol.product, &*bol.truck_number, &*bol.customer_po, bol.net_lb, bol.official_weight_lb));
    let expected = [
        ("Basic pig iron", "T-12", "PO, 1", 46_060, Some(46_100)),
        ("Basic pig iron", "T-12", "PO 2", 47_000, None),
        ("Scrap \"HMS 1\"", "T-13", "PO 3", 44_000, None),
    ];
    assert_eq!(loads.collect::<Vec<_>>(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_of_old_bols_is_complete_or_changes_nothing() {
    let app = App::start().await;
    let (code, stdout, stderr) = import(&app, OLD, &[]).await;
    assert!(
        code == 1 && stdout.contains("line 2: customer Miami Valley Castings doesn't exist (--create-customers"),
        "{stdout}"
    );
    assert!(stderr.contains("2 errors in 3 lines. Nothing was imported."), "{stderr}");
    let (code, stdout, _) = import(&app, OLD, &["--create-customers", "--dry-run"]).await;
    assert!(code == 0 && stdout.contains("would create customer MIAMI-VALLEY (Miami Valley Castings)"), "{stdout}");
    assert!(stdout.contains("would import 3 BOLs") && stdout.contains("the next number of 2024 would be 18"));
    assert_eq!(app.bols().await.len(), 5);
    let (code, stdout, _) = import(&app, OLD, &["--create-customers"]).await;
    assert!(code == 0 && stdout.contains("imported 3 BOLs"), "{stdout}");
    expect_the_old_bols(&app).await;
    assert_eq!(app.last_sequence(2024).await, 17);
    let events = app.events().await;
    assert_eq!(events.single(Action::BolsImported).detail("imported"), "3");
    assert!(!events.only(Action::CustomerCreated).is_empty(), "{events:?}");
    assert_eq!(app.count("notices").await, 0, "nobody is mailed about what is old");
    // A second import is refused, or skips the existing BOLs.
    let (code, stdout, _) = import(&app, OLD, &[]).await;
    assert!(code == 1 && stdout.contains("PRT-2024-0001 exists already"), "{stdout}");
    let more = format!("{OLD}PRT-2024-0018,2024-02-01,,HBI,,,,1.5,\n");
    let (code, stdout, _) = import(&app, &more, &["--skip-existing"]).await;
    assert!(code == 0 && stdout.contains("imported 1 BOLs, skipped 3"), "{stdout}");
    // The customer finds its BOL.
    let page = app.acme().await.get("/bols/PRT-2024-0017").await;
    assert!(page.status == 200 && page.text().contains("22.00"), "{}", page.text());
    assert_eq!(app.rival().await.get("/bols/PRT-2024-0017").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_line_is_named_and_nothing_is_kept() {
    let app = App::start().await;
    let csv = "\u{feff}number;date;customer;product;tons;net_lb;void reason;carrier scac\r\n\
        PRT-2024-0001;2024-13-03;ACME;x;23;;;\r\n\
        PRT-2024-0002;2024-01-03;ACME;;23;;;\r\n\
        BOL 3;2024-01-03;ACME;x;23;;;\r\n\
        XYZ-2024-0004;2024-01-03;ACME;x;23;;;\r\n\
        PRT-2024-0005;2024-01-03;ACME;x;23.0301;;;\r\n\
        PRT-2024-0006;2024-01-03;ACME;x;23;46001;;\r\n\
        PRT-2024-0007;2024-01-03;ACME;x;;;;\r\n\
        PRT-2024-0008;2024-01-03;ACME;x;-1;;;\r\n\
        PRT-2024-0009;2024-01-03;ACME;x;1;;;abcde\r\n\
        PRT-2024-0010;2024-01-03;ACME;x;1;;Wrong truck;abcd\r\n\
        PRT-2024-0010;2024-01-03;ACME;x;1;;;\r\n\
        PRT-2025-0001;2024-01-03;ACME;x;1;;;\r\n\
        PRT-2024-0011;2024-01-03;ACME;x\r\n\
        PRT-2024-0012;2024-01-03;ACME;x;23,03;;;\r\n\
        PRT-2024-999999999;2024-01-03;ACME;x;23;;;\r\n\
        PRT-2024-0013;2019-01-03;ACME;x;23;;;\r\n\
        PRT-2099-0014;2099-01-03;ACME;x;23;;;\r\n";
    let (code, stdout, stderr) = import(&app, csv, &["--create-customers"]).await;
    assert_eq!(code, 1, "{stdout}{stderr}");
    for (line, word) in [
        (2, "date"),
        (3, "product"),
        (4, "number"),
        (5, "doesn't begin with PRT-"),
        (6, "whole pounds"),
        (7, "46000 lb, but net_lb says 46001"),
        (8, "net_lb"),
        (9, "tons"),
        (10, "carrier_scac"),
        (12, "in the file twice"),
        (13, "exists already"),
        (14, "net_lb"),
        // `23,03` is neither 2,303 tons nor 23.
        (15, "whole pounds"),
        (16, "is too high"),
        (17, "the year 2024 of the number"),
        (18, "in the future"),
    ] {
        let told = stdout.lines().find(|told| told.starts_with(&format!("line {line}: "))).unwrap_or_default();
        assert!(told.contains(word), "line {line}: {word}: {stdout}");
    }
    assert!(!stdout.contains("line 11:"), "{stdout}");
    assert_eq!(app.count("bols").await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unclear_customer_or_header_is_refused() {
    let app = App::start().await;
    for (line, word) in
        [("RIVAL,Acme Steel", "has the code ACME, not RIVAL"), ("NEW-1,", "customer NEW-1 doesn't exist")]
    {
        let csv = format!("number,date,product,tons,customer_code,customer\nPRT-2024-0001,2024-01-03,x,1,{line}\n");
        let (code, stdout, _) = import(&app, &csv, &[]).await;
        assert!(code == 1 && stdout.contains(word), "{line}: {stdout}");
    }
    for (csv, word) in [
        ("", "no column number"),
        ("a,b\n1,2\n", "no column number"),
        ("number,date,product,po,customer po\n", "Two columns contain the customer_po"),
    ] {
        let (code, _, stderr) = import(&app, csv, &[]).await;
        assert!(code == 1 && stderr.contains(word), "{csv}: {stderr}");
    }
    let output = primetrade(app.environment(), &["import-bols", "no-such-file.csv"], "").await;
    assert_eq!(output.status.code(), Some(2));
}

/// Writes PDFs into a folder as the old system did.
fn legacy(folder: &Path, files: &[(&str, Vec<u8>)]) {
    for (name, bytes) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

fn row(stdout: &str, label: &str) -> u64 {
    let line = stdout
        .lines()
        .find(|line| line.starts_with(&format!("{label}:")))
        .unwrap_or_else(|| panic!("{label}: {stdout}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// Nine BOLs of the old system, with a folder of its PDFs and a bucket in which some objects exist already.
struct OldSystem {
    app: App,
    folder: TempDir,
    /// The command migrates to the bucket even where `USE_S3` is off.
    environment: Environment,
}

async fn old_system() -> OldSystem {
    let app = App::on_s3(&[]).await;
    let s3 = app.s3.as_ref().unwrap();
    let csv: String = (1..=9).map(|n| format!("PRT-2024-{n:04},2024-01-0{n},ACME,x,1\n")).collect();
    assert_eq!(import(&app, &format!("number,date,customer,product,tons\n{csv}"), &[]).await.0, 0);
    let folder = TempDir::new().unwrap();
    legacy(
        folder.path(),
        &[
            ("bol_pdfs/PRT-2024-0001.pdf", paper("one")),
            ("bols/2024/PRT-2024-0002.pdf", paper("two")),
            ("bol_pdfs/PRT-2024-0003.pdf", b"<html>not found</html>".to_vec()),
            ("bol_pdfs/PRT-2024-0004.pdf", Vec::new()),
            ("bol_pdfs/PRT-2024-0005.pdf", paper("five")),
            ("bols/2024/PRT-2024-0005.pdf", paper("another five")),
            ("bol_pdfs/PRT-2024-0006.pdf", paper("six")),
            ("bol_pdfs/PRT-2024-0007.pdf", paper("seven")),
        ],
    );
    std::os::unix::fs::symlink("/etc/hostname", folder.path().join("bol_pdfs/PRT-2024-0008.pdf")).unwrap();
    // The bucket holds these two already, one with the same content.
    std::fs::create_dir_all(s3.path_of("bols/2024")).unwrap();
    std::fs::write(s3.path_of("bols/2024/PRT-2024-0006.pdf"), b"something else").unwrap();
    std::fs::write(s3.path_of("bols/2024/PRT-2024-0007.pdf"), paper("seven")).unwrap();
    // The old system stored this one in the bucket.
    std::fs::write(s3.path_of("bols/2024/PRT-2024-0009.pdf"), paper("nine")).unwrap();
    let environment = with_variables(app.environment().to_vec(), &[("USE_S3", "False")]);
    OldSystem { app, folder, environment }
}

impl OldSystem {
    async fn migrate(&self, arguments: &[&str]) -> (i32, String, String) {
        let source = ["--source", self.folder.path().to_str().unwrap()];
        run(&self.environment, &[&["migrate-pdfs-to-s3"], arguments, &source].concat()).await
    }

    fn object(&self, name: &str) -> PathBuf {
        self.app.s3.as_ref().unwrap().path_of(&format!("bols/2024/{name}"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_would_happen_and_uploads_nothing() {
    let old = old_system().await;
    let (code, stdout, _) = old.migrate(&["--dry-run"]).await;
    assert_eq!(code, 1, "{stdout}");
    for expected in [
        "BOL PDF Migration to S3",
        "DRY RUN MODE - No files will be uploaded",
        "Found 14 BOL records in database",
        "  → PRT-2024-0001: Would upload to bols/2024/PRT-2024-0001.pdf",
        "  ✗ PRT-2024-0003: Error: bol_pdfs/PRT-2024-0003.pdf: not a PDF",
        "  ✗ PRT-2024-0005: Error: bols/2024/PRT-2024-0005.pdf and bol_pdfs/PRT-2024-0005.pdf are different files",
        "  ✗ PRT-2024-0006: Error: bols/2024/PRT-2024-0006.pdf exists already with different content and was left as it is",
        "  ⊘ PRT-2024-0007: Already there",
        "  ⊘ PRT-2024-0009: Only in the bucket: bols/2024/PRT-2024-0009.pdf",
        "  ✗ PRT-2025-0005: PDF missing",
        "  ⊘ PRT-2025-0001: Only in the bucket",
    ] {
        assert!(stdout.contains(expected), "{expected}: {stdout}");
    }
    assert!(!old.object("PRT-2024-0001.pdf").exists());
}

/// Key, state and version of each document of 2024, by key.
async fn stored(app: &App) -> Vec<(String, String, i32)> {
    let mut documents = app.documents().await;
    documents.retain(|document| document.object_key.starts_with("bols/2024/"));
    documents.sort_by(|one, other| one.object_key.cmp(&other.object_key));
    documents.into_iter().map(|document| (document.object_key, document.state, document.version)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn old_pdfs_are_uploaded_and_nothing_is_overwritten() {
    let old = old_system().await;
    let app = &old.app;
    let (code, stdout, stderr) = old.migrate(&[]).await;
    assert!(code == 1 && stderr.contains("5 failed"), "{stderr}");
    assert_eq!(
        (row(&stdout, "Successfully uploaded"), row(&stdout, "Skipped (exists)"), row(&stdout, "Errors")),
        (2, 1, 5)
    );
    let (found, missing, there) =
        (row(&stdout, "PDFs found locally"), row(&stdout, "PDFs missing"), row(&stdout, "Only in the bucket"));
    assert_eq!((row(&stdout, "Total BOL records"), found + missing + there), (14, 14), "{stdout}");
    assert_eq!(found, 2 + 1 + 5);
    assert_eq!(std::fs::read(old.object("PRT-2024-0006.pdf")).unwrap(), b"something else");
    assert_eq!(std::fs::read(old.folder.path().join("bol_pdfs/PRT-2024-0001.pdf")).unwrap(), paper("one"));
    let expected = ["1", "2", "7", "9"].map(|n| (format!("bols/2024/PRT-2024-000{n}.pdf"), "stored".to_owned(), 1));
    assert_eq!(stored(app).await, expected);
    // A second run uploads nothing.
    let (_, stdout, _) = old.migrate(&[]).await;
    assert_eq!((row(&stdout, "Successfully uploaded"), row(&stdout, "Skipped (exists)")), (0, 3), "{stdout}");
    assert_eq!(stored(app).await, expected);
    let migrated = app.events().await.only(Action::PdfsMigrated);
    assert_eq!(migrated.filter(|event| event.document_id.is_some()).len(), 4);
    assert_eq!(app.acme().await.download("/bols/PRT-2024-0002/download").await, paper("two"));
    let (_, report, _) = run(&app.environment().to_vec(), &["storage", "reconcile"]).await;
    assert!(report.contains("Uploads in progress:       1"), "the stray one, which is young: {report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flat_folder_works_and_a_wrong_source_or_bucket_is_named() {
    let old = old_system().await;
    old.migrate(&[]).await;
    let flat = old.folder.path().join("bol_pdfs");
    let (_, stdout, _) =
        run(&old.environment, &["migrate-pdfs-to-s3", "--skip-existing", "--source", flat.to_str().unwrap()]).await;
    assert!(stdout.contains("⊘ PRT-2024-0001"), "{stdout}");
    let (code, _, stderr) = run(&old.environment, &["migrate-pdfs-to-s3", "--source", "/no/such/folder"]).await;
    assert!(code == 2 && stderr.contains("--source"), "{stderr}");
    let nowhere = with_variables(old.environment.clone(), &[("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")]);
    let (code, _, stderr) =
        run(&nowhere, &["migrate-pdfs-to-s3", "--source", old.folder.path().to_str().unwrap()]).await;
    assert!(code == 1 && stderr.contains("storage check"), "{stderr}");
}

/// The portal's own local files move too: every version, tickets, and the inbox.
#[tokio::test(flavor = "multi_thread")]
async fn a_portal_on_local_files_moves_to_the_bucket_whole() {
    let app = App::start().await;
    let office = app.office().await;
    office.upload(&[("kind", "other")], "waits.pdf", &paper("waits")).await;
    // The inbox object of a filed document moves too.
    let filed = office.upload(&[("kind", "other")], "filed.pdf", &paper("filed")).await.document_id(0);
    let path = format!("/office/documents/{filed}/file");
    assert_eq!(office.post(&path, &[("number", "25-5"), ("kind", "invoice")]).await.status, 303);
    app.sealed().await;
    app.published().await;
    let s3 = S3Server::start().await;
    let mut environment: Environment = app.environment().to_vec();
    environment.extend(s3.environment().into_iter().filter(|(name, _)| *name != "USE_S3"));
    let (code, stdout, stderr) = run(&environment, &["migrate-pdfs-to-s3"]).await;
    // One BOL has no PDF.
    assert!(code == 1 && stderr.contains("1 not found"), "{stdout}{stderr}");
    assert_eq!((row(&stdout, "Successfully uploaded"), row(&stdout, "Other documents")), (4, 6), "{stdout}");
    // The log verifies there too, against the moved checkpoints.
    let checkpoints = row(&stdout, "Log checkpoints");
    assert!(checkpoints > 0 && stdout.contains(&format!("  uploaded:            {checkpoints}\n")), "{stdout}");
    let moved = with_variables(environment.clone(), &[("USE_S3", "True")]);
    let (code, told, _) = run(&moved, &["audit", "verify"]).await;
    assert!(code == 0 && told.contains(" checkpoints in the storage"), "{told}");
    // A differing object is named and not overwritten.
    let one = std::fs::read_dir(app.media("audit/checkpoints")).unwrap().next().unwrap().unwrap();
    std::fs::write(one.path(), "another").unwrap();
    std::fs::write(app.media("audit/checkpoints/not a key.txt"), "another").unwrap();
    let (code, again, _) = run(&environment, &["migrate-pdfs-to-s3"]).await;
    assert!(again.contains("✗ audit/checkpoints/not a key.txt: Error: its path is not a valid object key"), "{again}");
    let other =
        format!("✗ audit/checkpoints/{}: Error: the bucket has a different object", one.file_name().to_string_lossy());
    assert!(code == 1 && again.contains(&other), "{again}");
    assert_eq!(run(&moved, &["audit", "verify"]).await.0, 0);
    let (code, report, _) =
        run(&with_variables(environment, &[("USE_S3", "True")]), &["storage", "reconcile", "--read"]).await;
    // The server publishes checkpoints to its files, which the second run moves, and `audit verify` to the bucket.
    let in_bucket = std::fs::read_dir(s3.path_of("audit/checkpoints")).unwrap().map(|entry| entry.unwrap().path());
    let in_bucket = in_bucket.filter(|path| path.extension().is_some_and(|extension| extension == "txt")).count();
    let later = row(again.split_once("Log checkpoints").unwrap().1, "  uploaded");
    assert!(in_bucket as u64 >= checkpoints + later, "{again}");
    let others = format!("Not documents:             {in_bucket}\n");
    assert!(code == 0 && report.contains("In both, as recorded:      10 ") && report.contains(&others), "{report}");
}

/// A database with BOLs, a folder with their PDFs, and a bucket.
async fn to_move(count: usize) -> (Environment, primetrade::config::DatabaseUrl, TempDir, S3Server) {
    let (database, s3, folder) = (migrated_database().await, S3Server::start().await, TempDir::new().unwrap());
    let mut environment =
        with_variables(s3.environment(), &[("USE_S3", "True"), ("MEDIA_ROOT", folder.path().to_str().unwrap())]);
    environment.push(("DATABASE_URL", database.as_str().into()));
    let mut csv = String::from("number,date,product,tons\n");
    for n in 1..=count {
        csv.push_str(&format!("PRT-2024-{n:04},2024-01-01,x,1\n"));
        legacy(folder.path(), &[(&format!("bol_pdfs/PRT-2024-{n:04}.pdf"), paper(&n.to_string()))]);
    }
    assert!(primetrade(&environment, &["import-bols", "-"], &csv).await.status.success());
    (environment, database, folder, s3)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreliable_connection_slows_the_migration_and_loses_nothing() {
    let (environment, database, _folder, s3) = to_move(40).await;
    let proxy = Proxy::before(s3.address).await;
    let through = with_variables(environment.clone(), &[("AWS_ENDPOINT_URL_S3", &format!("http://{}", proxy.address))]);
    let slow_down = Fault::Says(503, "SlowDown", "Please reduce your request rate.");
    let faults =
        [Fault::None, Fault::None, slow_down, Fault::AnswerLost, Fault::Lost, Fault::Late(Duration::from_millis(50))];
    proxy.next(&faults.repeat(6));
    let (code, stdout, stderr) = run(&through, &["migrate-pdfs-to-s3"]).await;
    assert_eq!((code, row(&stdout, "Errors")), (0, 0), "{stdout}{stderr}");
    assert_eq!(row(&stdout, "Successfully uploaded") + row(&stdout, "Skipped (exists)"), 40, "{stdout}");
    let documents = DocumentRow::all(&mut db::connect(&database).await.unwrap()).await;
    assert_eq!(documents.iter().filter(|document| document.is_stored()).count(), 40);
    let (code, report, _) = run(&environment, &["storage", "reconcile", "--read"]).await;
    assert_eq!(code, 0, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_killed_at_any_point_continues() {
    let (environment, database, folder, _s3) = to_move(60).await;
    for time in 0..14_u64 {
        let program = Program::start(folder.path(), &environment, &["migrate-pdfs-to-s3"]);
        tokio::time::sleep(Duration::from_millis(120 + 35 * time)).await;
        program.signal(Signal::KILL);
        program.end().await;
    }
    let (code, stdout, stderr) = run(&environment, &["migrate-pdfs-to-s3"]).await;
    assert_eq!((code, row(&stdout, "Errors"), row(&stdout, "PDFs missing")), (0, 0, 0), "{stdout}{stderr}");
    let mut documents = DocumentRow::all(&mut db::connect(&database).await.unwrap()).await;
    documents.retain(DocumentRow::is_stored);
    let bols: HashSet<Option<i64>> = documents.iter().map(|document| document.bol_id).collect();
    assert_eq!((documents.len(), bols.len()), (60, 60));
    let (code, report, _) = run(&environment, &["storage", "reconcile", "--read"]).await;
    assert!(code == 0 && report.contains("(60 with checksum)"), "{report}");
}
