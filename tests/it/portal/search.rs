//! The search box understands what is on the page: numbers as people write them, and names of fields.

use crate::support::{Actor, App, World};

/// Two loads of ACME and one of RIVAL.
async fn loads(app: &App) {
    let load = |seq: i32, customer: i64, truck: &str, po: &str| {
        format!(
            "INSERT INTO bols (number, number_year, number_seq, customer_id, customer_name, bol_date, product, net_lb, truck_number, \
             customer_po, chemistry, seal_numbers, driver_name, scale_ticket, ship_to) VALUES ('PRT-2026-{seq:04}', 2026, {seq}, \
             {customer}, 'x', '2026-01-02', 'Pig iron', 46060, '{truck}', '{po}', 'Si 1.{seq}', 'SEAL-{seq}', 'Jo Li {seq}', 'ST{seq}', 'Mill')"
        )
    };
    let (acme, rival) = (app.world.acme, app.world.rival);
    for sql in [load(128, acme, "460", "450088757"), load(129, acme, "12", "460"), load(130, rival, "460", "450088757")]
    {
        app.sql(&sql).await;
    }
}

async fn found(actor: &Actor, typed: &str) -> Vec<String> {
    let query = url::form_urlencoded::byte_serialize(typed.as_bytes()).collect::<String>();
    let page = actor.get(&format!("/bols?sort=number&q={query}")).await;
    assert_eq!(page.status, 200, "{typed}");
    // The API takes the same filter.
    let api = actor.get(&format!("/api/bols?sort=number&q={query}")).await.json();
    let numbers = page.all("tbody .number");
    let of_api: Vec<_> = api["bols"].as_array().unwrap().iter().map(|bol| bol["number"].as_str().unwrap()).collect();
    assert_eq!(numbers, of_api, "{typed}");
    numbers
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_and_fields_are_understood_as_people_write_them() {
    let app = App::start().await;
    loads(&app).await;
    let acme = app.acme().await;
    let (first, second) = ("PRT-2026-0128", "PRT-2026-0129");
    for (typed, expected) in [
        ("truck 460", vec![first]),
        ("460", vec![first, second]),
        ("PO 460", vec![second]),
        ("PO 450088757", vec![first]),
        ("PRT20260128", vec![first]),
        ("26-128", vec![first]),
        ("PRT 2026 0128", vec![first]),
        ("PRT\u{2013}2026\u{2011}0129", vec![second]),
        ("PRT-2026-0128\nPRT-2026-0129", vec![first, second]),
        ("PRT-2026-0128, PRT-2026-0129 truck 12", vec![second]),
        ("chemistry 1.128", vec![first]),
        ("seal 129", vec![second]),
        ("driver Jo", vec![first, second]),
        ("\"Jo Li 129\"", vec![second]),
        ("ticket ST128", vec![first]),
        ("ST129", vec![second]),
        ("SEAL-128", vec![first]),
        // Another company's BOL stays unknown, however it is written.
        ("PRT-2026-0130", vec![]),
        ("26-130", vec![]),
        ("PRT-2026-0130 PRT-2026-0129", vec![second]),
        ("truck %", vec![]),
        ("truck 460 truck 12", vec![]),
    ] {
        assert_eq!(found(&acme, typed).await, expected, "{typed}");
    }
    assert_eq!(found(&app.office().await, "truck 460").await, [first, "PRT-2026-0130"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_understood_is_shown_and_can_be_taken_away() {
    let app = App::start().await;
    loads(&app).await;
    let acme = app.acme().await;
    let page = acme.get("/bols?q=truck+460+PO+4500&from=2026-01-01").await;
    let shown: Vec<String> = page.all(".terms li").iter().map(|term| term.replace(" Remove", "")).collect();
    assert_eq!(shown, ["Truck contains 460", "PO contains 4500"]);
    let links = page.attributes(".terms a", "href");
    assert_eq!(links, ["/bols?q=PO+4500&from=2026-01-01", "/bols?q=truck+460&from=2026-01-01"]);
    let named = page.attributes(".terms a", "aria-label");
    assert_eq!(named[0], "Remove from the search: Truck contains 460");
    assert_eq!(acme.get("/bols?q=truck+460").await.attributes(".terms a", "href"), ["/bols"]);
    // Words that mean what they say need no explanation.
    for plain in ["460+pig", World::ACME_BOL] {
        assert!(acme.get(&format!("/bols?q={plain}")).await.all(".terms li").is_empty(), "{plain}");
    }
    let mixed = acme.get("/bols?q=pig+truck+460").await.all(".terms li");
    assert_eq!(mixed, ["Any field contains pig Remove", "Truck contains 460 Remove"]);
    // What was typed stays in the box as it was.
    let typed = acme.get("/bols?q=Truck%3A+460").await;
    assert_eq!(typed.attributes("#q", "value"), ["Truck: 460"]);
    assert_eq!(
        app.rival().await.get(&format!("/bols?q={}", World::ACME_BOL)).await.one("div.empty h2"),
        "No BOL matches."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn days_and_marks_are_understood_too() {
    let app = App::start().await;
    let today = app.clock.now().with_timezone(&chrono_tz::America::New_York).date_naive();
    let last_month = chrono::Datelike::with_day(&today, 1).unwrap() - chrono::Days::new(1);
    app.sql(&format!("UPDATE bols SET bol_date = '{last_month}' WHERE number IN ('PRT-2025-0001', 'PRT-2025-0005')"))
        .await;
    let acme = app.acme().await;
    assert_eq!(found(&acme, "last month").await, ["PRT-2025-0001", "PRT-2025-0005"]);
    assert_eq!(found(&acme, "signed last month po-ses").await, ["PRT-2025-0001"]);
    assert_eq!(found(&acme, "void").await, ["PRT-2025-0002"]);
    assert!(found(&acme, "today").await.is_empty() && found(&acme, "\"last month\"").await.is_empty());
    let page = acme.get("/bols?q=signed+last+month").await;
    assert_eq!(page.attributes("#documents option[selected]", "value"), ["signed-bol"]);
    let zip = acme.get(&page.attributes(".pagehead .actions a", "href")[0]).await.unzipped();
    assert!(zip.contains_key("PRT-2025-0001-signed-bol.pdf"), "{:?}", zip.keys());
    // What is chosen beside the text narrows it further.
    let page = acme.get(&format!("/bols?q=last+month&from={today}")).await;
    assert!(page.all("tbody .number").is_empty());
}
