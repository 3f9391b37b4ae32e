//! `primetrade restore-drill`: real dumps, restored into a private cluster or into an empty database.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use primetrade::audit::seal::Checkpoint;
use primetrade::config::DatabaseUrl;
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::scan::paper;
use crate::support::{
    Action, App, Environment, EventRow, Program, World, execute, fresh_database, migrated_database, rows, run,
    with_variables,
};

const TABLES: &str =
    "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')";

/// A portal on S3, a folder of dumps, and an empty database to restore them into.
struct Backups {
    app: App,
    folder: TempDir,
    scratch: DatabaseUrl,
}

/// How a drill ended: its exit code, its lines by check, and its event.
struct Drilled {
    code: i32,
    lines: BTreeMap<String, (String, String)>,
    event: EventRow,
}

impl Backups {
    /// Makes one dump, called `last-night.dump`.
    async fn new() -> Self {
        let app = App::on_s3(&[]).await;
        app.acme().await.get(&format!("/bols/{}", World::ACME_BOL)).await;
        app.sealed().await;
        let backups = Self { app, folder: TempDir::new().unwrap(), scratch: fresh_database().await };
        dump(&backups.app.database, &backups.path("last-night.dump")).await;
        backups
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn environment(&self) -> Environment {
        with_variables(self.app.environment().to_vec(), &[("RESTORE_DRILL_URL", self.scratch.as_str())])
    }

    async fn drill(&self, arguments: &[&str]) -> Drilled {
        self.drill_in(&self.environment(), self.folder.path(), arguments).await
    }

    async fn drill_of(&self, dump: &Path) -> Drilled {
        self.drill_in(&self.environment(), dump, &[]).await
    }

    /// Runs a drill, which records one event.
    async fn drill_in(&self, environment: &Environment, dump: &Path, arguments: &[&str]) -> Drilled {
        let mark = self.app.events().await.mark();
        let arguments = [&["restore-drill", "--json", dump.to_str().unwrap()], arguments].concat();
        let (code, stdout, stderr) = run(environment, &arguments).await;
        let lines: Vec<Value> = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}"));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let line = |line: &Value| (text(&line["check"]), (text(&line["result"]), text(&line["detail"])));
        let event = self.app.events().await.since(mark).single(Action::RestoreDrilled);
        assert_eq!((event.outcome == "success", event.email()), (code == 0, "command line"), "{stdout}{stderr}");
        Drilled { code, lines: lines.iter().map(line).collect(), event }
    }

    /// The objects of the bucket without the checkpoints, which the server publishes: keys with size and time.
    fn objects(&self) -> BTreeMap<PathBuf, (u64, SystemTime)> {
        let root = self.app.s3.as_ref().unwrap().path_of("");
        let (mut found, mut folders) = (BTreeMap::new(), vec![root.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let metadata = entry.metadata().unwrap();
                if metadata.is_dir() && entry.file_name() != "audit" {
                    folders.push(entry.path());
                } else if metadata.is_file() {
                    found.insert(entry.path(), (metadata.len(), metadata.modified().unwrap()));
                }
            }
        }
        found
    }
}

impl Drilled {
    /// The findings of a check in the event. Expects the line of the check to say the same.
    fn findings(&self, check: &str) -> Vec<String> {
        let recorded = self.event.detail["checks"].as_array().unwrap().iter().find(|found| found["check"] == check);
        let recorded = recorded.unwrap_or_else(|| panic!("{check} is not among {}", self.event.detail));
        let findings: Vec<String> = serde_json::from_value(recorded["findings"].clone()).unwrap();
        let (result, detail) = &self.lines[check];
        assert_eq!(result == "ok", recorded["passed"] == true, "{check}: {detail}");
        assert!(findings.iter().take(5).all(|finding| detail.contains(finding)), "{detail}: {findings:?}");
        findings
    }

    /// Why the drill did not finish.
    fn reason(&self) -> String {
        assert_eq!(self.code, 1);
        let reason = self.event.detail("reason");
        assert_eq!(self.lines["drill"], ("fail".to_owned(), reason.clone()));
        reason
    }

    fn has_passed(&self) -> bool {
        self.code == 0 && self.lines.values().all(|(result, _)| result == "ok")
    }
}

