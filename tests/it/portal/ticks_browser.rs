//! Ticking rows in a real browser: the count, ranges, and ticks that survive searches and pages.

use std::io::Cursor;

use fantoccini::Locator;
use fantoccini::actions::{InputSource, KeyAction, KeyActions, MouseActions, PointerAction};

use crate::support::{App, Browser, PASSWORD, World};

/// Sixty loads of ACME, each with 40,000 lb and 20 lb more than the one before.
async fn loads(app: &App) {
    app.sql(&format!(
        "INSERT INTO bols (number, number_year, number_seq, customer_id, customer_name, bol_date, product, net_lb, truck_number)
         SELECT 'PRT-2026-' || lpad(n::text, 4, '0'), 2026, n, {}, 'Acme Steel', date '2026-01-01' + n, 'Basic pig iron',
                40000 + n * 20, 'T-' || n
         FROM generate_series(1, 60) n",
        app.world.acme
    ))
    .await;
}

async fn tick(browser: &Browser, number: &str) {
    let selector = format!("input[value={number}]");
    // Out from under the bar.
    let scroll = format!("document.querySelector('{selector}').scrollIntoView({{block: 'center'}})");
    browser.execute(&scroll, vec![]).await.unwrap();
    browser.click(&selector).await;
}

async fn sum(browser: &Browser) -> String {
    browser.find(Locator::Css(".tickbar .sum")).await.unwrap().text().await.unwrap()
}

async fn click_with_shift(browser: &Browser, number: &str) {
    let tickbox = browser.find(Locator::Css(&format!("input[value={number}]"))).await.unwrap();
    let press = KeyActions::new("keys".into()).then(KeyAction::Down { value: '\u{e008}' });
    browser.perform_actions(press).await.unwrap();
    let mouse = MouseActions::new("mouse".into())
        .then(PointerAction::MoveToElement { element: tickbox, duration: None, x: 0., y: 0. })
        .then(PointerAction::Down { button: 0 })
        .then(PointerAction::Up { button: 0 });
    browser.perform_actions(mouse).await.unwrap();
    browser.release_actions().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn ticks_survive_a_search_and_the_next_page_and_all_of_them_are_downloaded() {
    let app = App::start().await;
    loads(&app).await;
    let browser = Browser::start(1280, 900).await;
    browser.log_in(&app.url, World::ACME, PASSWORD).await;
    browser.open(&format!("{}/bols", app.url)).await;
    assert_eq!(sum(&browser).await, "", "nothing ticked, nothing in sight");
    tick(&browser, "PRT-2026-0060").await;
    assert_eq!(sum(&browser).await, "1 BOL · 20.60 net tons");
    browser.click(".pager a[rel=next]").await;
    browser.text_with("51–").await;
    assert_eq!(sum(&browser).await, "1 BOL · 20.60 net tons · 1 not on this page");
    tick(&browser, World::ACME_BOL).await;
    browser.open(&format!("{}/bols?q=2025-0002", app.url)).await;
    tick(&browser, World::ACME_VOID).await;
    // A void BOL has no tons.
    assert_eq!(sum(&browser).await, "3 BOLs · 44.05 net tons · 2 not on this page");
    browser.click(".tickbar .primary").await;
    let name = format!("bols-{}.zip", app.rows("SELECT (now() AT TIME ZONE 'America/New_York')::date").await[0]);
    let mut zip = zip::ZipArchive::new(Cursor::new(browser.downloaded(&name).await)).unwrap();
    let mut names: Vec<String> =
        (0..zip.len()).map(|at| zip.by_index(at).unwrap().name().unwrap().into_owned()).collect();
    names.sort_unstable();
    assert_eq!(names, ["PRT-2025-0001.pdf", "PRT-2025-0002.pdf", "SHA256SUMS", "index.csv"]);
    // The BOL without a PDF is in the index.
    let index = std::io::read_to_string(zip.by_name("index.csv").unwrap()).unwrap();
    assert!(index.contains("PRT-2026-0060"), "{index}");
    browser.click("button[data-clear]").await;
    browser.open(&format!("{}/bols", app.url)).await;
    assert_eq!(sum(&browser).await, "");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_ticked_by_range_by_page_and_by_key() {
    let app = App::start().await;
    loads(&app).await;
    let browser = Browser::start(1280, 1400).await;
    browser.log_in(&app.url, World::ACME, PASSWORD).await;
    browser.open(&format!("{}/bols?q=2026", app.url)).await;
    tick(&browser, "PRT-2026-0060").await;
    click_with_shift(&browser, "PRT-2026-0056").await;
    assert!(sum(&browser).await.starts_with("5 BOLs · "), "{}", sum(&browser).await);
    browser.click("th.tick input").await;
    assert!(sum(&browser).await.starts_with("50 BOLs · "), "{}", sum(&browser).await);
    browser.click("input[name=all]").await;
    // 60 × 40,000 lb and 20 lb × 1,830.
    assert_eq!(sum(&browser).await, "all 60 BOLs · 1,218.30 net tons");
    browser.click("input[name=all]").await;
    browser.click("th.tick input").await;
    assert_eq!(sum(&browser).await, "");
    browser.find(Locator::Css("input[value=PRT-2026-0059]")).await.unwrap().send_keys(" ").await.unwrap();
    assert_eq!(sum(&browser).await, "1 BOL · 20.59 net tons");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_office_assigns_what_is_ticked_on_two_pages() {
    let app = App::start().await;
    loads(&app).await;
    let browser = Browser::start(1280, 900).await;
    browser.log_in(&app.url, World::OFFICE, PASSWORD).await;
    browser.open(&format!("{}/bols", app.url)).await;
    tick(&browser, "PRT-2026-0060").await;
    browser.open(&format!("{}/bols?q=2025-0004", app.url)).await;
    tick(&browser, World::LOOSE_BOL).await;
    browser.click("[popovertarget=assign-to]").await;
    browser.click("#assign-to button[value=RIVAL]").await;
    let text = browser.text_with("Assign 2 bills of lading to Rival Iron?").await;
    assert!(text.contains("PRT-2026-0060") && text.contains(World::LOOSE_BOL), "{text}");
    browser.click("form.finish .primary").await;
    browser.text_with("Assigned.").await;
    assert_eq!(sum(&browser).await, "", "the ticks are used");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_phone_the_first_row_is_above_the_fold_and_rows_are_low() {
    let app = App::start().await;
    loads(&app).await;
    let browser = Browser::start(360, 740).await;
    for (email, path) in [(World::ACME, "/bols"), (World::BROKER, "/bols"), (World::OFFICE, "/bols?q=2026")] {
        browser.log_in(&app.url, email, PASSWORD).await;
        browser.open(&format!("{}{path}", app.url)).await;
        let measure = "const rows = [...document.querySelectorAll('tbody tr')].map(row => row.getBoundingClientRect()); \
                       return [rows[0].bottom, innerHeight, Math.max(...rows.map(row => row.height)), \
                       document.documentElement.scrollWidth - innerWidth]";
        let found: Vec<f64> = serde_json::from_value(browser.execute(measure, vec![]).await.unwrap()).unwrap();
        assert!(found[0] < found[1], "{email}: the first row ends at {} of {}", found[0], found[1]);
        assert!(found[2] <= 110., "{email}: a row of {}", found[2]);
        assert!(found[3] <= 0., "{email}: wider than the screen by {}", found[3]);
        browser.delete_all_cookies().await.unwrap();
    }
    browser.close().await;
}
