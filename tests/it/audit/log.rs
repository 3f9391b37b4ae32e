//! The access log: what it records, that it is append-only, and how auditors search it.

use diesel_async::SimpleAsyncConnection;
use primetrade::db;
use serde_json::json;

use crate::support::{Action, Answer, App, World};

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
    // With the grant restored, the trigger still refuses.
    app.sql("GRANT UPDATE, DELETE, TRUNCATE ON audit_events TO CURRENT_USER").await;
    for sql in ["UPDATE audit_events SET user_email = 'x'", "DELETE FROM audit_events", "TRUNCATE audit_events"] {
        let mut connection = db::connect(&app.database).await.unwrap();
        let error = connection.batch_execute(sql).await.expect_err(sql).to_string();
        assert!(error.contains("append-only"), "{sql}: {error}");
    }
    // The partition itself refuses too.
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
    assert_eq!(app.events().await.actions(), ["LOGIN_SUCCEEDED"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_partitioned_by_month_and_none_is_refused() {
    let app = App::start().await;
    app.acme().await;
    let partition = app.rows("SELECT tableoid::regclass FROM audit_events").await;
    let month = app.rows("SELECT 'audit_events_' || to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')").await;
    assert_eq!(partition, month);
    app.sql("INSERT INTO audit_events (occurred_at, action, outcome) VALUES ('2099-01-01', 'X', 'success')").await;
    assert_eq!(app.count("audit_events_other").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn long_user_agents_are_truncated_and_never_refused() {
    let app = App::start().await;
    let acme = app.acme().await;
    let long = "Agent ".repeat(2000);
    for agent in [long.as_bytes(), b"caf\xc3\xa9 \xff\xfe", b"<script>"] {
        let agent = reqwest::header::HeaderValue::from_bytes(agent).unwrap();
        let request =
            acme.request(reqwest::Method::GET, &format!("/bols/{}", World::ACME_BOL)).header("user-agent", agent);
        assert_eq!(Answer::of(request).await.status, 200);
    }
    let viewed = app.events().await.only(Action::BolViewed);
    let agents = viewed.list(|event| {
        let agent = event.user_agent.as_deref().unwrap();
        (agent.chars().count(), agent.chars().take(9).collect::<String>())
    });
    let expected = [(300, "Agent Age"), (7, "café \u{fffd}\u{fffd}"), (8, "<script>")];
    assert_eq!(agents, expected.map(|(length, start)| (length, start.to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clients_address_is_the_peers_unless_a_trusted_proxy_says_otherwise() {
    for (trusted, expected) in [("", "127.0.0.1"), ("127.0.0.0/8, 10.0.0.0/8", "198.51.100.7")] {
        let app = App::start_with(&[("TRUSTED_PROXIES", trusted)]).await;
        let acme = app.acme().await;
        let request = acme.request(reqwest::Method::GET, &format!("/bols/{}", World::ACME_BOL));
        let answer = Answer::of(request.header("x-forwarded-for", "1.2.3.4, 198.51.100.7, 10.0.0.3")).await;
        let viewed = app.events().await.single(Action::BolViewed);
        assert_eq!(
            (viewed.host().as_str(), viewed.request_id.as_deref()),
            (expected, Some(answer.header("x-request-id")))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_with_ports_and_the_standard_header_name_the_client() {
    let app = App::start_with(&[("TRUSTED_PROXIES", "127.0.0.1"), ("TRUSTED_PROXY_HOPS", "1")]).await;
    let acme = app.acme().await;
    for (name, value, expected) in [
        ("x-forwarded-for", "203.0.113.7:51008", "203.0.113.7"),
        ("x-forwarded-for", "6.6.6.6, [2001:db8::7]:443,", "2001:db8::7"),
        ("x-forwarded-for", "6.6.6.6, 127.0.0.1", "127.0.0.1"),
        ("forwarded", "for=6.6.6.6, for=\"[2001:db8::8]:4711\";proto=https", "2001:db8::8"),
    ] {
        let mark = app.events().await.mark();
        let request = acme.request(reqwest::Method::GET, &format!("/bols/{}", World::ACME_BOL));
        Answer::of(request.header(name, value)).await;
        let viewed = app.events().await.since(mark).single(Action::BolViewed);
        assert_eq!(viewed.host(), expected, "{name}: {value}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_recorded_with_the_request() {
    let app = App::start().await;
    let (rival, auditor) = (app.rival().await, app.auditor().await);
    rival.get(&format!("/bols/{}", World::ACME_BOL)).await;
    rival.get("/bols/PRT-2025-0777/download").await;
    rival.get(&format!("/documents/{}/download", app.world.acme_documents[0])).await;
    rival.get("/api/bol/1/download/").await;
    auditor.get(&format!("/bols/{}/download", World::ACME_BOL)).await;
    let denied = app.events().await.only(Action::AccessDenied);
    let document = app.world.acme_documents[0];
    let download = format!("/bols/{}/download", World::ACME_BOL);
    assert_eq!(
        denied.list(|event| (event.email(), event.bol(), event.document_id, event.detail.clone())),
        [
            (World::RIVAL, World::ACME_BOL, None, json!({})),
            (World::RIVAL, "PRT-2025-0777", None, json!({})),
            (World::RIVAL, "-", Some(document), json!({})),
            (World::RIVAL, "-", None, json!({"bol_id": 1})),
            (World::AUDITOR, "-", None, json!({"path": download, "method": "GET"})),
        ]
    );
}

/// The auditor's questions: who got which document, when, and from where.
#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_finds_who_got_what() {
    let app = App::start().await;
    let (acme, rival) = (app.acme().await, app.rival().await);
    for path in ["/bols/PRT-2025-0001", "/bols/PRT-2025-0001/download", "/bols/PRT-2025-0003/download"] {
        acme.get(path).await;
    }
    rival.get("/bols/PRT-2025-0003/download").await;
    let auditor = app.auditor().await;
    assert_eq!(auditor.get("/").await.header("location"), "/audit");
    let rows = async |query: &str| {
        let page = auditor.get(&format!("/audit{query}")).await;
        assert_eq!(page.status, 200, "{query}");
        page.all(".log tbody .code")
    };
    let all = rows("").await;
    assert_eq!(all[0], "LOGIN_SUCCEEDED", "newest first: {all:?}");
    assert_eq!(rows("?number=prt-2025-0001").await, ["BOL_DOWNLOADED", "BOL_VIEWED"]);
    assert_eq!(rows(&format!("?user={}&outcome=denied", World::ACME.to_uppercase())).await, ["ACCESS_DENIED"]);
    assert_eq!(rows("?customer=rival&action=BOL_DOWNLOADED").await, ["BOL_DOWNLOADED"]);
    assert_eq!(rows("?q=PRT-2025-0003.pdf").await, ["BOL_DOWNLOADED"]);
    assert_eq!(rows("?q=127.0.0.1&number=PRT-2025-0003&outcome=success").await, ["BOL_DOWNLOADED"]);
    assert!(rows("?q=%25").await.is_empty() && rows("?q=nothing-has-this").await.is_empty());
    assert!(rows("?from=2001-01-01&to=2001-01-31").await.is_empty());
    let empty = auditor.get("/audit?number=PRT-1999-0001").await;
    assert!(empty.one(".empty h2").contains("No event matches"));
    let page = auditor.get("/audit?number=PRT-2025-0001").await;
    let zones =
        page.all(".log tbody .lead").into_iter().filter(|when| when.ends_with(" EST") || when.ends_with(" EDT"));
    assert_eq!(zones.count(), 2, "every time names its zone");
    assert_eq!(page.all("svg.chart rect").len(), 14);
    assert_eq!(page.all("#days-table td").last().unwrap(), "2");
    // One event with all its fields and no secret.
    let href = page.attributes(".log tbody .lead a", "href").remove(0);
    let event = auditor.get(&href).await;
    let (names, values) = (event.all("dl.event dt"), event.all("dl.event dd"));
    let field = |name: &str| values[names.iter().position(|known| known == name).unwrap()].clone();
    assert_eq!(
        (field("action"), field("user_email"), field("bol_number")),
        ("BOL_DOWNLOADED".into(), World::ACME.into(), "PRT-2025-0001".into())
    );
    assert_eq!((field("object_key"), field("sha256").len()), ("bols/2025/PRT-2025-0001.v2.pdf".into(), 64));
    assert!(!event.text().contains("signature=") && !event.text().contains("sessionid"));
    let related = event.attributes(".lines a", "href");
    for href in ["/audit?number=PRT-2025-0001", "/audit?number=PRT-2025-0001&view=downloads"] {
        assert!(related.contains(&href.into()), "{related:?}");
    }
    // Reading the log is recorded with its filter.
    let viewed = app.events().await.only(Action::AuditViewed);
    let numbers = viewed.list(|event| event.detail["filter"]["number"].as_str());
    assert_eq!(numbers.into_iter().flatten().next(), Some("prt-2025-0001"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_for_auditors_and_read_page_by_page() {
    let app = App::start().await;
    app.sql("INSERT INTO audit_events (occurred_at, action, outcome, user_email) \
             SELECT '2026-01-15 12:00:00Z'::timestamptz + (n / 3) * interval '1 second', 'BOL_VIEWED', 'success', 'x@y.example' FROM generate_series(1, 170) n").await;
    for email in [World::ACME, World::OFFICE] {
        let other = app.user(email).await;
        assert_eq!(other.get("/audit").await.status, 403, "{email}");
        assert_eq!(other.get("/audit/events/1").await.status, 403, "{email}");
    }
    let admin = app.user(World::ADMIN).await;
    let (mut path, mut seen) = ("/audit?user=x@y.example".to_owned(), Vec::new());
    loop {
        let page = admin.get(&path).await;
        assert_eq!(page.status, 200);
        seen.extend(page.attributes(".log tbody .lead a", "href"));
        let next = page.attributes(".pager a", "href");
        match next.last().filter(|_| page.text().contains("Next 50")) {
            Some(href) => path = href.clone(),
            None => break,
        }
    }
    assert_eq!(seen.len(), 170);
    let ids: Vec<i64> = seen.iter().map(|href| href.rsplit('/').next().unwrap().parse().unwrap()).collect();
    assert!(ids.is_sorted_by(|a, b| a > b), "each once, newest first, though three are of the same moment");
    for wrong in ["from=yesterday", "action=NOTHING", "outcome=x", "after=x", "from=2026-02-01&to=2026-01-01"] {
        assert_eq!(admin.get(&format!("/audit?{wrong}")).await.status, 422, "{wrong}");
    }
    for odd in ["/audit/events/x", "/audit/events/999999", "/audit/events/99999999999999999999"] {
        assert_eq!(admin.get(odd).await.status, 404, "{odd}");
    }
    for hostile in ["?q=%00", "?user=%27%20OR%201=1--", "?number=%3Cscript%3E", "?q=%5C&customer=%F0%9F%92%A9"] {
        let page = admin.get(&format!("/audit{hostile}")).await;
        assert!(page.status == 200 && !page.text().contains("<script>"), "{hostile}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeline_has_everything_of_one_bol_user_or_customer() {
    let app = App::start().await;
    let acme = app.acme().await;
    acme.get(&format!("/bols/{}", World::ACME_BOL)).await;
    acme.get(&format!("/bols/{}/download", World::ACME_BOL)).await;
    app.sql(
        "INSERT INTO audit_events (occurred_at, action, outcome, user_email, customer_code, bol_number) \
         VALUES ('2026-02-03 12:00Z', 'BOL_VIEWED', 'success', 'long.ago+1@acme.example', 'OLD', 'PRT-2019-0001')",
    )
    .await;
    let auditor = app.auditor().await;
    // The list links to the timeline, and gives an auditor no link to the document.
    let list = auditor.get("/bols").await;
    let links = list.attributes("a.number", "href");
    assert!(links.contains(&"/audit?number=PRT-2025-0001".to_owned()), "{links:?}");
    let of_bol = auditor.get("/audit?number=prt-2025-0001").await;
    assert_eq!(of_bol.one("h1"), "Timeline of BOL PRT-2025-0001");
    assert!(of_bol.text().contains("BOL_VIEWED") && of_bol.attributes(".crumb a", "href") == ["/audit"]);
    // The chart ends with the period, not today.
    let of_user = auditor.get("/audit?user=Long.Ago%2B1%40acme.example").await;
    assert_eq!(of_user.one("h1"), "Timeline of long.ago+1@acme.example");
    assert_eq!(of_user.one("#days"), "Events by day, Jan 21 to Feb 3, 2026");
    assert_eq!(auditor.get("/audit?customer=old&from=2026-01-01").await.one("h1"), "Timeline of customer OLD");
    for several in
        ["", "?customer=ACME&user=x@y.example", "?customer=ACME&action=BOL_VIEWED", "?q=x&number=PRT-2025-0001"]
    {
        assert_eq!(auditor.get(&format!("/audit{several}")).await.one("h1"), "Access log", "{several}");
    }
    // Administrators read the log too. The office doesn't.
    let (admin, office) = (app.user(World::ADMIN).await, app.office().await);
    for (path, timeline) in
        [("/bols/PRT-2025-0001", "/audit?number=PRT-2025-0001"), ("/office/customers/ACME", "/audit?customer=ACME")]
    {
        let href = format!("href=\"{timeline}\"");
        assert!(
            admin.get(path).await.text().contains(&href) && !office.get(path).await.text().contains("/audit"),
            "{path}"
        );
    }
    let id = app.user_id(World::ACME).await;
    assert!(
        admin.get(&format!("/office/users/{id}")).await.text().contains("href=\"/audit?user=buyer%40acme.example\"")
    );
}