async fn dump(database: &DatabaseUrl, to: &Path) {
    let mut command = tokio::process::Command::new("pg_dump");
    let done = command.args(["-Fc", "-f", to.to_str().unwrap(), database.as_str()]).output().await.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn date_back(path: &Path, hours: u64) {
    let at = SystemTime::now() - Duration::from_secs(hours * 3600);
    File::options().append(true).open(path).unwrap().set_modified(at).unwrap();
}

/// A folder that the user of Postgres can enter.
fn open_folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn is_empty(folder: &TempDir) -> bool {
    std::fs::read_dir(folder.path()).unwrap().next().is_none()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_restores_the_newest_dump_and_records_what_came_back() {
    let backups = Backups::new().await;
    let events = backups.app.events().await.len();
    dump(&backups.app.database, &backups.path("older.dump")).await;
    date_back(&backups.path("older.dump"), 24);
    // What arrives after the dump is not in it, and no finding.
    let office = backups.app.office().await;
    office.upload(&[("kind", "other")], "later.pdf", &paper("later")).await.document_id(0);
    let (before, spool) = (backups.objects(), open_folder());
    let variables = [("SPOOL_DIR", spool.path().to_str().unwrap())];
    let environment = with_variables(backups.app.environment().to_vec(), &variables);
    let drilled = backups.drill_in(&environment, backups.folder.path(), &["--downloads", "3"]).await;
    assert!(drilled.has_passed(), "{:?}", drilled.lines);
    let detail = &drilled.event.detail;
    assert_eq!(
        (detail["dump"]["file"].as_str(), detail["dump"]["age_hours"].as_i64()),
        (Some("last-night.dump"), Some(0))
    );
    let size = std::fs::metadata(backups.path("last-night.dump")).unwrap().len();
    assert_eq!(detail["dump"]["bytes"].as_u64(), Some(size));
    let restored = &detail["restored"];
    let counts = ["bols", "documents", "events"].map(|what| restored[what].as_u64().unwrap() as usize);
    assert_eq!(counts, [5, 7, events]);
    let tables = rows(&backups.app.database, &format!("{TABLES} AND NOT relispartition")).await.len();
    assert_eq!(restored["tables"].as_u64(), Some(tables as u64));
    assert_eq!(detail["reason"], Value::Null);
    for (check, part) in [
        ("storage", "7 keys and 8 objects compared by size, 1 of them newer than the dump"),
        ("downloads", "3 of 3 documents fetched as recorded"),
    ] {
        assert!(drilled.findings(check).is_empty() && drilled.lines[check].1.contains(part), "{:?}", drilled.lines);
    }
    assert!(drilled.findings("log").is_empty() && drilled.findings("age").is_empty());
    assert_eq!(backups.objects(), before, "the bucket is only read");
    assert!(is_empty(&spool), "the private cluster is removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_are_missing_or_altered_fail_the_drill() {
    let backups = Backups::new().await;
    let s3 = backups.app.s3.as_ref().unwrap();
    assert!(backups.drill(&[]).await.has_passed());
    let [missing, altered, shorter] =
        ["bols/2025/PRT-2025-0002.pdf", "bols/2025/PRT-2025-0003.pdf", "bols/2025/PRT-2025-0004.pdf"];
    std::fs::remove_file(s3.path_of(missing)).unwrap();
    let size = std::fs::metadata(s3.path_of(altered)).unwrap().len();
    std::fs::write(s3.path_of(altered), vec![b'x'; usize::try_from(size).unwrap()]).unwrap();
    std::fs::write(s3.path_of(shorter), b"%PDF-1.4 cut").unwrap();
    // An object that is older than the dump should have a row in it.
    std::fs::write(s3.path_of("bols/2025/stray.pdf"), b"%PDF-1.4").unwrap();
    date_back(&s3.path_of("bols/2025/stray.pdf"), 1);
    let drilled = backups.drill(&["--downloads", "100"]).await;
    assert_eq!(drilled.code, 1);
    let expected = [format!("missing {missing}"), format!("size {shorter}"), "orphan bols/2025/stray.pdf".to_owned()];
    assert_eq!(drilled.findings("storage"), expected);
    let mut found = drilled.findings("downloads");
    found.sort();
    let keys: Vec<_> = found.iter().map(|finding| finding.split_once(": ").unwrap().0).collect();
    assert_eq!(keys, [missing, altered, shorter], "{found:?}");
    assert!(found[0].ends_with("the object is missing"), "{found:?}");
    assert!(drilled.lines["downloads"].1.starts_with("3 of 6 documents fetched as recorded"), "{:?}", drilled.lines);
    assert!(drilled.findings("log").is_empty() && drilled.findings("age").is_empty());
    assert_eq!(rows(&backups.scratch, TABLES).await, Vec::<String>::new(), "the scratch database is empty again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_with_an_altered_event_fails_the_drill_and_the_event_is_named() {
    let backups = Backups::new().await;
    let viewed = backups.app.events().await.single(Action::BolViewed).id;
    backups.app.tamper(&format!("UPDATE audit_events SET user_email = 'other@acme.example' WHERE id = {viewed}")).await;
    dump(&backups.app.database, &backups.path("tampered.dump")).await;
    let drilled = backups.drill_of(&backups.path("tampered.dump")).await;
    let findings = drilled.findings("log");
    assert!(drilled.code == 1 && findings.len() == 1 && findings[0].contains(&viewed.to_string()), "{findings:?}");
    assert!(drilled.findings("storage").is_empty() && drilled.findings("downloads").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_cannot_be_restored_is_named_with_what_to_do() {
    let backups = Backups::new().await;
    let whole = std::fs::read(backups.path("last-night.dump")).unwrap();
    std::fs::write(backups.path("cut.dump"), &whole[..whole.len() * 3 / 4]).unwrap();
    let reason = backups.drill_of(&backups.path("cut.dump")).await.reason();
    assert!(
        reason.starts_with("the dump can't be restored; it may be truncated or damaged. pg_restore says: "),
        "{reason}"
    );
    assert_eq!(rows(&backups.scratch, TABLES).await, Vec::<String>::new(), "what was restored is removed");
    std::fs::write(backups.path("plain.sql"), b"CREATE TABLE t ();").unwrap();
    let reason = backups.drill_of(&backups.path("plain.sql")).await.reason();
    assert_eq!(reason, "plain.sql is not a dump of pg_dump -Fc; make dumps with: pg_dump -Fc");
    std::fs::write(backups.path("tonight.dump"), b"").unwrap();
    let reason = backups.drill(&[]).await.reason();
    assert!(
        reason.starts_with("tonight.dump is the newest dump, and it isn't finished; look at the backup job"),
        "{reason}"
    );
    let empty = TempDir::new().unwrap();
    let reason = backups.drill_of(empty.path()).await.reason();
    assert!(reason.contains("has no dump: none of its files begins like one of pg_dump -Fc"), "{reason}");
    let other = fresh_database().await;
    execute(&other, "CREATE TABLE t ()").await;
    dump(&other, &backups.path("other.dump")).await;
    let reason = backups.drill_of(&backups.path("other.dump")).await.reason();
    assert_eq!(reason, "the dump isn't one of a portal: it has no list of migrations");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_live_or_has_tables_is_never_restored_into() {
    let backups = Backups::new().await;
    let before = backups.app.documents().await;
    for live in [backups.app.database.as_str(), backups.app.config().database_url.unwrap().as_str()] {
        let environment = with_variables(backups.environment(), &[("RESTORE_DRILL_URL", live)]);
        let reason = backups.drill_in(&environment, backups.folder.path(), &[]).await.reason();
        assert!(reason.starts_with("RESTORE_DRILL_URL is the live database; name an empty database"), "{reason}");
    }
    assert_eq!(backups.app.documents().await, before);
    execute(&backups.scratch, "CREATE TABLE precious AS SELECT 1 AS n").await;
    let reason = backups.drill(&[]).await.reason();
    assert!(reason.starts_with("the database of RESTORE_DRILL_URL is not empty: it has precious; if"), "{reason}");
    assert_eq!(rows(&backups.scratch, "SELECT n FROM precious").await, ["1"], "a drill empties only what it filled");
    execute(&backups.scratch, "DROP TABLE precious; CREATE FUNCTION precious() RETURNS int LANGUAGE sql AS 'SELECT 1'")
        .await;
    assert!(backups.drill(&[]).await.reason().contains("it has precious;"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_dump_fails_the_drill_also_as_a_new_copy() {
    let backups = Backups::new().await;
    let app = &backups.app;
    let sealed: i64 = app.checkpoints().await.last().unwrap().size;
    date_back(&backups.path("last-night.dump"), 37);
    let old = backups.drill(&[]).await;
    assert_eq!(old.findings("age"), ["the file is 37 hours old, and 36 are allowed; look at the backup job"]);
    assert!(old.code == 1 && old.findings("log").is_empty());
    // The storage is compared as of the dump, and everything in it is younger.
    assert!(backups.drill(&["--max-age", "38"]).await.has_passed());
    // The live log has a checkpoint of two days ago that the dump lacks.
    date_back(&backups.path("last-night.dump"), 0);
    app.sealed().await;
    let keys = app.seals();
    let select = format!("SELECT note FROM audit_checkpoints WHERE size > {sealed} ORDER BY size LIMIT 1");
    let mut checkpoint = Checkpoint::open(&app.rows(&select).await[0], &keys).unwrap();
    checkpoint.stated.sealed_at -= chrono::TimeDelta::hours(48);
    let (note, size) = (checkpoint.sign(keys.signs.as_ref().unwrap()).unwrap(), checkpoint.size);
    app.tamper(&format!("UPDATE audit_checkpoints SET note = '{note}' WHERE size = {size}")).await;
    let copied = backups.drill(&[]).await;
    let findings = copied.findings("age");
    assert!(findings.len() == 1 && findings[0].starts_with("the dump lacks everything since "), "{findings:?}");
    assert!(findings[0].ends_with(" UTC, 48 hours ago, and 36 are allowed; look at the backup job"), "{findings:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_of_an_older_schema_is_migrated_and_one_of_a_newer_is_refused() {
    let backups = Backups::new().await;
    let old = migrated_database().await;
    let newest = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations")).unwrap();
    let newest = newest.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).max().unwrap();
    execute(&old, &std::fs::read_to_string(newest.join("down.sql")).unwrap()).await;
    let versions = "FROM __diesel_schema_migrations ORDER BY version DESC LIMIT 1";
    let last = rows(&old, &format!("SELECT version {versions}")).await.remove(0);
    execute(&old, &format!("DELETE FROM __diesel_schema_migrations WHERE version = '{last}'")).await;
    // An extension that only a superuser can create, as operators have it.
    let superuser = old.as_str().replacen("primetrade@", "postgres@", 1).parse().unwrap();
    execute(&superuser, "CREATE EXTENSION pg_stat_statements").await;
    dump(&old, &backups.path("old.dump")).await;
    let drilled = backups.drill_of(&backups.path("old.dump")).await;
    assert!(drilled.has_passed(), "{:?}", drilled.lines);
    assert_eq!(drilled.event.detail["restored"]["applied"], serde_json::json!([last]));
    assert_eq!(drilled.event.detail["restored"]["left_out"], serde_json::json!(["pg_stat_statements"]));
    let told = format!(", with the migrations {last}, without the extensions pg_stat_statements");
    assert!(drilled.lines["restore"].1.ends_with(&told), "{:?}", drilled.lines);

    execute(&old, "INSERT INTO __diesel_schema_migrations (version) VALUES ('20991231000001')").await;
    dump(&old, &backups.path("new.dump")).await;
    let reason = backups.drill_of(&backups.path("new.dump")).await.reason();
    let expected = "a newer version of the portal made the dump: this one lacks the migrations 20991231000001; update primetrade here";
    assert_eq!(reason, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_drill_removes_its_cluster_and_one_that_is_killed_too() {
    let backups = Backups::new().await;
    let (spool, folder) = (open_folder(), TempDir::new().unwrap());
    let variables = [("SPOOL_DIR", spool.path().to_str().unwrap())];
    let environment = with_variables(backups.app.environment().to_vec(), &variables);
    let path = backups.path("last-night.dump");
    let drill = Program::start_in_background(folder.path(), &environment, &["restore-drill", path.to_str().unwrap()]);
    while is_empty(&spool) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drill.signal(Signal::TERM);
    let (code, stderr) = drill.end().await;
    assert!(code == Some(1) && stderr.ends_with("1 check failed.\n"), "{stderr}");
    let event = backups.app.events().await.single(Action::RestoreDrilled);
    assert_eq!((event.outcome.as_str(), event.detail("reason").as_str()), ("failed", "the drill was interrupted"));
    assert!(is_empty(&spool));

    let drill = Program::start(folder.path(), &environment, &["restore-drill", path.to_str().unwrap()]);
    while !has_ready_server(&spool) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drill.signal(Signal::KILL);
    drill.end().await;
    // The watchdog outlives the program.
    while !is_empty(&spool) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn has_ready_server(spool: &TempDir) -> bool {
    let folders = std::fs::read_dir(spool.path()).unwrap().map(|entry| entry.unwrap().path());
    let states = folders.map(|folder| std::fs::read_to_string(folder.join("postgres/postmaster.pid")));
    states.flatten().any(|state| state.contains("ready"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_that_cannot_be_recorded_fails() {
    let backups = Backups::new().await;
    backups.app.sql("CREATE RULE swallow AS ON INSERT TO audit_events DO INSTEAD NOTHING").await;
    let path = backups.path("last-night.dump");
    let (code, stdout, stderr) = run(&backups.environment(), &["restore-drill", path.to_str().unwrap()]).await;
    assert!(stdout.contains("ok    downloads"), "{stdout}");
    assert!(stdout.contains("FAIL  event           the result is not in the access log: "), "{stdout}");
    assert!(code == 1 && stderr.ends_with("1 check failed.\n"), "{stderr}");
    let environment = with_variables(backups.environment(), &[("DATABASE_URL", "postgres://u@127.0.0.1:1/d")]);
    assert_eq!(run(&environment, &["restore-drill", path.to_str().unwrap()]).await.0, 1);
}
