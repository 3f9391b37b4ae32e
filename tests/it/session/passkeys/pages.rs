//! The pages with a passkey's button, by the rules of axe: wide and narrow, in light, dark and forced colors.
//!
//! The other tests of pages use an address without passkeys.

use serde_json::{Value, json};

use super::browser::{BUTTON, add, chromium};
use super::{origin, portal};
use crate::support::{Browser, Look, PASSWORD, World};

/// Where `scripts/need axe` puts the rules.
const AXE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/axe-core/4.14.1/axe.min.js");

const MAX_SHIFT: f64 = 0.01;

async fn examiner() -> Browser {
    let browser = chromium(1280).await;
    browser.run_on_every_page(&std::fs::read_to_string(AXE).unwrap()).await;
    browser.run_on_every_page(include_str!("../../house/pages/checks.js")).await;
    browser
}

async fn ask(browser: &Browser, call: &str) -> Value {
    let script = format!(
        "const done = arguments[arguments.length - 1];
         (async () => checks.{call})().then(done, (error) => done('failed: ' + error))"
    );
    browser.execute_async(&script, vec![]).await.unwrap()
}

/// By how much the page moved while it loaded ([CLS](https://web.dev/articles/cls)).
async fn moved(browser: &Browser) -> f64 {
    let loaded = ask(browser, "loaded()").await;
    println!("{loaded}");
    loaded["shift"].as_f64().unwrap()
}

/// Examines the page that is open.
async fn examine(browser: &Browser, page: &str) {
    for (look, check) in [
        (Look::Wide, "broken([])"),
        (Look::Phone, "broken([])"),
        (Look::ForcedColors, "broken([])"),
        (Look::Narrow, "tooWide()"),
    ] {
        browser.look(look).await;
        assert_eq!(ask(browser, check).await, json!([]), "{page}, {look:?}, {check}");
    }
    browser.look(Look::Wide).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_a_user_with_a_passkey_are_accessible() {
    let app = portal(&[]).await;
    let (base, browser) = (origin(&app), examiner().await);
    let _authenticator = browser.virtual_authenticator().await;
    browser.log_in(&base, World::ACME, PASSWORD).await;
    add(&browser, &base, "Laptop").await;
    examine(&browser, "the list").await;
    for action in ["rename", "remove"] {
        browser.open(&format!("{base}/account/passkeys")).await;
        browser.click(&format!("td.get a[href$={action}]")).await;
        browser.text_with("“Laptop”").await;
        examine(&browser, action).await;
    }
    browser.open(&format!("{base}/account/factors")).await;
    examine(&browser, "the factors").await;
    browser.open(&format!("{base}/account/passkeys/new")).await;
    browser.click(BUTTON).await;
    browser.text_with("This device has a passkey").await;
    examine(&browser, "a new one, with a message").await;
    app.clock.advance(chrono::TimeDelta::minutes(11));
    browser.open(&format!("{base}/confirm?next=/account")).await;
    browser.text_with("Confirm with a passkey").await;
    examine(&browser, "the fresh proof").await;
    browser.execute("document.querySelector('.logout').submit()", vec![]).await.unwrap();
    browser.text_with("Log in with a passkey").await;
    examine(&browser, "the login page").await;
    browser.type_into("#email", World::ACME).await;
    browser.type_into("#password", PASSWORD).await;
    browser.click(".login button[type=submit]").await;
    browser.text_with("Use your passkey.").await;
    examine(&browser, "the second factor").await;
    browser.close().await;
}

/// The script shows the button after the page was drawn.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_moves_when_the_button_appears() {
    let app = portal(&[("MFA_GRACE_DAYS", "0")]).await;
    let (base, browser) = (origin(&app), examiner().await);
    browser.slow_network(100).await;
    browser.open(&format!("{base}/login")).await;
    browser.text_with("Log in with a passkey").await;
    assert!(moved(&browser).await < MAX_SHIFT);
    browser.type_into("#email", World::OFFICE).await;
    browser.type_into("#password", PASSWORD).await;
    browser.click(".login button[type=submit]").await;
    browser.text_with("Set up a passkey").await;
    assert!(moved(&browser).await < MAX_SHIFT);
    browser.slow_network(0).await;
    examine(&browser, "the enrollment").await;
    browser.close().await;
}
