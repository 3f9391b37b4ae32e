//! The navigation: one menu on a phone, a row with the menu "Manage" in a wide window.

use fantoccini::Locator;
use fantoccini::key::Key;
use serde_json::{Value, json};

use crate::support::{App, Browser, Load, Look, PASSWORD, World};

async fn ask(browser: &Browser, expression: &str) -> Value {
    browser.execute(&format!("return {expression}"), vec![]).await.unwrap()
}

async fn press(browser: &Browser, key: Key) {
    browser.active_element().await.unwrap().send_keys(&char::from(key).to_string()).await.unwrap();
}

/// Whether a link of the navigation can be seen.
async fn shows(browser: &Browser, href: &str) -> bool {
    let link = browser.find(Locator::Css(&format!(".mainnav a[href='{href}']"))).await.unwrap();
    link.is_displayed().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_phone_everything_is_in_one_low_menu() {
    let app = App::start().await;
    let browser = Browser::start(1280, 900).await;
    browser.log_in(&app.url, World::ADMIN, PASSWORD).await;
    browser.look(Look::Phone).await;
    browser.open(&format!("{}/office/users", app.url)).await;
    let height = ask(&browser, "document.querySelector('.masthead').offsetHeight").await;
    assert!(height.as_u64().unwrap() <= 60, "{height} px");
    let account = ask(
        &browser,
        "[document.querySelector('.who-account')].map(a => [a.innerText, a.scrollWidth <= a.clientWidth])[0]",
    );
    assert_eq!(account.await, json!(["Account", true]));
    assert!(!shows(&browser, "/office").await);
    // With the keyboard, and the focus returns.
    browser.execute("document.querySelector('.menu-button').focus()", vec![]).await.unwrap();
    press(&browser, Key::Enter).await;
    for href in ["/office", "/bols", "/audit"] {
        assert!(shows(&browser, href).await, "{href}");
    }
    let current =
        ask(&browser, "[...document.querySelectorAll('.mainnav [aria-current=page]')].map(a => a.innerText)").await;
    assert_eq!(current, json!(["Users"]), "the entries of Manage stand open in the menu");
    let top = "document.querySelector('.menu').getBoundingClientRect().top >= document.querySelector('.masthead').clientHeight - 4";
    assert_eq!(ask(&browser, top).await, json!(true), "the menu leaves its button in sight");
    press(&browser, Key::Escape).await;
    assert!(!shows(&browser, "/office").await);
    assert_eq!(ask(&browser, "document.activeElement.className").await, json!("menu-button"));
    // A touch opens it, and another one beside it closes it.
    browser.click(".menu-button").await;
    assert!(shows(&browser, "/office/inbox").await);
    browser.click(".foot").await;
    assert!(!shows(&browser, "/office/inbox").await);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_wide_window_rare_pages_are_below_manage() {
    let app = App::start().await;
    let browser = Browser::start(1280, 900).await;
    browser.log_in(&app.url, World::ADMIN, PASSWORD).await;
    browser.open(&format!("{}/office", app.url)).await;
    let entries = ask(
        &browser,
        "[...document.querySelectorAll('.mainnav > ul > li > :first-child')].map(e => e.innerText.trim())",
    );
    let expected = ["Today", "Bills of lading", "New BOL", "Upload", "Inbox", "Access log", "Manage"];
    assert_eq!(entries.await, json!(expected));
    assert!(shows(&browser, "/office/inbox").await && !shows(&browser, "/office/users").await);
    browser.execute("document.querySelector('.group summary').focus()", vec![]).await.unwrap();
    press(&browser, Key::Enter).await;
    assert!(shows(&browser, "/office/users").await);
    press(&browser, Key::Escape).await;
    assert!(!shows(&browser, "/office/users").await);
    assert_eq!(ask(&browser, "document.activeElement.innerText").await, json!("Manage"));
    // It closes when the focus leaves it, and on a click beside it.
    press(&browser, Key::Enter).await;
    browser.execute("document.querySelector('.who-account').focus()", vec![]).await.unwrap();
    assert!(!shows(&browser, "/office/users").await);
    browser.click(".group summary").await;
    browser.click("h1").await;
    assert!(!shows(&browser, "/office/users").await);
    browser.click(".group summary").await;
    browser.click(".group a[href='/office/storage']").await;
    browser.text_with("Prices").await;
    browser.close().await;
}

/// What was typed into a form is there again after Back.
#[tokio::test(flavor = "multi_thread")]
async fn back_from_a_refused_form_shows_what_was_typed() {
    let app = App::ready_to_issue().await;
    Load::today(&app).await.issue(&app.office().await).await;
    let browser = Browser::start(1280, 900).await;
    browser.log_in(&app.url, World::OFFICE, PASSWORD).await;
    browser.open(&format!("{}/office/bols/new", app.url)).await;
    browser.type_into("#driver_name", "Terrence Oyelaran").await;
    browser.click("button[name=confirm]").await;
    browser.text_with("Not issued").await;
    browser.back().await.unwrap();
    browser.text_with("New bill of lading").await;
    let typed = ask(&browser, "[location.pathname, document.getElementById('driver_name').value]").await;
    assert_eq!(typed, json!(["/office/bols/new", "Terrence Oyelaran"]));
    browser.close().await;
}
