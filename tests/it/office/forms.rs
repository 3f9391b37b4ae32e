//! Forms in Chromium: what was typed survives, nothing happens by surprise, and errors lead back.

use fantoccini::Locator;
use fantoccini::key::Key;

use crate::support::{Action, App, Browser, Load, PASSWORD, World};

const TAB: char = '\u{e004}';

async fn value(browser: &Browser, id: &str) -> String {
    let script = format!("return document.getElementById('{id}').value");
    browser.execute(&script, vec![]).await.unwrap().as_str().unwrap().to_owned()
}

async fn focused(browser: &Browser) -> String {
    let script = "return document.activeElement.id || document.activeElement.tagName";
    browser.execute(script, vec![]).await.unwrap().as_str().unwrap().to_owned()
}

async fn title(browser: &Browser) -> String {
    browser.execute("return document.title", vec![]).await.unwrap().as_str().unwrap().to_owned()
}

/// Presses keys where the focus is.
async fn press(browser: &Browser, keys: &str) {
    browser.active_element().await.unwrap().send_keys(keys).await.unwrap();
}

async fn log_in_here(browser: &Browser) {
    browser.type_into("#email", World::OFFICE).await;
    browser.type_into("#password", PASSWORD).await;
    browser.click(".login button[type=submit]").await;
}

