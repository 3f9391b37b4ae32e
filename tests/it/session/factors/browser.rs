//! The pages of the second factor in Chromium, by keyboard, on a phone.

use fantoccini::Locator;
use fantoccini::key::Key;

use crate::support::{App, Browser, PASSWORD, Phone, World};

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_set_up_and_used_by_keyboard_on_a_phone() {
    let app = App::start_with(&[("MFA_GRACE_DAYS", "0")]).await;
    let browser = Browser::start(360, 740).await;
    let keys = async |text: &str| browser.active_element().await.unwrap().send_keys(text).await.unwrap();
    browser.open(&format!("{}/login", app.url)).await;
    keys(World::OFFICE).await;
    keys(&Key::Tab.to_string()).await;
    keys(&format!("{PASSWORD}{}", char::from(Key::Enter))).await;
    browser.text_with("Set up a second factor").await;
    let source = browser.source().await.unwrap();
    let page = crate::support::Answer { status: 200, headers: Default::default(), body: source.into_bytes() };
    let phone = Phone::scan(&page, &app.clock);
    let narrow = "return document.documentElement.scrollWidth <= innerWidth";
    assert_eq!(browser.execute(narrow, vec![]).await.unwrap(), true);
    browser
        .find(Locator::Css("#code"))
        .await
        .unwrap()
        .send_keys(&format!("{}{}", phone.code(), char::from(Key::Enter)))
        .await
        .unwrap();
    browser.text_with("Recovery codes").await;
    browser.click(".login .primary").await;
    browser.text_with("New BOL").await;
    // The next login asks, with the cursor in the field after the address and the password.
    browser.open(&format!("{}/account", app.url)).await;
    browser.execute("document.querySelector('.logout').submit()", vec![]).await.unwrap();
    browser.text_with("You have been logged out").await;
    browser.type_into("#email", World::OFFICE).await;
    browser.type_into("#password", &format!("{PASSWORD}{}", char::from(Key::Enter))).await;
    browser.text_with("Enter the code").await;
    let focused = browser.active_element().await.unwrap().attr("id").await.unwrap();
    assert_eq!(focused.as_deref(), Some("code"));
    keys(&format!("{}{}", phone.next_code(), char::from(Key::Enter))).await;
    browser.wait().for_element(Locator::Css(".logout")).await.unwrap();
    browser.close().await;
}
