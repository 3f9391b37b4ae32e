//! The tasks of a day, counted in Chromium after the login: clicks, taps and keys besides what is typed.

use std::io::Cursor;

use fantoccini::Locator;
use fantoccini::key::Key;

use crate::support::{App, Browser, Look, PASSWORD, World};

/// Counts what a person does.
struct Person {
    browser: Browser,
    steps: usize,
}

impl Person {
    async fn at(app: &App, email: &str, look: Look, path: &str) -> Self {
        let browser = Browser::start(1280, 1400).await;
        browser.log_in(&app.url, email, PASSWORD).await;
        browser.look(look).await;
        browser.open(&format!("{}{path}", app.url)).await;
        Self { browser, steps: 0 }
    }

    async fn click(&mut self, selector: &str) {
        self.steps += 1;
        // Out from under the bar at the bottom.
        let scroll = format!("document.querySelector(`{selector}`).scrollIntoView({{block: 'center'}})");
        self.browser.execute(&scroll, vec![]).await.unwrap();
        self.browser.click(selector).await;
    }

    async fn press(&mut self, key: Key) {
        self.steps += 1;
        self.browser.active_element().await.unwrap().send_keys(&char::from(key).to_string()).await.unwrap();
    }

    /// Presses Tab until the element has the focus.
    async fn tab_to(&mut self, selector: &str) {
        for _ in 0..60 {
            let script = format!("return document.activeElement.matches(`{selector}`)");
            if self.browser.execute(&script, vec![]).await.unwrap() == true {
                return;
            }
            self.press(Key::Tab).await;
        }
        panic!("60 Tabs don't reach {selector}");
    }
}

/// Twenty loads of ACME last month, the even ones signed, all of one PO, and ten of nobody.
async fn loads(app: &App) {
    let today = app.clock.now().with_timezone(&chrono_tz::America::New_York).date_naive();
    let last_month = chrono::Datelike::with_day(&today, 1).unwrap() - chrono::Months::new(1);
    app.sql(&format!(
        "INSERT INTO bols (number, number_year, number_seq, customer_id, customer_name, bol_date, product, net_lb, truck_number,
                           customer_po, document_kinds)
         SELECT 'PRT-2026-' || lpad(n::text, 4, '0'), 2026, n, CASE WHEN n <= 20 THEN {} END, 'Acme Steel',
                date '{last_month}' + n / 2, 'Basic pig iron', 40000, (450 + n)::text, '450088757',
                CASE n % 2 WHEN 0 THEN '{{signed-bol}}'::text[] ELSE '{{}}' END
         FROM generate_series(1, 30) n",
        app.world.acme
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twelve_chosen_bols_come_home_with_twelve_ticks_and_a_click() {
    let app = App::start().await;
    loads(&app).await;
    for look in [Look::Wide, Look::Phone] {
        let mut person = Person::at(&app, World::ACME, look, "/bols").await;
        for n in [1, 2, 3, 5, 7, 8, 9, 12, 14, 17, 18, 20] {
            person.click(&format!("input[value=PRT-2026-{n:04}]")).await;
        }
        person.click(".tickbar .primary").await;
        let name = format!("bols-{}.zip", app.rows("SELECT (now() AT TIME ZONE 'America/New_York')::date").await[0]);
        let mut zip = zip::ZipArchive::new(Cursor::new(person.browser.downloaded(&name).await)).unwrap();
        let index = std::io::read_to_string(zip.by_name("index.csv").unwrap()).unwrap();
        // These loads have no PDF, which the index says of each.
        let named = index.lines().filter(|line| line.starts_with("PRT-2026-")).count();
        assert_eq!((named, person.steps), (12, 13), "{index}");
        person.browser.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_copies_of_a_po_of_last_month_take_few_keys() {
    let app = App::start().await;
    loads(&app).await;
    let mut person = Person::at(&app, World::ACME, Look::Wide, "/bols").await;
    // The link that skips the navigation.
    person.press(Key::Tab).await;
    person.press(Key::Enter).await;
    person.tab_to("#q").await;
    person.browser.active_element().await.unwrap().send_keys("PO 450088757 signed last month").await.unwrap();
    person.press(Key::Enter).await;
    let text = person.browser.text_with("200.00 net tons").await;
    assert!(text.contains("10 BOLs match") && text.contains("Date is last month"), "{text}");
    assert!(person.steps <= 12, "{} keys", person.steps);
    person.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn truck_460_and_what_is_new_take_few_taps() {
    let app = App::start().await;
    loads(&app).await;
    let mut person = Person::at(&app, World::ACME, Look::Phone, "/bols").await;
    person.click("#q").await;
    person.browser.type_into("#q", "truck 460").await;
    person.click(".filters .actions button").await;
    person.browser.text_with("1 BOL matches").await;
    person.click(".ledger .number").await;
    person.browser.text_with("Truck").await;
    assert!(person.steps <= 6, "{} taps", person.steps);

    app.sql("UPDATE users SET read_until = now() - interval '1 day'").await;
    person.browser.open(&format!("{}/bols", app.url)).await;
    person.steps = 0;
    person.click(".views a:not([aria-current])").await;
    person.browser.find(Locator::Css(".views [aria-current][href*='new=1']")).await.unwrap();
    assert_eq!(person.steps, 1);
    person.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_bols_are_assigned_with_thirteen_clicks() {
    let app = App::start().await;
    loads(&app).await;
    let mut person = Person::at(&app, World::OFFICE, Look::Wide, "/bols?status=unassigned").await;
    for n in 21..=30 {
        person.click(&format!("input[value=PRT-2026-{n:04}]")).await;
    }
    person.click("[popovertarget=assign-to]").await;
    person.click("#assign-to button[value=RIVAL]").await;
    person.browser.text_with("Assign 10 bills of lading to Rival Iron?").await;
    person.click("form.finish .primary").await;
    person.browser.text_with("Assigned.").await;
    assert_eq!((person.steps, app.count("bols WHERE number LIKE 'PRT-2026-%' AND customer_id IS NULL").await), (13, 0));
    person.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_sees_who_downloaded_a_bol_in_one_load() {
    let app = App::start().await;
    let acme = app.acme().await;
    acme.get(&format!("/bols/{}", World::ACME_BOL)).await;
    acme.get(&format!("/bols/{}/download", World::ACME_BOL)).await;
    let mut person = Person::at(&app, World::AUDITOR, Look::Wide, "/bols?q=2025-0001").await;
    person.click(".ledger td.get a").await;
    let text = person.browser.text_with(World::ACME).await;
    assert!(text.contains("Download link issued") && text.contains("127.0.0.1"), "{text}");
    assert!(!text.contains("BOL viewed"), "only downloads are in sight: {text}");
    assert_eq!(person.steps, 1);
    person.browser.close().await;
}