async fn form_for_acme(app: &App) -> Browser {
    app.save_terminal_address().await;
    let browser = Browser::start(1280, 900).await;
    browser.log_in(&app.url, World::OFFICE, PASSWORD).await;
    browser.open(&format!("{}/office/bols/new", app.url)).await;
    browser
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_while_a_bol_is_typed_loses_nothing() {
    let app = App::start().await;
    Load::today(&app).await.with("trailer_number", "DT-1");
    let browser = form_for_acme(&app).await;
    browser.type_into("#customer", &format!("Acme{TAB}")).await;
    browser.text_with("Filled in").await;
    browser.type_into("#truck_number", "4417").await;
    for (field, text) in [("#gross_lb", "79,480"), ("#tare_lb", "33,420"), ("#ship_to", "\nGate 4")] {
        browser.type_into(field, text).await;
    }
    app.sql("DELETE FROM sessions").await;
    browser.click("button[name=confirm]").await;
    let text = browser.text_with("Your session has ended").await;
    assert!(text.contains("what you typed is kept"), "{text}");
    log_in_here(&browser).await;
    browser.text_with("Not issued yet. Your session had ended.").await;
    assert!(title(&browser).await.starts_with("Not issued yet: New BOL"));
    assert_eq!(
        (value(&browser, "gross_lb").await, value(&browser, "truck_number").await),
        ("79,480".into(), "4417".into())
    );
    assert!(value(&browser, "ship_to").await.ends_with("\nGate 4"));
    assert_eq!(app.count("bols").await, 5, "nothing is issued before the button is pressed");
    // What the address bar says can be opened: it leads to an empty form, which offers the draft of this tab.
    browser.click("button[name=confirm]").await;
    browser.text_with("the customer sees this BOL from now on").await;
    assert_eq!(app.events().await.only(Action::BolCreated).len(), 1);
    browser.open(&format!("{}/office/bols?draft=session", app.url)).await;
    browser.text_with("New bill of lading").await;
    assert_eq!(browser.current_url().await.unwrap().path(), "/office/bols/new");
    browser.close().await;
}

/// WCAG 2.2, 3.2.2: an arrow key in the select changes nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn choosing_a_customer_neither_navigates_nor_overwrites() {
    let app = App::start().await;
    let browser = form_for_acme(&app).await;
    browser.execute("window.isSamePage = true", vec![]).await.unwrap();
    assert_eq!(focused(&browser).await, "customer", "the first field");
    for _ in 0..2 {
        press(&browser, &char::from(Key::Down).to_string()).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!((value(&browser, "product").await, focused(&browser).await), (String::new(), "customer".into()));
    browser.type_into("#driver_name", "A. Driver").await;
    browser.type_into("#customer", "Acme").await;
    press(&browser, &TAB.to_string()).await;
    browser.text_with("from PRT-2025-0005").await;
    let text = browser.text_with("Check what is marked.").await;
    assert!(text.contains("Is this release still open?") && text.contains("Is this load from the same lot?"), "{text}");
    assert_eq!(focused(&browser).await, "bol_date", "where the user is");
    assert_eq!(value(&browser, "driver_name").await, "A. Driver", "what was typed stays");
    assert!(!value(&browser, "release_number").await.is_empty());
    // Another customer takes back what was copied, by the button, which keeps the focus.
    browser.type_into("#lot", "7").await;
    browser.execute("document.getElementById('customer').value = 'RIVAL'", vec![]).await.unwrap();
    browser.click("#fill").await;
    browser.text_with("from PRT-2025-0003").await;
    assert_eq!((focused(&browser).await, value(&browser, "customer_po").await), ("fill".into(), "PO-radish-3".into()));
    assert!(value(&browser, "lot").await.ends_with('7'), "typed into");
    // Enter in a field issues nothing, and copies nothing.
    browser.type_into("#driver_name", "\n").await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let same = browser.execute("return window.isSamePage === true", vec![]).await.unwrap();
    assert_eq!((same.as_bool(), app.count("bols").await), (Some(true), 5));
    browser.close().await;
}

/// Without the script the button loads the page again, with the focus where it was.
#[tokio::test(flavor = "multi_thread")]
async fn the_button_copies_without_a_script() {
    let app = App::start().await;
    app.save_terminal_address().await;
    let office = app.office().await;
    let page = office.get("/office/bols/new?key=x&customer=ACME&lot=mine").await;
    assert_eq!(page.attributes("[autofocus]", "id"), ["fill"]);
    assert!(page.one("#copied").starts_with("Filled in "), "{}", page.one("#copied"));
    assert_eq!(page.attributes("#lot", "value"), ["mine"]);
    assert_eq!(page.attributes("#release_number", "aria-describedby"), ["release_number-copied"]);
    assert!(page.one("#release_number-copied").starts_with("From PRT-2025-0005."));
    assert!(page.all("#lot-copied").is_empty(), "it was not copied");
    assert_eq!(office.get("/office/bols/new").await.one("#copied"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bol_is_issued_by_keyboard_with_thirty_tabs_at_most() {
    let app = App::start().await;
    let browser = form_for_acme(&app).await;
    press(&browser, "Acme").await;
    let mut tabs = 0;
    let typed = [("truck_number", "4417"), ("gross_lb", "79,480"), ("tare_lb", "33,420"), ("trailer_number", "DT-7")];
    let mut visited = Vec::new();
    loop {
        press(&browser, &TAB.to_string()).await;
        tabs += 1;
        if tabs == 1 {
            browser.text_with("Filled in").await;
        }
        let here = focused(&browser).await;
        if let Some((_, text)) = typed.iter().find(|(name, _)| *name == here) {
            press(&browser, text).await;
        }
        let script = "return document.activeElement.name === 'confirm'";
        if browser.execute(script, vec![]).await.unwrap().as_bool() == Some(true) {
            break;
        }
        assert!(tabs < 60, "{visited:?}");
        visited.push(here);
    }
    println!("{tabs} tabs: {visited:?}");
    assert!(tabs <= 30, "{tabs} tabs: {visited:?}");
    press(&browser, &char::from(Key::Enter).to_string()).await;
    browser.text_with("the customer sees this BOL from now on").await;
    browser.close().await;
}

/// A lost connection or a page closed by mistake. The draft belongs to its user, and an issued BOL or a logout removes it.
#[tokio::test(flavor = "multi_thread")]
async fn a_draft_in_the_tab_survives_the_page() {
    let app = App::start().await;
    let browser = form_for_acme(&app).await;
    let new = format!("{}/office/bols/new", app.url);
    browser.type_into("#driver_name", "Terrence Oyelaran").await;
    browser
        .execute(
            "window.onbeforeunload = null; document.getElementById('bolform').dispatchEvent(new Event('submit'))",
            vec![],
        )
        .await
        .unwrap();
    browser.open(&new).await;
    browser.text_with("was not issued from this page").await;
    assert_eq!(value(&browser, "driver_name").await, "", "offered, not done");
    browser.find(Locator::XPath("//button[.='Restore what you typed']")).await.unwrap().click().await.unwrap();
    assert_eq!(value(&browser, "driver_name").await, "Terrence Oyelaran");
    let kept = "return sessionStorage.length";
    browser.click(".logout button").await;
    browser.text_with("You have been logged out.").await;
    let count = async || browser.execute(kept, vec![]).await.unwrap().as_i64().unwrap();
    for _ in 0..50 {
        if count().await == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(count().await, 0);
    browser.close().await;
}

/// Each refused form: the title, the summary with the focus, its link, and the field in sight.
#[tokio::test(flavor = "multi_thread")]
async fn errors_lead_to_their_fields() {
    let app = App::start().await;
    app.sql(
        "INSERT INTO products (name) SELECT 'Product ' || n FROM generate_series(1, 30) n;
         INSERT INTO lots (id, number) SELECT n, 'L-' || n FROM generate_series(1, 60) n;
         INSERT INTO carriers (id, name) SELECT n, 'Carrier ' || n FROM generate_series(1, 30) n;
         INSERT INTO trucks (id, carrier_id, truck_number) VALUES (1, 1, 'T-1')",
    )
    .await;
    let browser = Browser::start(1280, 900).await;
    browser.log_in(&app.url, World::ADMIN, PASSWORD).await;
    for (page, action, name, text) in [
        ("/office/products", "/office/lots", "chemistry", "C 4%\u{202e}"),
        ("/office/products?edit=lot-30", "/office/lots/30", "number", ""),
        ("/office/carriers?edit=carrier-20", "/office/carriers/20", "scac", "1"),
        ("/office/carriers?edit=truck-1", "/office/trucks/1", "truck_number", ""),
        ("/office/settings", "/office/settings/security", "security_contact", "call us"),
        ("/office/settings", "/office/settings/days", "unsigned_days", "x"),
        ("/office/settings", "/office/settings/unusual", "night_until", "x"),
        ("/office/storage", "/office/storage/prices", "egress_gb", "x"),
        ("/office/customers", "/office/customers", "code", "a b"),
        ("/office/customers/ACME", "/office/customers/ACME/ship-tos", "ship_to", "\u{202e}"),
        ("/office/customers/ACME", "/office/customers/ACME/addresses", "address_email", "x"),
        ("/office/users", "/office/users", "email", "x"),
        ("/account", "/account/password", "new_password", "short"),
    ] {
        browser.open(&format!("{}{page}", app.url)).await;
        let fill = "const form = document.querySelector(`form[action='${arguments[0]}']`);
            for (const field of form.elements) if (field.required && !field.value) field.value = 'x@y.example';
            form.elements.namedItem(arguments[1]).value = arguments[2]; form.submit()";
        browser.execute(fill, vec![action.into(), name.into(), text.into()]).await.unwrap();
        browser.wait().for_element(Locator::Css("#problem")).await.unwrap();
        assert!(title(&browser).await.starts_with("Error: "), "{action}: {}", title(&browser).await);
        assert_eq!(focused(&browser).await, "problem", "{action}");
        let in_sight = "const box = document.querySelector('[aria-invalid=true]').getBoundingClientRect();
            return box.top >= 0 && box.bottom <= innerHeight && box.height > 0";
        assert_eq!(browser.execute(in_sight, vec![]).await.unwrap().as_bool(), Some(true), "{action}");
        browser.click("#problem a").await;
        let marked = "return document.activeElement.getAttribute('aria-invalid')";
        assert_eq!(browser.execute(marked, vec![]).await.unwrap().as_str(), Some("true"), "{action}");
        let url = browser.current_url().await.unwrap();
        browser.open(url.as_str()).await;
        browser.wait().for_element(Locator::Css(".logout")).await.unwrap();
        assert!(!browser.source().await.unwrap().contains("Error 405"), "{action}");
    }
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_typed_password_can_be_shown() {
    let app = App::start().await;
    let browser = Browser::start(500, 800).await;
    browser.open(&format!("{}/login", app.url)).await;
    browser.type_into("#password", PASSWORD).await;
    let kind = async || browser.execute("return document.getElementById('password').type", vec![]).await.unwrap();
    let pressed = async || {
        let button = browser.find(Locator::Css(".show-password")).await.unwrap();
        button.attr("aria-pressed").await.unwrap().unwrap()
    };
    assert_eq!((kind().await.as_str(), pressed().await), (Some("password"), "false".into()));
    browser.click(".show-password").await;
    assert_eq!((kind().await.as_str(), pressed().await), (Some("text"), "true".into()));
    browser.type_into("#email", World::ACME).await;
    browser.click(".login button[type=submit]").await;
    browser.wait().for_element(Locator::Css(".logout")).await.unwrap();
    assert!(app.stranger().get("/login").await.all(".show-password").is_empty(), "none without the script");
    let rule = app.acme().await.get("/account").await.one("#new-hint");
    assert!(rule.contains("common and leaked") && rule.contains("your name, email address or company"), "{rule}");
    browser.close().await;
}
