//! `audit purge` removes events older than the retention, batch by sealed batch. The others still verify.

use chrono::NaiveDate;
use diesel_async::SimpleAsyncConnection;
use primetrade::audit::prove::{ProveError, prove};
use primetrade::audit::retention::PurgeStatement;
use primetrade::db;
use serde_json::json;

use crate::support::{Action, App, Events, primetrade};

/// Inserts events of a month, sealed as one batch.
async fn batch(app: &App, month: &str, count: usize) {
    app.sql(&format!(
        "INSERT INTO audit_events (occurred_at, action, outcome, customer_code) \
         SELECT '{month}-01Z'::timestamptz + n * interval '1 minute', 'BOL_VIEWED', 'success', 'ACME' FROM generate_series(1, {count}) n"
    ))
    .await;
    app.sealed().await;
}

/// Two months with partitions and one without, a batch of two months, one of old and new events, and new events.
pub(super) async fn with_years() -> App {
    let app = App::start().await;
    app.sql("SELECT audit_prepare_months('2024-01-01', 3)").await;
    batch(&app, "2024-01", 300).await;
    batch(&app, "2024-02", 200).await;
    batch(&app, "2019-05", 100).await;
    app.sql(
        "INSERT INTO audit_events (occurred_at, action, outcome) VALUES ('2024-01-30Z', 'A', 'success'), ('2024-02-28Z', 'A', 'success')",
    )
    .await;
    app.sealed().await;
    app.sql("INSERT INTO audit_events (occurred_at, action, outcome) VALUES ('2024-02-29Z', 'KEPT', 'success'), (now(), 'KEPT', 'success')").await;
    app.sealed().await;
    app.published().await;
    app
}

