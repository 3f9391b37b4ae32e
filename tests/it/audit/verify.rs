//! `audit verify` names every change of an event, and nothing else.

use crate::support::{Action, SealedLog, primetrade};

#[tokio::test(flavor = "multi_thread")]
async fn an_untouched_log_verifies() {
    let mut log = SealedLog::new().await;
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
    let run = log.app.events().await.single(Action::AuditVerified);
    assert_eq!(
        (run.outcome.as_str(), run.detail("events"), run.detail("different")),
        ("success", "1802".into(), "0".into())
    );
    // A transaction of another test can make the seal wait.
    log.app.sealed().await;
    assert!(log.app.is_sealed(run.id).await);
    let told = primetrade(log.app.environment(), &["audit", "verify", "--json"], "").await;
    let answer: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!((&answer["ok"], &answer["report"]["events"]), (&true.into(), &1803.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_an_event_counts() {
    let mut log = SealedLog::new().await;
    let columns = log
        .app
        .rows("SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = 'audit_events'::regclass AND attnum > 0 ORDER BY attnum")
        .await;
    assert_eq!(columns.len(), 21);
    let id = 700;
    let position = log.app.position_of(id).await;
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
    let mut log = SealedLog::new().await;
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
async fn only_the_batch_with_a_changed_leaf_is_named() {
    let mut log = SealedLog::new().await;
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
    let mut log = SealedLog::new().await;
    // The open transaction keeps the server from sealing the event.
    log.run("BEGIN; SELECT pg_current_xact_id()").await;
    let back =
        "INSERT INTO audit_events (occurred_at, action, outcome) VALUES (now() - interval '2 hours', 'X', 'success')";
    log.app.sql(back).await;
    let told = log.verify().await;
    assert!(
        told.differences.len() == 1
            && told.differences[0].contains("but not sealed, although all events of that time are"),
        "{told:?}"
    );
    log.run("COMMIT").await;
    log.app.sealed().await;
    let report = log.verify().await;
    assert_eq!((report.is_fine(), report.backdated), (true, 1));
    let told = primetrade(log.app.environment(), &["audit", "verify", "--strict"], "").await;
    assert_eq!(told.status.code(), Some(1));
}
