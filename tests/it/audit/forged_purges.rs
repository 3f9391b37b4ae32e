//! A record of a purge excuses missing events only if the key of the log signed exactly these events, and only under the
//! retention that it names.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use primetrade::audit::retention::PurgeStatement;
use primetrade::clock::Clock;
use primetrade::config::SealKey;
use serde_json::{Value, json};

use crate::support::{App, run, with_variables};

/// Three batches of fifty events: of 2019, of January 2024, and of the last weeks.
async fn with_batches() -> App {
    let app = App::start().await;
    for begin in ["'2019-05-01Z'", "'2024-01-01Z'", "now() - interval '40 days'"] {
        app.sql(&format!(
            "INSERT INTO audit_events (occurred_at, action, outcome) \
             SELECT ({begin})::timestamptz + n * interval '1 minute', 'OLD_EVENT', 'success' FROM generate_series(1, 50) n"
        ))
        .await;
        app.sealed().await;
    }
    app.published().await;
    app
}

/// The positions of a batch, counted from 0, and the statement of an honest purge of it under a retention of a year.
async fn statement_of(app: &App, batch: usize) -> PurgeStatement {
    let ids = app.events().await.filter(|event| event.action == "OLD_EVENT");
    let from = app.position_of(ids[50 * batch].id).await.unsigned_abs();
    let last = app.checkpoints().await.last().unwrap().clone();
    let (at, before) = (Clock::system().now(), "2025-01-01T00:00:00Z".parse().unwrap());
    let root = last.note.lines().nth(2).unwrap().to_owned();
    let size = last.size.unsigned_abs();
    PurgeStatement { signed_at: at, before, years: 1, positions: vec![(from, from + 50)], size, root }
}

/// The detail of a record as the portal writes it.
fn detail(statement: &PurgeStatement, note: &str) -> Value {
    let PurgeStatement { before, years, positions, .. } = statement;
    json!({"before": before, "years": years, "positions": positions, "events": 50, "note": note, "restated": []})
}

/// Inserts a record and has the portal seal it.
async fn insert(app: &App, detail: &Value) -> i64 {
    app.sealed().await;
    app.sql(&format!(
        "INSERT INTO audit_events (action, outcome, user_email, detail) VALUES ('AUDIT_PURGED', 'success', 'portal', '{detail}')"
    ))
    .await;
    app.sealed().await;
    app.events().await.last().unwrap().id
}

/// Deletes the events of positions.
async fn delete(app: &App, (from, to): (u64, u64)) {
    app.tamper(&format!(
        "DELETE FROM audit_events e USING audit_leaves l WHERE l.event_id = e.id AND l.position >= {from} AND l.position < {to}"
    ))
    .await;
}

