//! `audit verify` names every tampering with the log, and nothing else.

use std::sync::Arc;

use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use primetrade::audit::seal::{Checkpoint, SEALING, checkpoint_key};
use primetrade::audit::verify::{Progress, Report, Verification};
use primetrade::config::SealKey;
use primetrade::db;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use crate::support::{App, World, primetrade};

const EVENTS: &str = "INSERT INTO audit_events (action, outcome, user_id, user_email, user_role, customer_id, customer_code, bol_id, bol_number, \
        document_id, document_kind, file_name, object_key, sha256, ip, user_agent, request_id, detail) \
    SELECT 'BOL_DOWNLOADED', 'success', n % 7, 'user' || n % 7 || '@acme.example', 'customer', 1, 'ACME', NULL, 'PRT-2025-0001', n, 'bol', 'a.pdf', \
        'bols/2025/PRT-2025-0001.pdf', decode(md5(n::text) || md5(n::text), 'hex'), '10.0.0.1', 'Mozilla', md5(n::text), jsonb_build_object('n', n) \
    FROM generate_series(1, 600) n";

/// A log with some hundred sealed events, and a connection of its owner, who can change everything.
struct Log {
    app: App,
    owner: AsyncPgConnection,
}

impl Log {
    async fn new() -> Self {
        let app = App::start().await;
        app.acme().await.get(&format!("/bols/{}", World::ACME_BOL)).await;
        for _ in 0..3 {
            app.sql(EVENTS).await;
            app.sealed().await;
            app.published().await;
        }
        let mut owner = db::connect(&app.database).await.unwrap();
        owner
            .batch_execute(
                "GRANT ALL ON audit_events, audit_leaves, audit_checkpoints TO CURRENT_USER; \
                 ALTER TABLE audit_events DISABLE TRIGGER USER; ALTER TABLE audit_leaves DISABLE TRIGGER USER; \
                 ALTER TABLE audit_checkpoints DISABLE TRIGGER USER; \
                 CREATE TABLE kept_events AS SELECT * FROM audit_events; CREATE TABLE kept_leaves AS SELECT * FROM audit_leaves; \
                 CREATE TABLE kept_checkpoints AS SELECT * FROM audit_checkpoints",
            )
            .await
            .unwrap();
        Self { app, owner }
    }

