//! What the fields of the log understand: parts of names, lists, and mistakes.

use crate::support::{App, World};

async fn with_people(app: &App) {
    app.sql(
        "UPDATE users SET name = 'Carla Jennings' WHERE email = 'buyer@acme.example'; \
         UPDATE users SET name = 'Carl Rivera' WHERE email = 'buyer@rival.example'; \
         UPDATE customers SET name = 'Miami Valley Ductile Castings' WHERE code = 'ACME'; \
         INSERT INTO customers (code, name, address) VALUES ('MIAMI', 'Miami Beach Foundry', '');",
    )
    .await;
    for (actor, number) in [(app.acme().await, World::ACME_BOL), (app.rival().await, World::RIVAL_BOL)] {
        actor.get(&format!("/bols/{number}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_names_find_users_customers_and_bols() {
    let app = App::start().await;
    with_people(&app).await;
    app.stranger().post("/login", &[("email", "carlo@evil.example"), ("password", "x")]).await;
    app.rival().await.get("/bols/PRT-2031-0777").await;
    let auditor = app.auditor().await;
    let rows = async |query: &str| {
        let page = auditor.get(&format!("/audit?{query}")).await;
        assert_eq!(page.status, 200, "{query}");
        (page.all(".log tbody .code"), page.all(".terms li"))
    };
    let codes = |codes: &[&str]| codes.iter().map(|code| (*code).to_owned()).collect::<Vec<_>>();
    for (query, found, names) in [
        ("user=carla", codes(&["BOL_VIEWED", "LOGIN_SUCCEEDED"]), "User: buyer@acme.example"),
        ("user=JENNINGS++carla", codes(&["BOL_VIEWED", "LOGIN_SUCCEEDED"]), "User: buyer@acme.example"),
        (
            "user=carl&action=BOL_VIEWED",
            codes(&["BOL_VIEWED", "BOL_VIEWED"]),
            "Users: buyer@acme.example, buyer@rival.example, carlo@evil.example",
        ),
        ("customer=Miami+Valley", codes(&["BOL_VIEWED"]), "Customer: ACME"),
        (
            "customer=valley&user=carl",
            codes(&["BOL_VIEWED"]),
            "Users: buyer@acme.example, buyer@rival.example, carlo@evil.example",
        ),
        ("number=25-0001", codes(&["BOL_VIEWED"]), "BOL: PRT-2025-0001"),
        // What never existed is in the log too.
        ("user=carlo", codes(&["LOGIN_FAILED"]), "User: carlo@evil.example"),
        ("number=0777", codes(&["ACCESS_DENIED"]), "BOL: PRT-2031-0777"),
    ] {
        let (seen, listed) = rows(query).await;
        assert_eq!(seen, found, "{query}");
        assert_eq!(listed.first().map(String::as_str), Some(names), "{query}");
    }
    assert_eq!(auditor.get("/audit?user=jennings").await.one("h1"), "Timeline of buyer@acme.example");
    assert_eq!(auditor.get("/audit?user=carl").await.one("h1"), "Access log", "several are no timeline");
    for none in ["user=%25", "number=_", "customer=zzz", "user=carla+rivera"] {
        assert!(rows(none).await.0.is_empty(), "{none}");
    }
}

/// Enough events for two pages of a text search, with one that is the oldest.
#[tokio::test(flavor = "multi_thread")]
async fn a_search_for_words_stops_after_many_events_and_goes_on_from_there() {
    let app = App::start().await;
    let auditor = app.auditor().await;
    app.sql(
        "INSERT INTO audit_events (action, outcome, occurred_at, file_name) \
         SELECT 'X', CASE WHEN n <= 50000 THEN 'denied' ELSE 'success' END, now() - interval '1 day' - n * interval '1 ms', CASE n WHEN 60000 THEN 'needle.pdf' WHEN 1 THEN 'pin.pdf' ELSE 'hay.pdf' END \
         FROM generate_series(1, 60000) n",
    )
    .await;
    let page = auditor.get("/audit?q=needle").await;
    assert_eq!(page.one(".empty h2"), "No event matches so far.");
    let stopped = page.one("#stopped");
    assert!(
        stopped.starts_with("This page looked at 50,000 events, back to ") && page.all("#days").is_empty(),
        "{stopped}"
    );
    let further = page.attributes(".pager a", "href").remove(0);
    assert_eq!(page.all(".pager a"), ["Search further back"]);
    let page = auditor.get(&further).await;
    assert_eq!((page.all(".log tbody tr").len(), page.all("#stopped").len()), (1, 0));
    assert!(
        page.one(".log tbody tr").contains("needle.pdf") && page.all(".pager a") == ["First page"],
        "{}",
        page.text()
    );
    // What is found on the way is shown, and a page that is full goes on as always.
    let page = auditor.get("/audit?q=pin.pdf").await;
    assert_eq!((page.all(".log tbody tr").len(), page.all("#stopped").len()), (1, 1));
    let page = auditor.get("/audit?q=hay").await;
    assert_eq!((page.all(".log tbody tr").len(), page.all("#stopped").len()), (50, 0));
    assert_eq!(page.all(".pager a"), ["Next 50"]);
    // Another filter narrows what is looked at.
    let page = auditor.get("/audit?q=needle&action=LOGIN_SUCCEEDED").await;
    assert_eq!((page.one(".empty h2"), page.all("#stopped").len()), ("No event matches.".into(), 0));
    // Exactly as many as a page looks at.
    let page = auditor.get("/audit?q=needle&outcome=denied").await;
    assert_eq!((page.one(".empty h2"), page.all("#stopped").len()), ("No event matches.".into(), 0));
    let export = auditor.get("/audit/export?format=csv&q=needle").await;
    assert!(export.text().contains("needle.pdf"), "an export looks at all");
}

/// Scripts search for whole names, and find nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn whole_names_mean_only_themselves() {
    let app = App::start().await;
    with_people(&app).await;
    app.new_user("xbuyer@acme.example").create().await;
    app.sql(
        "INSERT INTO audit_events (action, outcome, user_email, customer_code, bol_number) \
         VALUES ('X', 'success', 'xbuyer@acme.example', 'MIAMI', 'PRT-2025-00011'), ('Y', 'success', 'portal', NULL, NULL)",
    )
    .await;
    let auditor = app.auditor().await;
    for (query, codes) in [
        ("user=BUYER@acme.example", vec!["BOL_VIEWED", "LOGIN_SUCCEEDED"]),
        ("number=prt-2025-0001", vec!["BOL_VIEWED"]),
        ("customer=miami", vec!["X"]),
        ("user=portal", vec!["Y"]),
    ] {
        let page = auditor.get(&format!("/audit?{query}")).await;
        assert_eq!(page.all(".log tbody .code"), codes, "{query}");
        assert!(page.all(".terms li").is_empty(), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_too_many_names_have_is_refused_beside_its_field() {
    let app = App::start().await;
    app.sql(
        "INSERT INTO users (email, name, role) SELECT 'u' || n || '@many.example', 'Many', 'customer' FROM generate_series(1, 501) n; \
         INSERT INTO users (email, name, role) SELECT 'v' || n || '@plenty.example', 'Plenty', 'customer' FROM generate_series(1, 500) n",
    )
    .await;
    let auditor = app.auditor().await;
    for path in ["/audit?user=many", "/audit/export?format=csv&user=many", "/audit/pack?user=many"] {
        let page = auditor.get(path).await;
        assert_eq!(page.status, 422, "{path}");
        assert_eq!(page.one("#user-error"), "More than 500 users have this in their name. Enter more of it.");
        assert_eq!(page.attributes("#user", "value"), ["many"]);
    }
    assert_eq!(auditor.get("/audit?user=plenty").await.status, 200);
    let arguments = ["audit", "export", "--format", "csv", "--user", "many"];
    let output = crate::support::primetrade(app.environment(), &arguments, "").await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && said.contains("user: More than 500 users"), "{said}");
    // The lists are bounded too.
    let page = auditor.get("/audit").await;
    assert_eq!(page.all("#users option").len(), 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fields_offer_users_customers_and_actions() {
    let app = App::start().await;
    with_people(&app).await;
    let page = app.auditor().await.get("/audit").await;
    assert_eq!(page.attributes("#user", "list"), ["users"]);
    assert_eq!(page.attributes("#customer", "list"), ["customers"]);
    assert!(page.attributes("#users option", "value").contains(&World::ACME.to_owned()));
    assert!(page.all("#users option").contains(&"Carla Jennings".to_owned()));
    assert_eq!(page.all("#customers option"), ["Miami Beach Foundry", "Miami Valley Ductile Castings", "Rival Iron"]);
    assert_eq!(page.attributes("#action optgroup", "label")[0], "Downloads");
    let downloads = page.all("#action optgroup[label=Downloads] option");
    assert_eq!(downloads, ["Download link issued", "Downloaded", "Downloaded in a ZIP", "Shown in the browser"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_filter_keeps_what_was_typed() {
    let app = App::start().await;
    let auditor = app.auditor().await;
    let typed = "from=30.11.2026&to=2026-02-31&action=NOTHING&outcome=maybe&user=jo&q=scan";
    for path in
        [format!("/audit?{typed}"), format!("/audit/export?{typed}&format=xlsx"), format!("/audit/pack?{typed}")]
    {
        let page = auditor.get(&path).await;
        assert_eq!(page.status, 422, "{path}");
        page.expect_summary(&path);
        assert_eq!(page.attributes("#problem a", "href"), ["#from", "#to", "#action", "#outcome"]);
        for field in ["from", "to"] {
            assert_eq!(page.one(&format!("#{field}-error")), "Not a valid date. Use one such as 2026-11-30.");
        }
        assert_eq!(page.one("#action-error"), "The log has no such action. Choose one from the list.");
        assert_eq!(page.one("#outcome-error"), "The log has no such outcome. Choose success, denied or failed.");
        let value = |field: &str| page.attributes(&format!("#{field}"), "value").remove(0);
        assert_eq!(["from", "to", "user", "q"].map(value), ["30.11.2026", "2026-02-31", "jo", "scan"]);
        assert_eq!(page.attributes("#from", "type"), ["text"], "a field for dates would show nothing");
        assert_eq!(page.attributes("#action option[selected]", "value"), ["NOTHING"]);
    }
    assert!(app.events().await.only(crate::support::Action::AuditExportBegun).is_empty());
}