pub(super) async fn purge(app: &App, years: &str, arguments: &[&str]) -> (i32, String, String) {
    let mut environment = app.environment().to_vec();
    environment.push(("AUDIT_RETENTION_YEARS", years.into()));
    let output = primetrade(&environment, &[&["audit", "purge"], arguments].concat(), "").await;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The events before a day.
async fn events_before(app: &App, day: &str) -> Events {
    let day: NaiveDate = day.parse().unwrap();
    app.events().await.filter(|event| event.occurred_at.date_naive() < day)
}

/// The event in a batch with a new one stays, with its month. Events outside the partitions are deleted. The purge is
/// recorded, and its record is sealed.
async fn expect_what_was_purged(app: &App) {
    assert_eq!(events_before(app, "2025-01-01").await.actions(), ["KEPT"]);
    let months = "SELECT relname FROM pg_class WHERE relname LIKE 'audit_events_2024%' AND relkind = 'r' ORDER BY 1";
    assert_eq!(app.rows(months).await, ["audit_events_2024_02", "audit_events_2024_03"]);
    let purged = app.events().await.single(Action::AuditPurged);
    assert_eq!(
        (purged.email(), purged.detail("years"), purged.detail("events")),
        ("command line", "1".into(), "602".into())
    );
    assert_eq!(purged.detail["positions"], json!([[0, 602]]));
    assert!(app.is_sealed(purged.id).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_events_are_purged_and_the_rest_still_verifies() {
    let app = with_years().await;
    let given = prove(&app.db(), &app.seals(), 10).await.unwrap();
    let before = app.verify().await;
    assert!(before.is_fine() && before.purged == 0, "{before:?}");

    // Without a retention and a confirmation nothing is removed.
    let unset = primetrade(app.environment(), &["audit", "purge", "--yes"], "").await;
    assert_eq!(unset.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unset.stderr).contains("AUDIT_RETENTION_YEARS: not set, so every event is kept"));
    for years in ["0", "101", "seven", "-1"] {
        let (code, _, told) = purge(&app, years, &["--yes"]).await;
        assert!(code == 2 && told.contains("AUDIT_RETENTION_YEARS: found "), "{years}: {told}");
    }
    assert_eq!(purge(&app, "1", &[]).await.0, 2);
    let (code, told, _) = purge(&app, "1", &["--dry-run"]).await;
    assert_eq!((code, told.lines().nth(1)), (0, Some("602 events in 4 sealed batches")), "{told}");
    let (_, told, _) = purge(&app, "5", &["--dry-run", "--json"]).await;
    assert!(told.contains("\"events\":100}"), "{told}");
    assert_eq!(events_before(&app, "2025-01-01").await.len(), 603);

    let (code, told, _) = purge(&app, "1", &["--yes"]).await;
    assert_eq!((code, told.lines().last()), (0, Some("602 events removed, 1 partitions dropped")), "{told}");
    expect_what_was_purged(&app).await;

    // The others still verify, and the report says what was purged.
    app.published().await;
    let after = app.verify().await;
    assert!(after.is_fine() && after.purged == 602 && after.sealed > 602, "{after:?}");
    let told = primetrade(app.environment(), &["audit", "verify"], "").await;
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(told.status.success() && text.contains("602 of them were purged, all older than 2025-"), "{text}");
    let auditor = app.auditor().await;
    auditor.post("/audit/integrity", &[]).await;
    let page = auditor.get("/audit/integrity").await.text();
    assert!(page.contains("602 purged") && page.contains("<dd>forever</dd>"), "as the server that runs has it");
    // An earlier proof still leads to a root of the log. A new one isn't issued.
    assert!(given.contains("index 9\n"));
    assert!(matches!(prove(&app.db(), &app.seals(), 10).await, Err(ProveError::Purged)));
    let kept = app.events().await.filter(|event| event.action == "KEPT")[0].id;
    prove(&app.db(), &app.seals(), kept).await.unwrap();
    assert_eq!(auditor.get("/audit/pack?from=2024-01-01&to=2024-12-31").await.status, 200);

    // A second purge removes nothing, and the log is append-only again.
    let (code, told, _) = purge(&app, "1", &["--yes"]).await;
    assert_eq!((code, told.lines().last()), (0, Some("0 events removed, 0 partitions dropped")), "{told}");
    assert_eq!(app.events().await.only(Action::AuditPurged).len(), 1);
    let open = "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'audit_events_no%' AND tgenabled <> 'O'";
    assert_eq!(app.rows(open).await, ["0"]);
    let mut owner = db::connect(&app.database).await.unwrap();
    for table in ["audit_events", "audit_events_2024_02"] {
        assert!(owner.batch_execute(&format!("DELETE FROM {table}")).await.is_err(), "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_disturbs_no_reader_and_continues_after_an_interruption() {
    let app = with_years().await;
    let mut reader = db::connect(&app.database).await.unwrap();
    reader.batch_execute("BEGIN; SELECT count(*) FROM audit_events").await.unwrap();
    let (code, _, told) = purge(&app, "1", &["--yes"]).await;
    assert!(
        code == 1 && told.contains("other sessions are reading audit_events_2024_01: run it again later"),
        "{told}"
    );
    // The purge is recorded, so the events that remain are no difference.
    let halfway = app.verify().await;
    assert!(halfway.is_fine() && halfway.purged == 602, "{halfway:?}");
    assert_eq!(events_before(&app, "2024-02-01").await.len(), 301);
    reader.batch_execute("COMMIT").await.unwrap();
    let (code, told, _) = purge(&app, "1", &["--yes"]).await;
    assert_eq!((code, told.lines().last()), (0, Some("301 events removed, 1 partitions dropped")), "{told}");
    assert!(app.verify().await.is_fine());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_purge_hides_nothing() {
    let app = with_years().await;
    batch(&app, "2024-03", 50).await;
    app.acme().await.get("/bols").await;
    app.sealed().await;
    let login = app.events().await.single(Action::LoginSucceeded).id;
    let position = app.position_of(login).await;
    app.tamper("DELETE FROM audit_events WHERE action = 'LOGIN_SUCCEEDED'").await;
    let missing = format!(" is missing: it was sealed at position {position}");
    assert!(app.verify().await.differences[0].ends_with(&missing));
    // A forged record of a purge of everything, dated today or in the future.
    for (at, before) in [
        ("now()", "2026-01-01T00:00:00Z"),
        ("now()", "2099-01-01T00:00:00Z"),
        ("now() + interval '9 years'", "2033-01-01T00:00:00Z"),
    ] {
        app.tamper(&format!(
                "INSERT INTO audit_events (occurred_at, action, outcome, user_email, detail) VALUES ({at}, 'AUDIT_PURGED', 'success', 'portal', \
                 '{{\"before\": \"{before}\", \"positions\": [[{position}, {position}]]}}'); \
                 UPDATE audit_events SET detail = jsonb_set(detail, '{{positions,0,1}}', to_jsonb({position} + 1)) WHERE action = 'AUDIT_PURGED'"
            ))
            .await;
        app.sealed().await;
        let told = app.verify().await.differences;
        assert!(told[0].contains(" records a purge that the key of the log did not sign"), "{told:?}");
        assert!(told.iter().any(|one| one.ends_with(&missing)), "{told:?}");
        app.tamper("DELETE FROM audit_events WHERE action = 'AUDIT_PURGED'").await;
    }
    // The same for single old events, and for records that aren't sealed or aren't the portal's.
    let old = app.position_of(50).await;
    let forged = |by: &str| {
        format!(
            "INSERT INTO audit_events (action, outcome, user_email, user_role, detail) VALUES ('AUDIT_PURGED', 'success', 'portal', {by}, \
             '{{\"before\": \"2025-01-01T00:00:00Z\", \"positions\": [[{old}, {old}]], \"x\": 1e400}}'); \
             UPDATE audit_events SET detail = jsonb_set(detail, '{{positions,0,1}}', to_jsonb({old} + 1)) WHERE action = 'AUDIT_PURGED'"
        )
    };
    app.tamper("DELETE FROM audit_events WHERE id = 50").await;
    for (by, is_sealed) in [("NULL", true), ("NULL", false), ("'customer'", true)] {
        app.tamper(&forged(by)).await;
        if is_sealed {
            app.sealed().await;
        }
        let told = app.verify().await.differences.join("; ");
        assert!(told.contains("event 50 is missing") && told.contains("the log did not sign"), "{told}");
        app.tamper("DELETE FROM audit_events WHERE action = 'AUDIT_PURGED'").await;
    }
    // Without its record, every purged event is missing.
    let told = app.verify().await.differences;
    assert!(told.iter().any(|one| one.ends_with(&missing)), "{told:?}");
}

/// Recorded purges remove events only where signed checkpoints agree.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_alone_removes_nothing() {
    let app = with_years().await;
    app.sql(
        "INSERT INTO audit_events (action, outcome, user_email, detail) VALUES \
         ('AUDIT_PURGED', 'success', 'portal', '{\"before\": \"2099-01-01T00:00:00Z\", \"positions\": [[0, 9000000000000000000], [5, 3]]}')",
    )
    .await;
    app.sealed().await;
    let (code, _, told) = purge(&app, "5", &["--yes"]).await;
    assert_eq!(code, 0, "{told}");
    // The events of 2019, under a retention of five years.
    assert_eq!(events_before(&app, "2025-01-01").await.len(), 503);
    let within = "BEGIN; SELECT portal_enter(1, 'customer', '{1}'); SET LOCAL ROLE portal_customer; \
        INSERT INTO audit_events (action, outcome, user_id, user_role, customer_id) VALUES ('ACTION', 'success', 1, 'customer', 1)";
    let mut customer = db::connect(&app.database).await.unwrap();
    customer.batch_execute(&within.replace("'ACTION'", "'BOL_VIEWED'")).await.unwrap();
    customer.batch_execute("ROLLBACK").await.unwrap();
    for action in ["AUDIT_PURGED", "AUDIT_VERIFIED", "LINK_FETCHED", "LOGIN_SUCCEEDED"] {
        let refused = customer.batch_execute(&within.replace("'ACTION'", &format!("'{action}'"))).await;
        assert!(refused.unwrap_err().to_string().contains("row-level security"), "{action}");
        customer.batch_execute("ROLLBACK").await.unwrap();
    }
}

/// A purge that removes an older purge's record repeats its signed statement.
#[tokio::test(flavor = "multi_thread")]
async fn old_purges_stay_recorded() {
    let app = App::start().await;
    batch(&app, "2019-05", 100).await;
    let first = app.position_of(events_before(&app, "2020-01-01").await[0].id).await.unsigned_abs();
    let last = app.checkpoints().await.last().unwrap().clone();
    // The state that a purge of 2022 left.
    let statement = PurgeStatement {
        signed_at: "2022-03-01T00:00:00Z".parse().unwrap(),
        before: "2020-03-01T00:00:00Z".parse().unwrap(),
        years: 2,
        positions: vec![(first, first + 100)],
        size: last.size.unsigned_abs(),
        root: last.note.lines().nth(2).unwrap().into(),
    };
    let note = statement.sign(&app.seals().signs.unwrap()).unwrap();
    let detail = json!({"before": statement.before, "years": 2, "positions": statement.positions, "note": note});
    app.tamper(&format!(
        "DELETE FROM audit_events WHERE occurred_at < '2020-01-01'; \
         INSERT INTO audit_events (occurred_at, action, outcome, user_email, detail) \
         VALUES ('2022-03-01Z', 'AUDIT_PURGED', 'success', 'portal', '{detail}')"
    ))
    .await;
    app.sealed().await;
    batch(&app, "2022-04", 50).await;
    let before = app.verify().await;
    assert!(before.is_fine() && before.purged == 100, "{before:?}");
    assert_eq!(purge(&app, "2", &["--yes"]).await.0, 0);
    assert!(events_before(&app, "2023-01-01").await.is_empty());
    let after = app.verify().await;
    assert!(after.is_fine() && after.purged == 151, "{after:?}");
    // The statement is repeated as it was signed.
    assert_eq!(app.events().await.single(Action::AuditPurged).detail["restated"], json!([note]));
}

/// A program that follows the log gets every event that is left once, however many were removed before it.
#[tokio::test(flavor = "multi_thread")]
async fn a_follower_passes_over_purged_events() {
    let app = with_years().await;
    assert_eq!(purge(&app, "1", &["--yes"]).await.0, 0);
    app.sealed().await;
    let left =
        app.rows("SELECT e.id FROM audit_events e JOIN audit_leaves l ON l.event_id = e.id ORDER BY l.position").await;
    let auditor = app.auditor().await;
    for limit in [1, 3, 5000] {
        let (mut ids, mut after) = (Vec::new(), String::new());
        while ids.len() < left.len() {
            let page = auditor.get(&format!("/api/v1/log/events?limit={limit}{after}")).await.text();
            let events: Vec<serde_json::Value> = page.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert!((1..=limit).contains(&events.len()), "{page}");
            ids.extend(events.iter().map(|event| event["id"].to_string()));
            after = format!("&after={}", events.last().unwrap()["position"]);
        }
        assert_eq!(ids[..left.len()], left, "{limit} at a time");
    }
}