    /// Changes the log while no server seals, because sealing locks in another order.
    async fn change(&mut self, sql: &str) {
        let sql = format!("SELECT pg_advisory_xact_lock({SEALING}); {sql}");
        self.owner.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    async fn undo(&mut self) {
        self.change(
            "BEGIN; DELETE FROM audit_events; TRUNCATE audit_leaves, audit_checkpoints; INSERT INTO audit_events SELECT * FROM kept_events; \
             INSERT INTO audit_leaves SELECT * FROM kept_leaves; INSERT INTO audit_checkpoints SELECT * FROM kept_checkpoints; COMMIT",
        )
        .await;
    }

    async fn verify(&self) -> Report {
        let (db, keys, storage) = (self.app.db(), self.app.seals(), self.app.storage().await);
        let storage = Some(&storage);
        Verification { db: &db, keys: &keys, storage, kept: Vec::new(), progress: Progress::default() }
            .run()
            .await
            .unwrap()
    }

    /// Changes the log, returns the differences that verifying finds, and undoes the change.
    async fn told_of(&mut self, sql: &str) -> Vec<String> {
        self.change(sql).await;
        let told = self.verify().await.differences;
        self.undo().await;
        told
    }

    /// Expects verifying to name a change of the log, and undoes the change.
    async fn expect(&mut self, sql: &str, told: &str) {
        let differences = self.told_of(sql).await;
        assert!(differences.iter().any(|difference| difference.contains(told)), "{sql}: {told}: {differences:?}");
        // Some changes drop constraints.
        let _ = self.owner.batch_execute("ALTER TABLE audit_leaves ADD PRIMARY KEY (position)").await;
    }

    async fn number(&self, select: &str) -> i64 {
        self.app.rows(select).await[0].parse().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_untouched_log_verifies() {
    let mut log = Log::new().await;
    let report = log.verify().await;
    assert!(report.is_fine(), "{report:?}");
    assert_eq!((report.events, report.sealed, report.waiting, report.backdated), (1802, 1802, 0, 0));
    assert!(report.checkpoints >= 3 && report.objects >= Some(3));
    // Undoing a change restores the log.
    log.undo().await;
    assert_eq!(log.verify().await, report);
    // The program's run is recorded and sealed.
    let told = primetrade(log.app.environment(), &["audit", "verify"], "").await;
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(told.status.success() && text.ends_with("everything matches what was sealed\n"), "{text}");
    assert!(text.contains("1,802 events in ") && text.contains("1,802 sealed, 0 waiting"), "{text}");
    let run = "SELECT outcome, detail->>'events', detail->>'different', l.position IS NOT NULL FROM audit_events LEFT JOIN audit_leaves l ON event_id = id WHERE action = 'AUDIT_VERIFIED'";
    assert_eq!(log.app.rows(run).await, ["success|1802|0|true"]);
    let told = primetrade(log.app.environment(), &["audit", "verify", "--json"], "").await;
    let answer: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!((&answer["ok"], &answer["report"]["events"]), (&true.into(), &1803.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_an_event_counts() {
    let mut log = Log::new().await;
    let columns = log
        .app
        .rows("SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = 'audit_events'::regclass AND attnum > 0 ORDER BY attnum")
        .await;
    assert_eq!(columns.len(), 21);
    let id = 700;
    let position = log.number("SELECT position FROM audit_leaves WHERE event_id = 700").await;
    for column in columns {
        let (name, kind) = column.split_once('|').unwrap();
        let values: &[&str] = match (name, kind) {
            ("id", _) => &["5000"],
            ("action", _) => &["'BOL_VIEWED'"],
            ("outcome", _) => &["'denied'"],
            ("detail", _) => &["'{}'", "'{\"n\": 1.0}'", "'{\"n\": 98, \"m\": null}'"],
            ("sha256", _) => &["NULL", "'\\x'", "set_byte(sha256, 31, 255 - get_byte(sha256, 31))"],
            ("occurred_at", _) => &["occurred_at + interval '1 microsecond'", "occurred_at - interval '1 month'"],
            ("xact_id", _) => &["'1'", "'18446744073709551615'"],
            ("ip", _) => &["NULL", "'10.0.0.1/24'", "'10.0.0.2'", "'::ffff:10.0.0.1'"],
            (_, "text") => &["NULL", "''", "'X'"],
            (_, "bigint") => &["NULL", "-1"],
            other => panic!("{other:?} is new: is it sealed?"),
        };
        for value in values.iter().filter(|value| !(name == "bol_id" && **value == "NULL")) {
            let told = log.told_of(&format!("UPDATE audit_events SET {name} = {value} WHERE id = {id}")).await;
            let first = told.first().unwrap_or_else(|| panic!("{name} = {value} was not noticed"));
            if name == "id" {
                assert_eq!(first, &format!("event {id} is missing: it was sealed at position {position}"));
            } else {
                assert_eq!(
                    first,
                    &format!("event {id} was changed: it differs from what was sealed at position {position}"),
                    "{name} = {value}"
                );
            }
        }
    }
    // Unreadable events are named too.
    let told = log
        .told_of("ALTER TABLE audit_events DROP CONSTRAINT audit_events_dated; UPDATE audit_events SET occurred_at = 'infinity' WHERE id = 700")
        .await;
    assert_eq!(told, ["event 700 was changed: its date infinity is invalid"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_inserted_and_reordered_events_are_named() {
    let mut log = Log::new().await;
    for (sql, told) in [
        ("DELETE FROM audit_events WHERE id = 3", "event 3 is missing"),
        (
            "DELETE FROM audit_events WHERE id = (SELECT max(id) FROM audit_events)",
            " is missing: it was sealed at position 1801",
        ),
        // Inserted events: from an old transaction, from one that never existed, and a copy.
        (
            "INSERT INTO audit_events (xact_id, action, outcome) VALUES ('5', 'X', 'success')",
            "was inserted later: it has no seal",
        ),
        (
            "INSERT INTO audit_events (xact_id, action, outcome) VALUES ('999999999999', 'X', 'success')",
            "was inserted: its transaction never existed",
        ),
        (
            "INSERT INTO audit_events (id, occurred_at, action, outcome) SELECT id, occurred_at + interval '1 second', action, outcome FROM audit_events WHERE id = 9",
            "event 9 exists more than once",
        ),
        // Another order.
        (
            "UPDATE audit_leaves SET event_id = -event_id WHERE event_id IN (10, 11); UPDATE audit_leaves SET event_id = 21 + event_id WHERE event_id < 0",
            "event 10 was changed",
        ),
        (
            "ALTER TABLE audit_leaves DROP CONSTRAINT audit_leaves_pkey; UPDATE audit_leaves SET position = 21 - position WHERE position IN (10, 11)",
            "leaves were changed: those from",
        ),
    ] {
        log.expect(sql, told).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_leaves_and_checkpoints_are_named() {
    let mut log = Log::new().await;
    let sizes = log.app.rows("SELECT size FROM audit_checkpoints ORDER BY size").await;
    let [.., before, last] = sizes.as_slice() else { panic!("{sizes:?}") };
    let middle = &sizes[sizes.len() / 2];
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
    let mut log = Log::new().await;
    let sizes = log.app.rows("SELECT size FROM audit_checkpoints ORDER BY size").await;
    let [.., before, last] = sizes.as_slice() else { panic!("{sizes:?}") };
    let cut = format!(
        "DELETE FROM audit_events WHERE id IN (SELECT event_id FROM audit_leaves WHERE position >= {before}); \
         DELETE FROM audit_leaves WHERE position >= {before}; DELETE FROM audit_checkpoints WHERE size > {before};"
    );
    let object = checkpoint_key(last.parse().unwrap());
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
async fn only_the_batch_with_a_changed_leaf_is_named() {
    let mut log = Log::new().await;
    let two =
        "UPDATE audit_leaves SET hash = sha256('\\x00') WHERE event_id = 12; DELETE FROM audit_events WHERE id = 1500";
    let told = log.told_of(two).await;
    let word = |word: &str| told.iter().filter(|told| told.contains(word)).count();
    assert_eq!(
        (word("leaves were changed"), word("event 12 was changed"), word("event 1500 is missing")),
        (1, 1, 1),
        "{told:?}"
    );
    let told =
        log.told_of("DELETE FROM audit_events WHERE id = 12; DELETE FROM audit_leaves WHERE event_id = 12").await;
    assert_eq!(told.len(), 2, "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backdated_event_is_named_until_it_is_sealed_and_counted_afterwards() {
    let mut log = Log::new().await;
    // The open transaction keeps the server from sealing the event.
    log.change("BEGIN; SELECT pg_current_xact_id()").await;
    let back =
        "INSERT INTO audit_events (occurred_at, action, outcome) VALUES (now() - interval '2 hours', 'X', 'success')";
    log.app.sql(back).await;
    let told = log.verify().await;
    assert!(
        told.differences.len() == 1
            && told.differences[0].contains("but not sealed, although all events of that time are"),
        "{told:?}"
    );
    log.change("COMMIT").await;
    log.app.sealed().await;
    let report = log.verify().await;
    assert_eq!((report.is_fine(), report.backdated), (true, 1));
    let told = primetrade(log.app.environment(), &["audit", "verify", "--strict"], "").await;
    assert_eq!(told.status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_can_not_be_rewritten_without_the_key() {
    let mut log = Log::new().await;
    // The whole log again with signatures of another key of the same name.
    let stranger = SealKey::from_seed("primetrade/audit", &[1; 32]).unwrap();
    let notes = log.app.rows("SELECT note FROM audit_checkpoints ORDER BY size").await;
    for note in &notes {
        let checkpoint = Checkpoint::open(note, &log.app.seals()).unwrap();
        let forged = checkpoint.sign(&stranger).unwrap();
        log.change(&format!("UPDATE audit_checkpoints SET note = '{forged}' WHERE size = {}", checkpoint.size)).await;
    }
    let told = log.verify().await;
    assert!(told.differences[0].contains("not signed with a trusted key"), "{told:?}");
    log.undo().await;
    // The operator has the real key, but the storage and everyone who kept a checkpoint can contradict.
    let keys = log.app.seals();
    let last = Checkpoint::open(notes.last().unwrap(), &keys).unwrap();
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
    std::fs::write(&file, notes.last().unwrap()).unwrap();
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
    let mut log = Log::new().await;
    let published = log.app.rows("SELECT size FROM audit_checkpoints WHERE is_published ORDER BY size").await;
    for size in &published {
        let key = checkpoint_key(size.parse().unwrap());
        let path = log.app.media(key.as_str());
        let kept = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(log.verify().await.differences, [format!("{key} is missing from the storage")]);
        // Later checkpoints prove that it was published, so the database can't deny it. This fails only for the newest
        // one.
        log.change(&format!(
            "UPDATE audit_checkpoints SET is_published = false, publish_at = NULL WHERE size = {size}"
        ))
        .await;
        if size != published.last().unwrap() {
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

/// The text columns of an event that a tampering may change.
const FIELDS: [&str; 9] = [
    "user_email",
    "user_role",
    "customer_code",
    "bol_number",
    "document_kind",
    "file_name",
    "object_key",
    "user_agent",
    "request_id",
];
const NUMBERS: [&str; 4] = ["user_id", "customer_id", "bol_id", "document_id"];

/// The SQL of one tampering, or nothing for one in the storage.
fn tampering(dice: &mut StdRng) -> String {
    let (id, other) = (dice.random_range(1..=1802), dice.random_range(0..1802));
    let field = FIELDS.choose(dice).unwrap();
    match dice.random_range(0..12) {
        0 => format!("UPDATE audit_events SET {field} = coalesce({field}, '') || 'x' WHERE id = {id}"),
        1 => format!(
            "UPDATE audit_events SET {} = {} WHERE id = {id}",
            NUMBERS.choose(dice).unwrap(),
            dice.random_range(10_000..20_000)
        ),
        2 => format!(
            "UPDATE audit_events SET occurred_at = occurred_at - {} * interval '1 second' WHERE id = {id}",
            dice.random_range(1..100_000)
        ),
        3 => format!("UPDATE audit_events SET detail = detail || '{{\"x\": {other}}}' WHERE id = {id}"),
        4 => format!("DELETE FROM audit_events WHERE id = {id}"),
        5 => format!("DELETE FROM audit_events WHERE id > {id}"),
        6 => format!(
            "INSERT INTO audit_events SELECT (jsonb_populate_record(e, jsonb_build_object('id', 5000 + {other}))).* FROM audit_events e WHERE id = {id}"
        ),
        7 => format!(
            "UPDATE audit_leaves SET hash = set_byte(hash, {}, (get_byte(hash, 0) + 1) % 256) WHERE position = {other} AND get_byte(hash, 0) <> 255",
            0
        ),
        8 => format!(
            "DELETE FROM audit_leaves WHERE position >= {other}; DELETE FROM audit_checkpoints WHERE size > {other}; DELETE FROM audit_events WHERE id > {other}"
        ),
        9 => format!(
            "UPDATE audit_checkpoints SET note = overlay(note placing '+' from {}) WHERE size = (SELECT size FROM audit_checkpoints WHERE size > {other} ORDER BY size LIMIT 1)",
            dice.random_range(1..60)
        ),
        10 => format!(
            "DELETE FROM audit_checkpoints WHERE size = (SELECT size FROM audit_checkpoints WHERE size > {other} ORDER BY size LIMIT 1)"
        ),
        _ => String::new(),
    }
}

/// `TAMPERINGS=1000 cargo test --test it -- verify::tamperings` runs more of them.
#[tokio::test(flavor = "multi_thread")]
async fn tamperings_at_random_are_all_noticed() {
    #[allow(clippy::disallowed_methods, reason = "a variable of the tests, not of the program")]
    let count = std::env::var("TAMPERINGS").ok().and_then(|count| count.parse().ok()).unwrap_or(40);
    let mut log = Log::new().await;
    let mut dice = StdRng::seed_from_u64(7);
    let files: Arc<Vec<String>> = Arc::new(log.app.rows("SELECT size FROM audit_checkpoints WHERE is_published").await);
    for round in 0..count {
        let sql = tampering(&mut dice);
        let changes = ["events", "leaves", "checkpoints"].map(|name| {
            let (now, kept) = (format!("SELECT * FROM audit_{name}"), format!("SELECT * FROM kept_{name}"));
            format!("(({now} EXCEPT ALL {kept}) UNION ALL ({kept} EXCEPT ALL {now}))")
        });
        let changes = format!("SELECT {}", changes.map(|rows| format!("(SELECT count(*) FROM {rows} x)")).join(" + "));
        if sql.is_empty() {
            let path = log.app.media(checkpoint_key(files.choose(&mut dice).unwrap().parse().unwrap()).as_str());
            let kept = std::fs::read(&path).unwrap();
            std::fs::remove_file(&path).unwrap();
            assert!(!log.verify().await.is_fine(), "{round}: {path:?} removed");
            std::fs::write(path, kept).unwrap();
            continue;
        }
        log.change(&sql).await;
        let is_changed = log.number(&changes).await > 0;
        let report = log.verify().await;
        assert_eq!(report.is_fine(), !is_changed, "{round}: {sql}: {report:?}");
        log.undo().await;
    }
}