/// Verifies with the command line, and returns the exit code and what it printed.
async fn verify(app: &App, years: &str, arguments: &[&str]) -> (i32, String) {
    let environment = with_variables(app.environment().to_vec(), &[("AUDIT_RETENTION_YEARS", years)]);
    let (code, told, _) = run(&environment, &[&["audit", "verify", "--database-only"], arguments].concat()).await;
    (code, told)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_purge_is_the_first_difference_under_every_option() {
    let app = with_batches().await;
    let statement = statement_of(&app, 1).await;
    let mut forged = detail(&statement, "");
    forged.as_object_mut().unwrap().remove("note");
    let id = insert(&app, &forged).await;
    delete(&app, statement.positions[0]).await;
    let named = format!("first difference: event {id} records a purge that the key of the log did not sign");
    for years in ["", "1", "7"] {
        for arguments in [&[][..], &["--strict"], &["--retention-years", "1"]] {
            let (code, told) = verify(&app, years, arguments).await;
            assert!(code == 1 && told.starts_with(&named), "{years} {arguments:?}: {told}");
            assert!(told.contains(" is missing: it was sealed at position "), "{told}");
        }
    }
}

/// Each case forges one record, and its name says what verification must say.
#[tokio::test(flavor = "multi_thread")]
async fn a_signed_statement_excuses_only_what_it_signs() {
    let app = with_batches().await;
    let key = app.seals().signs.unwrap();
    let other = SealKey::from_seed("primetrade/audit", &[9; 32]).unwrap();
    let (honest, young) = (statement_of(&app, 1).await, statement_of(&app, 2).await);
    let (from, to) = honest.positions[0];
    let sign = |change: fn(&mut PurgeStatement), key: &SealKey| {
        let mut statement = honest.clone();
        change(&mut statement);
        let note = statement.sign(key).unwrap();
        detail(&statement, &note)
    };
    let with_positions = |mut record: Value, positions: Value| {
        record["positions"] = positions;
        record
    };
    let plain = sign(|_| {}, &key);
    let cases = [
        (with_positions(plain.clone(), json!([[from, to + 50]])), "of other positions, dates or years than"),
        (with_positions(plain.clone(), json!(young.positions)), "of other positions, dates or years than"),
        (sign(|it| it.signed_at -= TimeDelta::days(9), &key), "with the signed statement of another event"),
        (sign(|it| it.years = 5, &key), "younger than the 5 years"),
        (sign(|it| it.before = Clock::system().now(), &key), "younger than the 1 years"),
        (sign(|it| it.years = 0, &key), "younger than the 0 years"),
        (sign(|it| it.root = STANDARD.encode([1; 32]), &key), "of another log: "),
        (sign(|it| it.size += 1, &key), "of another log: "),
        (sign(|it| it.positions[0].1 = it.size + 1, &key), "of positions that can't be purged"),
        (sign(|it| it.positions[0].1 = it.positions[0].0, &key), "of positions that can't be purged"),
        (sign(|_| {}, &other), "can't be trusted: not signed with a trusted key"),
        (with_positions(plain.clone(), json!("all")), "that the key of the log did not sign"),
        (json!({}), "that the key of the log did not sign"),
    ];
    for (record, named) in cases {
        let id = insert(&app, &record).await;
        let (code, told) = verify(&app, "1", &[]).await;
        let first = format!("first difference: event {id} records a purge ");
        assert!(
            code == 1 && told.starts_with(&first) && told.lines().next().unwrap().contains(named),
            "{named}: {told}"
        );
        app.forget(id).await;
    }
    // Signed, but the sealed batch has newer events, or only a part of it is named.
    for (statement, named) in [
        (
            PurgeStatement { positions: young.positions.clone(), ..honest.clone() },
            "are recorded as purged, but some are newer than",
        ),
        (PurgeStatement { positions: vec![(from, to - 1)], ..honest.clone() }, "are recorded as partly purged"),
    ] {
        let id = insert(&app, &detail(&statement, &statement.sign(&key).unwrap())).await;
        let (code, told) = verify(&app, "1", &[]).await;
        assert!(code == 1 && told.contains(named), "{named}: {told}");
        app.forget(id).await;
    }
    assert_eq!(verify(&app, "1", &[]).await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_record_is_named_and_an_overlapping_one_excuses_no_more() {
    let app = with_batches().await;
    let key = app.seals().signs.unwrap();
    let honest = statement_of(&app, 1).await;
    let record = detail(&honest, &honest.sign(&key).unwrap());
    insert(&app, &record).await;
    delete(&app, honest.positions[0]).await;
    assert_eq!(verify(&app, "1", &["--retention-years", "1"]).await.0, 0);
    // The same statement in a second event.
    let copy = insert(&app, &record).await;
    let (code, told) = verify(&app, "1", &[]).await;
    let named = format!("first difference: event {copy} records a purge with the signed statement of another event");
    assert!(code == 1 && told.starts_with(&named), "{told}");
    app.forget(copy).await;
    // An unsigned record over the signed one, and one that also names the batch before it.
    let (from, to) = honest.positions[0];
    for start in [from, from - 50] {
        let mut wider = record.clone();
        wider["positions"] = json!([[start, to]]);
        wider.as_object_mut().unwrap().remove("note");
        let id = insert(&app, &wider).await;
        let (code, told) = verify(&app, "1", &[]).await;
        let named = format!("first difference: event {id} records a purge that the key of the log did not sign");
        assert!(code == 1 && told.starts_with(&named), "{told}");
        app.forget(id).await;
    }
    // A second signed purge may overlap: both are held against their own retention.
    let again = PurgeStatement { positions: vec![(from - 50, to)], signed_at: Clock::system().now(), ..honest.clone() };
    insert(&app, &detail(&again, &again.sign(&key).unwrap())).await;
    assert_eq!(verify(&app, "1", &[]).await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_verifies_after_the_retention_was_changed_and_the_auditor_decides() {
    let app = with_batches().await;
    let purging = with_variables(app.environment().to_vec(), &[("AUDIT_RETENTION_YEARS", "2")]);
    let (code, told, _) = run(&purging, &["audit", "purge", "--yes"]).await;
    assert!(code == 0 && told.ends_with("100 events removed, 0 partitions dropped\n"), "{told}");
    let notice = |now: &str| format!("note: events were purged under a signed retention of 2 years, and {now};");
    for (years, now) in [("", "AUDIT_RETENTION_YEARS is not set now"), ("7", "AUDIT_RETENTION_YEARS is 7 now")] {
        let (code, told) = verify(&app, years, &[]).await;
        assert!(code == 0 && told.contains(&notice(now)), "{years}: {told}");
    }
    for years in ["1", "2"] {
        let (code, told) = verify(&app, years, &[]).await;
        assert!(code == 0 && !told.contains("note: "), "{years}: {told}");
        assert_eq!(verify(&app, "", &["--retention-years", years]).await.0, 0, "{years}");
    }
    let (code, told) = verify(&app, "2", &["--retention-years", "7"]).await;
    assert!(code == 1 && told.contains("records a purge under a retention of 2 years, but 7 are required"), "{told}");
}

/// What a version before signed purges left: events are gone, and an unsigned record names them.
#[tokio::test(flavor = "multi_thread")]
async fn an_unsigned_record_counts_once_a_signed_purge_covers_it() {
    let app = with_batches().await;
    let before: DateTime<Utc> = "2020-01-01T00:00:00Z".parse().unwrap();
    let positions = statement_of(&app, 0).await.positions;
    let record = json!({"before": before, "years": 5, "positions": positions, "events": 50, "restated": []});
    let id = insert(&app, &record).await;
    delete(&app, positions[0]).await;
    let (code, told) = verify(&app, "5", &[]).await;
    assert!(
        code == 1 && told.contains("AUDIT_RETENTION_YEARS to the years of that time and run primetrade audit purge")
    );
    // A retention that doesn't permit the purge signs nothing.
    for (years, is_signed) in [("9", false), ("5", true)] {
        let environment = with_variables(app.environment().to_vec(), &[("AUDIT_RETENTION_YEARS", years)]);
        let (code, told, _) = run(&environment, &["audit", "purge", "--yes"]).await;
        assert!(code == 0 && told.ends_with("0 events removed, 0 partitions dropped\n"), "{years}: {told}");
        let (code, told) = verify(&app, years, &[]).await;
        assert_eq!(code == 0, is_signed, "{years}: {told}");
        let notice = format!("note: event {id} records a purge without a signature; signed purges cover all");
        assert_eq!(told.contains(&notice), is_signed, "{years}: {told}");
    }
    // An unsigned record after the first signed one is forged, whatever it names.
    let forged = insert(&app, &record).await;
    let (code, told) = verify(&app, "5", &[]).await;
    assert!(code == 1 && told.starts_with(&format!("first difference: event {forged} records a purge that")), "{told}");
}
