//! In Chromium, as people do it: no script of ours, no mouse where the keyboard does.

use fantoccini::Locator;

use crate::support::{App, Browser, PASSWORD, World};

#[tokio::test(flavor = "multi_thread")]
async fn from_the_log_in_to_the_file() {
    let app = App::start().await;
    let browser = Browser::start(1280, 900).await;
    browser.open(&format!("{}/bols/{}", app.url, World::ACME_BOL)).await;
    browser.text_with("Log in").await;
    browser.type_into("#email", World::ACME).await;
    browser.type_into("#password", PASSWORD).await;
    browser.click(".login button").await;
    browser.text_with("Who fetched what").await;
    assert!(browser.current_url().await.unwrap().path().ends_with(World::ACME_BOL), "back to what was asked for");

    browser.open(&format!("{}/bols", app.url)).await;
    browser.type_into("#q", "ruck-sesame-1\n").await;
    browser.text_with("1 BOL matches").await;
    browser.click(".ledger td.get a").await;
    let file = browser.downloaded("PRT-2025-0001.pdf").await;
    assert!(file.starts_with(b"%PDF"));
    browser.click(".ledger .number").await;
    browser.text_with("Link issued for download").await;

    browser.click(".logout button").await;
    browser.text_with("Forgotten password?").await;
    browser.back().await.unwrap();
    let text = browser.text_with("Forgotten password?").await;
    assert!(!text.contains("sesame"), "Back shows nothing: {text}");
    browser.close().await;
}

/// The bucket is another origin, and the redirect to it follows a form: the policy has to let it through.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_in_leads_straight_to_a_file_in_the_bucket() {
    let app = App::on_s3(&[]).await;
    let browser = Browser::start(1280, 900).await;
    browser.open(&format!("{}/bols/{}/download", app.url, World::ACME_BOL)).await;
    browser.type_into("#email", World::ACME).await;
    browser.type_into("#password", PASSWORD).await;
    browser.click(".login button").await;
    let file = browser.downloaded("PRT-2025-0001.pdf").await;
    assert!(file.starts_with(b"%PDF"));
    browser.close().await;
}

/// On a phone: nothing is wider than the window, and everything can still be reached.
#[tokio::test(flavor = "multi_thread")]
async fn pages_fit_a_phone() {
    let app = App::start().await;
    let browser = Browser::start(500, 800).await;
    browser.log_in(&app.url, World::ACME, PASSWORD).await;
    for path in ["/bols", "/bols?from=x", "/bols/PRT-2025-0001", "/account", "/bols/PRT-2025-0999"] {
        browser.open(&format!("{}{path}", app.url)).await;
        let script = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]";
        let widths = browser.execute(script, vec![]).await.unwrap();
        assert!(widths[0].as_i64() <= widths[1].as_i64(), "{path}: {widths}");
    }
    browser.close().await;
}

/// By keyboard alone.
#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_is_enough() {
    use fantoccini::key::Key;
    let app = App::start().await;
    let browser = Browser::start(1280, 900).await;
    browser.open(&format!("{}/login", app.url)).await;
    // The cursor is in the first field already.
    let keys = format!("{}{}{PASSWORD}{}", World::ACME, char::from(Key::Tab), char::from(Key::Enter));
    browser.active_element().await.unwrap().send_keys(&keys).await.unwrap();
    browser.wait().for_element(Locator::Css(".ledger")).await.unwrap();
    let tab = char::from(Key::Tab).to_string();
    browser.find(Locator::Css("body")).await.unwrap().send_keys(&tab).await.unwrap();
    let skip = browser.active_element().await.unwrap();
    assert_eq!(skip.text().await.unwrap(), "Skip to content");
    assert!(skip.is_displayed().await.unwrap());
    browser.close().await;
}
