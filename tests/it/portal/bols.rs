//! `GET /bols` and `GET /api/bols`: search, filters, orders, pages.

use crate::support::{Actor, App, World};

/// 120 loads of RIVAL, several a day.
async fn many(app: &App) {
    app.sql(&format!(
        "INSERT INTO bols (number, number_year, number_seq, customer_id, customer_name, bol_date, product, net_lb, truck_number, ship_to)
         SELECT 'PRT-2024-' || lpad(n::text, 4, '0'), 2024, n, {}, 'Rival Iron', date '2024-01-01' + n / 7,
                CASE n % 3 WHEN 0 THEN 'Busheling' WHEN 1 THEN 'Basic pig iron' ELSE 'Ärger_100%' END, 40000 + n * 20, 'T-' || n, E'Dock\\nLima'
         FROM generate_series(1, 120) n",
        app.world.rival
    ))
    .await;
}

async fn walk(actor: &Actor, first: &str) -> Vec<String> {
    let mut numbers = Vec::new();
    let mut path = first.to_owned();
    loop {
        let page = actor.get(&path).await;
        assert_eq!(page.status, 200, "{path}");
        let rows = page.all("tbody .number");
        assert!(rows.len() <= 50);
        numbers.extend(rows);
        match page.attributes(".pager a[rel=next]", "href").pop() {
            Some(next) => path = next,
            None => break,
        }
    }
    numbers
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_hold_every_bol_once_in_every_order() {
    let app = App::start().await;
    many(&app).await;
    for actor in [app.rival().await, app.user(World::BROKER).await, app.office().await] {
        let total = actor.get("/bols").await.one(".count");
        for sort in ["", "date", "-date", "number", "-number", "product", "-product", "tons", "-tons"] {
            let numbers = walk(&actor, &format!("/bols?sort={sort}")).await;
            let mut unique = numbers.clone();
            unique.sort();
            unique.dedup();
            assert_eq!(format!("{} BOLs", numbers.len()), total, "{sort}");
            assert_eq!(unique.len(), numbers.len(), "{sort}");
        }
        let newest = walk(&actor, "/bols").await;
        let mut by_number = walk(&actor, "/bols?sort=number").await;
        by_number.reverse();
        assert_eq!(by_number, walk(&actor, "/bols?sort=-number").await);
        assert_eq!(newest.last().unwrap(), "PRT-2024-0001");
    }
    let heaviest = app.rival().await.get("/bols?sort=-tons").await;
    assert_eq!(heaviest.all("tbody .number")[0], World::RIVAL_BOL);
    assert_eq!(heaviest.all("th[aria-sort=descending]"), ["Net tons"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_bol_shifts_no_page() {
    let app = App::start().await;
    many(&app).await;
    let rival = app.rival().await;
    let next = rival.get("/bols").await.attributes(".pager a", "href").remove(0);
    let before = rival.get(&next).await.all("tbody .number");
    app.new_bol("PRT-2026-0001").customer("RIVAL").create().await;
    assert_eq!(rival.get(&next).await.all("tbody .number"), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_say_where_they_are_and_lead_back() {
    let app = App::start().await;
    many(&app).await;
    for (actor, sort) in
        [(app.rival().await, ""), (app.user(World::BROKER).await, "-number"), (app.office().await, "tons")]
    {
        let (mut pages, mut path) = (Vec::new(), format!("/bols?sort={sort}"));
        loop {
            let page = actor.get(&path).await;
            pages.push((page.all(".pager .range"), page.all("tbody .number")));
            match page.attributes(".pager a[rel=next]", "href").pop() {
                Some(next) => path = next,
                None => break,
            }
        }
        let total: usize = pages.iter().map(|(_, numbers)| numbers.len()).sum();
        let ranges: Vec<_> = pages.iter().map(|(range, _)| range[0].clone()).collect();
        let last = format!("101–{total} of {total}");
        assert_eq!(ranges, [format!("1–50 of {total}"), format!("51–100 of {total}"), last], "{sort}");
        for (range, numbers) in pages.iter().rev().skip(1) {
            path = actor.get(&path).await.attributes(".pager a[rel=prev]", "href").pop().unwrap();
            let page = actor.get(&path).await;
            assert_eq!((&page.all(".pager .range"), &page.all("tbody .number")), (range, numbers), "{sort} {path}");
        }
        let first = actor.get(&path).await;
        assert!(first.attributes(".pager a[rel=prev]", "href").is_empty(), "{path}");
    }
    // A place that someone typed is not repeated.
    let office = app.office().await;
    let next = office.get("/bols").await.attributes(".pager a[rel=next]", "href").remove(0);
    for row in ["0", "-1", "x", "99999999999999999999"] {
        let page = office.get(&next.replace("row=51", &format!("row={row}"))).await;
        assert_eq!((page.status, page.all(".pager .range").len()), (200, 0), "{row}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filtered_list_has_its_total_and_dates_to_choose() {
    let app = App::start().await;
    many(&app).await;
    let rival = app.rival().await;
    assert!(rival.get("/bols").await.all(".total").is_empty());
    // 40,000 lb and 20 lb more for each: 20.01 to 20.10 tons.
    let ten = rival.get("/bols?from=2024-01-01&to=2024-01-02&q=T-").await;
    let pounds: i64 = (1..=13).map(|n| 40_000 + n * 20).sum();
    assert_eq!(ten.one(".count"), "13 BOLs match");
    let tons = format!("{}.{:02} net tons, void BOLs left out", pounds / 2000, pounds % 2000 / 20);
    assert_eq!(ten.one(".total"), tons);
    app.sql("UPDATE bols SET voided_at = now(), void_reason = 'x' WHERE number = 'PRT-2024-0001'").await;
    let left = rival.get("/bols?from=2024-01-01&to=2024-01-02&q=T-").await.one(".total");
    assert!(left.starts_with(&format!("{}", (pounds - 40_020) / 2000)), "{left}");

    let page = rival.get("/bols?q=T-&sort=tons").await;
    assert_eq!(page.all(".presets a"), ["Today", "This week", "Last week", "This month", "Last month"]);
    for link in page.attributes(".presets a", "href") {
        assert!(link.starts_with("/bols?q=T-&from=2") && link.ends_with("&sort=tons"), "{link}");
        assert_eq!(rival.get(&link).await.attributes(".presets a[aria-current]", "href"), std::slice::from_ref(&link));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn search_finds_parts_of_words_in_every_field() {
    let app = App::start().await;
    many(&app).await;
    let acme = app.acme().await;
    for (text, field) in [
        ("2025-0001", "number"),
        ("po-sesame-1", "PO"),
        ("REL-SES", "release"),
        ("iron%20sesame", "product, two words"),
        ("arrier%20ses", "carrier"),
        ("truck-sesame-1", "truck"),
        ("trailer-ses", "trailer"),
        ("1%20Mill", "ship-to"),
        ("lot-ses", "lot"),
        ("abcd", "SCAC"),
    ] {
        let found = acme.get(&format!("/bols?q={text}")).await;
        assert!(found.all("tbody .number").contains(&World::ACME_BOL.to_owned()), "{field}");
    }
    let one = acme.get("/bols?q=TRUCK-sesame-1").await;
    assert_eq!(
        (one.one(".count"), one.attributes("#q", "value")),
        ("1 BOL matches".into(), vec!["TRUCK-sesame-1".into()])
    );
    let rival = app.rival().await;
    // Wildcards of LIKE are searched for literally.
    // One more has it in its chemistry.
    assert_eq!(rival.get("/bols?q=%25").await.one(".count"), "41 BOLs match");
    assert_eq!(rival.get("/bols?q=00%25").await.one(".count"), "40 BOLs match");
    assert_eq!(rival.get("/bols?q=rger_1").await.one(".count"), "40 BOLs match");
    assert_eq!(rival.get("/bols?q=%C3%84RGER").await.one(".count"), "40 BOLs match");
    assert_eq!(rival.get("/bols?q=T-7&sort=tons").await.one(".count"), "11 BOLs match");
    for nothing in ["sesame", "zz%00zz", "'", "%5C", "zzz", "%F0%9F%9A%9B"] {
        let page = rival.get(&format!("/bols?q={nothing}")).await;
        assert_eq!(page.status, 200, "{nothing}");
        assert_eq!(page.one("div.empty h2"), "No BOL matches.", "{nothing}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_narrow_and_stay_in_the_address() {
    let app = App::start().await;
    let (acme, office) = (app.acme().await, app.office().await);
    for (query, numbers) in [
        ("from=2025-03-02&to=2025-03-02", vec![World::ACME_VOID]),
        ("from=2025-03-03", vec![World::ACME_BARE]),
        ("kind=signed-bol", vec![World::ACME_BOL]),
        ("kind=invoice", vec![]),
        ("status=void", vec![World::ACME_VOID]),
        ("status=signed", vec![World::ACME_BOL]),
        ("status=unsigned", vec![World::ACME_BARE]),
        ("status=issued", vec![World::ACME_BARE, World::ACME_BOL]),
        ("status=unassigned", vec![]),
        ("q=sesame&kind=bol&status=void", vec![World::ACME_VOID]),
    ] {
        assert_eq!(acme.get(&format!("/bols?{query}")).await.all("tbody .number"), numbers, "{query}");
        let api = acme.get(&format!("/api/bols?{query}")).await.json();
        let from_api: Vec<_> =
            api["bols"].as_array().unwrap().iter().map(|bol| bol["number"].as_str().unwrap()).collect();
        assert_eq!(from_api, numbers, "{query}");
    }
    assert_eq!(office.get("/bols?status=unassigned").await.all("tbody .number"), [World::LOOSE_BOL]);
    let page = acme.get("/bols?q=sesame&from=2025-03-01&kind=bol").await;
    let sorted = page.attributes("th a", "href");
    assert!(
        sorted[0].contains("q=sesame") && sorted[0].contains("from=2025-03-01") && sorted[0].contains("sort=-number")
    );
    assert_eq!(page.attributes(".filters option[selected]", "value"), ["bol", ""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_get_a_message_and_keep_what_was_typed() {
    let app = App::start().await;
    let acme = app.acme().await;
    for query in [
        "from=yesterday",
        "to=2025-02-30",
        "from=2025-03-02&to=2025-03-01",
        "kind=photo",
        "status=lost",
        "sort=colour",
        "after=x",
        "after=e30",
        "from=99999-01-01",
    ] {
        let page = acme.get(&format!("/bols?q=kept&{query}")).await;
        assert_eq!((page.status, page.attributes("#q", "value")), (422, vec!["kept".into()]), "{query}");
        page.expect_summary(query);
        let (fields, messages) = (page.all(".error"), page.all("#problem li"));
        assert_eq!((messages.len(), page.all(".empty").len()), (1, 0), "{query}: {messages:?}");
        assert!(fields.iter().all(|field| messages[0].ends_with(field.as_str())), "{query}: {fields:?}");
        let api = acme.get(&format!("/api/bols?{query}")).await;
        assert_eq!((api.status, api.header("content-type")), (422, "application/problem+json"), "{query}");
        assert_ne!(api.json()["detail"], "");
    }
    let typed = acme.get("/bols?from=yesterday").await;
    assert_eq!(typed.attributes("input#from[type=text]", "value"), ["yesterday"]);
    assert_eq!(typed.attributes("#problem a", "href"), ["#from"]);
    // Invalid UTF-8, repeated and unknown parameters cause no 500.
    for query in ["q=%FF%FE", "q=a&q=b", "colour=red", "q", "%"] {
        assert!(acme.get(&format!("/bols?{query}")).await.status < 500, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_show_weights_and_marks() {
    let app = App::start().await;
    let list = app.acme().await.get("/bols").await;
    let first = list.one("tbody tr:last-child");
    assert!(first.contains("23.45 tons") && first.contains("46,900 lb") && first.contains("Signed"), "{first}");
    assert_eq!(list.all("tr.is-void .number"), [World::ACME_VOID]);
    let json = app.acme().await.get("/api/bols?q=2025-0001").await.json();
    let bol = &json["bols"][0];
    assert_eq!((bol["netTons"].as_str(), bol["netLb"].as_i64()), (Some("23.45"), Some(46_900)));
    assert_eq!(bol["date"], "2025-03-01");
    assert_eq!(json["next"], serde_json::Value::Null);
}
