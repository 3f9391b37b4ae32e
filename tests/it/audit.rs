//! The access log: append-only, and what goes into it.

use diesel_async::SimpleAsyncConnection;
use primetrade::db;

use crate::support::{Answer, App, World};

#[tokio::test(flavor = "multi_thread")]
async fn not_even_the_owner_can_change_or_remove_an_event() {
    let app = App::start().await;
    app.acme().await;
    for sql in [
        "UPDATE audit_events SET user_email = 'x'",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
        "TRUNCATE audit_events_other",
        "UPDATE audit_events SET detail = '{}' WHERE id = 1",
    ] {
        let mut connection = db::connect(&app.database).await.unwrap();
        let error = connection.batch_execute(sql).await.expect_err(sql).to_string();
        assert!(error.contains("permission denied") || error.contains("append-only"), "{sql}: {error}");
    }
    // With the grant back, the trigger is still there.
    app.sql("GRANT UPDATE, DELETE, TRUNCATE ON audit_events TO CURRENT_USER").await;
    for sql in ["UPDATE audit_events SET user_email = 'x'", "DELETE FROM audit_events", "TRUNCATE audit_events"] {
        let mut connection = db::connect(&app.database).await.unwrap();
        let error = connection.batch_execute(sql).await.expect_err(sql).to_string();
        assert!(error.contains("append-only"), "{sql}: {error}");
    }
    // Nor through the partition itself.
    let partition = app.rows("SELECT tableoid::regclass FROM audit_events LIMIT 1").await.remove(0);
    for sql in [
        format!("UPDATE {partition} SET user_email = 'x'"),
        format!("DELETE FROM {partition}"),
        format!("TRUNCATE {partition}"),
    ] {
        let mut connection = db::connect(&app.database).await.unwrap();
        let error = connection.batch_execute(&sql).await.expect_err(&sql).to_string();
        assert!(error.contains("append-only"), "{sql}: {error}");
    }
    assert_eq!(app.events("action").await, ["LOGIN_SUCCEEDED"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_partitioned_by_month_and_none_is_refused() {
    let app = App::start().await;
    app.acme().await;
    let partition = app.rows("SELECT tableoid::regclass FROM audit_events").await;
    let month = app.rows("SELECT 'audit_events_' || to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')").await;
    assert_eq!(partition, month);
    app.sql("INSERT INTO audit_events (occurred_at, action, outcome) VALUES ('2099-01-01', 'X', 'success')").await;
    assert_eq!(app.rows("SELECT count(*) FROM audit_events_other").await, ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn user_agents_are_cut_and_never_refused() {
    let app = App::start().await;
    let acme = app.acme().await;
    let long = "Agent ".repeat(2000);
    for agent in [long.as_bytes(), b"caf\xc3\xa9 \xff\xfe", b"<script>"] {
        let agent = reqwest::header::HeaderValue::from_bytes(agent).unwrap();
        let request =
            acme.request(reqwest::Method::GET, &format!("/bols/{}", World::ACME_BOL)).header("user-agent", agent);
        assert_eq!(Answer::of(request).await.status, 200);
    }
    let agents = app
        .rows(
            "SELECT length(user_agent), left(user_agent, 9) FROM audit_events WHERE action = 'BOL_VIEWED' ORDER BY id",
        )
        .await;
    assert_eq!(agents, ["300|Agent Age", "7|café \u{fffd}\u{fffd}", "8|<script>"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clients_address_is_the_peers_unless_a_trusted_proxy_says_otherwise() {
    for (trusted, expected) in [("", "127.0.0.1"), ("127.0.0.0/8, 10.0.0.0/8", "198.51.100.7")] {
        let app = App::start_with(&[("TRUSTED_PROXIES", trusted)]).await;
        let acme = app.acme().await;
        let request = acme.request(reqwest::Method::GET, &format!("/bols/{}", World::ACME_BOL));
        let answer = Answer::of(request.header("x-forwarded-for", "1.2.3.4, 198.51.100.7, 10.0.0.3")).await;
        let events = app.rows("SELECT host(ip), request_id FROM audit_events WHERE action = 'BOL_VIEWED'").await;
        assert_eq!(events, [format!("{expected}|{}", answer.header("x-request-id"))]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_on_record_with_what_was_asked_for() {
    let app = App::start().await;
    let (rival, auditor) = (app.rival().await, app.auditor().await);
    rival.get(&format!("/bols/{}", World::ACME_BOL)).await;
    rival.get("/bols/PRT-2025-0777/download").await;
    rival.get(&format!("/documents/{}/download", app.world.acme_documents[0])).await;
    rival.get("/api/bol/1/download/").await;
    auditor.get(&format!("/bols/{}/download", World::ACME_BOL)).await;
    let events = app
        .rows("SELECT user_email, coalesce(bol_number, '-'), coalesce(document_id::text, '-'), detail::text FROM audit_events WHERE action = 'ACCESS_DENIED' ORDER BY id")
        .await;
    assert_eq!(
        events,
        [
            "buyer@rival.example|PRT-2025-0001|-|{}".to_owned(),
            "buyer@rival.example|PRT-2025-0777|-|{}".into(),
            format!("buyer@rival.example|-|{}|{{}}", app.world.acme_documents[0]),
            r#"buyer@rival.example|-|-|{"bol_id": 1}"#.into(),
            r#"auditor@terminal.example|-|-|{"path": "/bols/PRT-2025-0001/download", "method": "GET"}"#.into(),
        ]
    );
}
