//! `/office`: the day at the terminal.

use chrono::{Datelike, Days, TimeDelta};

use crate::support::{Action, Actor, Answer, App, World};

#[tokio::test(flavor = "multi_thread")]
async fn the_page_counts_loads_and_tons_of_today_and_of_each_week() {
    let app = App::start().await;
    let today = app.clock.now().with_timezone(&chrono_tz::America::New_York).date_naive();
    let monday = today - Days::new(today.weekday().num_days_from_monday().into());
    let last_week = monday - Days::new(3);
    app.sql(&format!(
        "UPDATE bols SET bol_date = '{today}', net_lb = 46900, gross_lb = NULL, tare_lb = NULL WHERE number = 'PRT-2025-0001';
         UPDATE bols SET bol_date = '{today}', net_lb = 43110, gross_lb = NULL, tare_lb = NULL WHERE number = 'PRT-2025-0003';
         UPDATE bols SET bol_date = '{today}' WHERE number = 'PRT-2025-0002';
         UPDATE bols SET bol_date = '{last_week}', net_lb = 40000, gross_lb = NULL, tare_lb = NULL WHERE number = 'PRT-2025-0005'"
    ))
    .await;
    let office = app.office().await;
    assert_eq!(office.get("/").await.header("location"), "/office");
    let page = office.get("/office").await;
    // 90,010 lb without the void BOL.
    assert_eq!(page.all(".glance .figure")[..2], ["45.01 net tons", "45.01 net tons"]);
    assert_eq!(page.all(".glance .hint")[0], "2 loads");
    let weeks = page.all("#weeks-table td");
    assert_eq!(weeks.len(), 16);
    assert_eq!(weeks[14..], ["45", "2"]);
    assert_eq!(weeks[12..14], ["20", "1"]);
    assert_eq!(page.all("svg.chart rect").len(), 8);
    assert_eq!(page.attributes("svg.chart .now rect", "height"), ["96"]);
    assert!(!page.text().contains("style="));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_lists_waiting_and_missing_documents() {
    let app = App::start().await;
    let today = app.clock.now().with_timezone(&chrono_tz::America::New_York).date_naive();
    let (recent, long) = (today - Days::new(6), today - Days::new(8));
    app.sql(&format!(
        "UPDATE bols SET bol_date = '{recent}' WHERE number = 'PRT-2025-0003';
         UPDATE bols SET bol_date = '{long}' WHERE number IN ('PRT-2025-0001', 'PRT-2025-0002', 'PRT-2025-0005')"
    ))
    .await;
    let office = app.office().await;
    let page = office.get("/office").await;
    // The first has a signed copy, the second is void, the third is too new, the fourth too old.
    assert_eq!(page.all("section:has(#unsigned) tbody a"), [World::ACME_BARE]);
    assert_eq!(page.all(".glance .hint")[2], "1 BOL without a customer");
    // The office sets the number of days.
    for (unsigned, collect, field) in
        [("0", "3", "unsigned"), ("61", "3", "unsigned"), ("7", "x", "collect"), ("7", "", "collect")]
    {
        let answer =
            office.post("/office/settings/days", &[("unsigned_days", unsigned), ("collect_days", collect)]).await;
        assert_eq!(answer.status, 422);
        assert!(answer.one(&format!("#{field}_days-error")).contains("from 1 to 60"));
        assert_eq!(
            answer.attributes(&format!("#{field}_days"), "value"),
            [if field == "unsigned" { unsigned } else { collect }]
        );
    }
    let saved = office.post("/office/settings/days", &[("unsigned_days", "5"), ("collect_days", "2")]).await;
    assert_eq!(saved.header("location"), "/office/settings?done=days");
    let page = office.get("/office").await;
    assert_eq!(page.all("section:has(#unsigned) tbody a"), [World::ACME_BARE, World::RIVAL_BOL]);
    assert!(page.one("h2#unsigned").starts_with("No signed copy after 5 days"));
    let changed = app.events().await.only(Action::SettingsChanged);
    assert!(changed.iter().any(|event| event.after("unsigned_days") == "5"), "{changed:?}");
}

/// Follows a link of the page to the list of BOLs, and returns the numbers that it shows.
async fn linked(office: &Actor, page: &Answer, link: &str) -> Vec<String> {
    let mut hrefs = page.attributes(link, "href");
    assert_eq!(hrefs.len(), 1, "{link}");
    let list = office.get(&hrefs.remove(0)).await;
    assert_eq!(list.status, 200, "{link}");
    let mut numbers = list.all("tbody .number");
    numbers.sort();
    numbers
}

#[tokio::test(flavor = "multi_thread")]
async fn every_count_leads_to_the_list_of_just_these() {
    let app = App::start().await;
    let now = app.clock.now();
    let today = now.with_timezone(&chrono_tz::America::New_York).date_naive();
    let long = today - Days::new(8);
    for bol in app.bols().await {
        app.make_visible_since(&bol.number, "2025-03-01T00:00:00Z".parse().unwrap()).await;
    }
    app.make_visible_since(World::ACME_BOL, now - TimeDelta::days(4)).await;
    app.make_visible_since(World::RIVAL_BOL, now - TimeDelta::days(4)).await;
    // A void one and one without a customer count where they belong.
    app.sql(&format!(
        "UPDATE bols SET bol_date = '{today}' WHERE number IN ('{}', '{}');
         UPDATE bols SET bol_date = '{long}' WHERE number = '{}'",
        World::ACME_BOL,
        World::ACME_VOID,
        World::ACME_BARE
    ))
    .await;
    let office = app.office().await;
    let page = office.get("/office").await;
    assert_eq!(page.all(".glance .hint a"), ["1 load", "1 load", "1 BOL without a customer"]);
    for section in ["1", "2"] {
        let link = format!(".glance section:nth-of-type({section}) .hint a");
        assert_eq!(linked(&office, &page, &link).await, [World::ACME_BOL]);
    }
    assert_eq!(linked(&office, &page, ".glance section:nth-of-type(3) .hint a").await, [World::LOOSE_BOL]);
    assert_eq!(page.one("#unsigned .count"), "1 BOLs");
    assert_eq!(linked(&office, &page, "#unsigned .count").await, [World::ACME_BARE]);
    assert_eq!(linked(&office, &page, "#uncollected .count").await, [World::ACME_BOL, World::RIVAL_BOL]);
    let acme = "section:has(#uncollected) a[href='/bols?status=unfetched&customer=ACME']";
    assert_eq!(linked(&office, &page, acme).await, [World::ACME_BOL]);
    // The list follows the same rules: what the customer has fetched is on neither.
    app.acme().await.get(&format!("/bols/{}/download", World::ACME_BOL)).await;
    assert_eq!(office.get("/bols?status=unfetched").await.all("tbody .number"), [World::RIVAL_BOL]);
    app.sql("UPDATE customers SET active = false WHERE code = 'RIVAL'").await;
    assert!(office.get("/bols?status=unfetched").await.all("tbody .number").is_empty());
    assert_eq!(app.acme().await.get("/bols?status=unfetched").await.status, 422, "customers don't have this filter");
    assert_eq!(app.auditor().await.get("/bols?status=unfetched").await.status, 200);
    // An address of an earlier version.
    let inbox = office.get("/office/inbox?show=unassigned").await;
    assert!(inbox.one("main").contains(World::LOOSE_BOL), "{}", inbox.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_of_nothing_is_no_link() {
    let app = App::start().await;
    app.sql("UPDATE bols SET customer_id = (SELECT id FROM customers WHERE code = 'ACME') WHERE customer_id IS NULL")
        .await;
    let page = app.office().await.get("/office").await;
    assert_eq!(page.all(".glance .hint"), ["0 loads", "0 loads", "Every BOL has a customer"]);
    assert!(page.all(".glance .hint a, h2 a").is_empty());
}
