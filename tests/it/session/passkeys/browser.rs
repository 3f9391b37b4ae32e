//! Passkeys in Chromium, with its virtual authenticator.

use fantoccini::Locator;
use fantoccini::key::Key;
use serde_json::json;

use super::{origin, portal};
use crate::support::{Action, Browser, Look, PASSWORD, World};

pub const BUTTON: &str = "button[data-passkey]";

/// A browser that waits for the button. The virtual authenticator answers the offer of the email field at once.
pub async fn chromium(width: u32) -> Browser {
    let browser = Browser::start(width, 800).await;
    browser.run_on_every_page("PublicKeyCredential.isConditionalMediationAvailable = async () => false").await;
    browser
}

/// Adds a passkey to the login of the user who is logged in in this browser.
pub async fn add(browser: &Browser, base: &str, name: &str) {
    browser.open(&format!("{base}/account/passkeys/new")).await;
    let field = browser.find(Locator::Css("#name")).await.unwrap();
    field.clear().await.unwrap();
    field.send_keys(name).await.unwrap();
    browser.click(BUTTON).await;
    keep_codes(browser).await;
    browser.text_with("The passkey is added.").await;
}

/// Leads on from the recovery codes of a first factor.
async fn keep_codes(browser: &Browser) {
    browser.text_with("They are not shown again.").await;
    browser.click(".login a.button").await;
}

async fn log_out(browser: &Browser) {
    browser.click(".logout button").await;
    browser.text_with("You have been logged out.").await;
}

/// Waits for the page after the login.
async fn is_in(browser: &Browser) {
    browser.wait().for_element(Locator::Css(".logout")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_added_and_logs_in_alone_until_it_is_removed() {
    let app = portal(&[]).await;
    let (base, browser) = (origin(&app), chromium(1280).await);
    let authenticator = browser.virtual_authenticator().await;
    browser.log_in(&base, World::ACME, PASSWORD).await;
    add(&browser, &base, "Work laptop").await;
    log_out(&browser).await;
    browser.open(&format!("{base}/login?next=/account/passkeys")).await;
    browser.click(BUTTON).await;
    let list = browser.text_with("Work laptop").await;
    assert!(!list.contains("Never"), "{list}");
    assert_eq!(authenticator.credentials().await.len(), 1);
    browser.click("td.get a[href$=rename]").await;
    let name = browser.find(Locator::Css("#name")).await.unwrap();
    name.clear().await.unwrap();
    name.send_keys("Home laptop").await.unwrap();
    browser.click(".fields button[type=submit]").await;
    browser.text_with("Home laptop").await;
    // The same device is not added twice.
    browser.open(&format!("{base}/account/passkeys/new")).await;
    browser.click(BUTTON).await;
    browser.text_with("This device has a passkey for your login already.").await;
    browser.open(&format!("{base}/account/passkeys")).await;
    browser.click("td.get a[href$=remove]").await;
    browser.text_with("Remove the passkey “Home laptop”?").await;
    browser.click(".ask button[type=submit]").await;
    browser.text_with("The passkey is removed.").await;
    log_out(&browser).await;
    browser.open(&format!("{base}/login")).await;
    browser.click(BUTTON).await;
    browser.text_with("it was removed, or belongs to another login").await;
    let events = app.events().await;
    let passkeys = [Action::PasskeyAdded, Action::PasskeyRenamed, Action::PasskeyRemoved, Action::LoginFailed];
    let expected = ["PASSKEY_ADDED", "PASSKEY_RENAMED", "PASSKEY_REMOVED", "LOGIN_FAILED"];
    assert_eq!(events.any_of(&passkeys).actions(), expected);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_follows_the_password_and_confirms_a_change() {
    let app = portal(&[]).await;
    let (base, browser) = (origin(&app), chromium(1280).await);
    let _authenticator = browser.virtual_authenticator().await;
    browser.log_in(&base, World::ACME, PASSWORD).await;
    add(&browser, &base, "Laptop").await;
    log_out(&browser).await;
    browser.type_into("#email", World::ACME).await;
    browser.type_into("#password", PASSWORD).await;
    browser.click(".login button[type=submit]").await;
    browser.text_with("Use your passkey.").await;
    browser.click(BUTTON).await;
    is_in(&browser).await;
    app.clock.advance(chrono::TimeDelta::minutes(11));
    browser.open(&format!("{base}/account/passkeys")).await;
    browser.click("td.get a[href$=remove]").await;
    browser.click(".ask button[type=submit]").await;
    browser.text_with("Confirm that it’s you").await;
    browser.click(BUTTON).await;
    // The form that was sent without a fresh proof is carried out.
    browser.text_with("The passkey is removed.").await;
    let proofs = app.events().await.any_of(&[Action::StepUp, Action::LoginSucceeded]);
    assert_eq!(proofs.list(|event| event.detail("method")), ["pwd", "pwd+passkey", "-"]);
    browser.close().await;
}

/// Like a user who chooses the passkey in the list below the field.
#[tokio::test(flavor = "multi_thread")]
async fn the_email_field_offers_the_passkey() {
    let app = portal(&[]).await;
    let (base, browser) = (origin(&app), Browser::start(1280, 800).await);
    let authenticator = browser.virtual_authenticator().await;
    browser.log_in(&base, World::ACME, PASSWORD).await;
    add(&browser, &base, "Laptop").await;
    browser.delete_all_cookies().await.unwrap();
    browser.open(&format!("{base}/login?next=/account/passkeys")).await;
    browser.text_with("Your passkeys").await;
    let logins = app.events().await.only(Action::LoginSucceeded).list(|event| event.detail("method"));
    assert_eq!((logins.first().unwrap().as_str(), logins.last().unwrap().as_str()), ("pwd", "passkey"));
    // A device without a passkey of the portal offers none, and the page is as before.
    authenticator.remove_all().await;
    browser.execute("document.querySelector('.logout').submit()", vec![]).await.unwrap();
    browser.text_with("You have been logged out.").await;
    browser.type_into("#email", World::ACME).await;
    browser.type_into("#password", PASSWORD).await;
    browser.click(".login button[type=submit]").await;
    browser.text_with("Use your passkey.").await;
    browser.close().await;
}

/// Two users share a device. Each has a passkey there, and gets no other.
#[tokio::test(flavor = "multi_thread")]
async fn two_users_of_one_device_have_a_passkey_each() {
    let app = portal(&[]).await;
    let (base, browser) = (origin(&app), chromium(1280).await);
    let authenticator = browser.virtual_authenticator().await;
    for email in [World::ACME, World::RIVAL] {
        browser.log_in(&base, email, PASSWORD).await;
        add(&browser, &base, "Shared").await;
        log_out(&browser).await;
    }
    let credentials = authenticator.credentials().await;
    assert_eq!(credentials.len(), 2);
    assert_ne!(credentials[0]["userHandle"], credentials[1]["userHandle"]);
    for email in [World::ACME, World::RIVAL] {
        browser.open(&format!("{base}/login")).await;
        browser.type_into("#email", email).await;
        browser.type_into("#password", PASSWORD).await;
        browser.click(".login button[type=submit]").await;
        browser.text_with("Use your passkey.").await;
        browser.click(BUTTON).await;
        is_in(&browser).await;
        browser.open(&format!("{base}/account")).await;
        browser.text_with(email).await;
        log_out(&browser).await;
    }
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_passkey_is_refused() {
    let app = portal(&[]).await;
    let (base, browser) = (origin(&app), chromium(1280).await);
    let authenticator = browser.virtual_authenticator().await;
    browser.log_in(&base, World::ACME, PASSWORD).await;
    add(&browser, &base, "Laptop").await;
    let copy = authenticator.credentials().await.remove(0);
    for _ in 0..2 {
        log_out(&browser).await;
        browser.click(BUTTON).await;
        is_in(&browser).await;
    }
    log_out(&browser).await;
    authenticator.remove_all().await;
    authenticator.add(copy).await;
    browser.click(BUTTON).await;
    browser.text_with("someone may have a copy of it").await;
    let failed = app.events().await.single(Action::MfaFailed);
    assert_eq!((failed.email(), failed.detail("reason")), (World::ACME, "sign count".to_owned()));
    browser.close().await;
}

/// A passkey that is deleted on the device, or whose user does not pass its lock, changes nothing, and shows no error.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_screen_lock_or_the_passkey_the_page_stays_usable() {
    let app = portal(&[]).await;
    let (base, browser) = (origin(&app), chromium(1280).await);
    let authenticator = browser.virtual_authenticator().await;
    browser.log_in(&base, World::ACME, PASSWORD).await;
    add(&browser, &base, "Laptop").await;
    log_out(&browser).await;
    authenticator.set_verified(false).await;
    let mark = app.events().await.mark();
    browser.click(BUTTON).await;
    settled(&browser).await;
    let text = browser.text_with("Log in with a passkey").await;
    assert!(!text.contains("not accepted"), "{text}");
    authenticator.set_verified(true).await;
    browser.click(BUTTON).await;
    is_in(&browser).await;
    assert_eq!(app.events().await.since(mark).actions(), ["LOGIN_SUCCEEDED"]);
    browser.close().await;
}

/// Waits until the script has finished.
async fn settled(browser: &Browser) {
    const IS_BUSY: &str = "return document.querySelector('button[aria-busy]') !== null";
    for _ in 0..100 {
        if browser.execute(IS_BUSY, vec![]).await.unwrap() == json!(false) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the button stays busy");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_reaches_everything_on_a_phone() {
    let app = portal(&[("MFA_GRACE_DAYS", "0")]).await;
    let (base, browser) = (origin(&app), chromium(360).await);
    let _authenticator = browser.virtual_authenticator().await;
    browser.look(Look::Phone).await;
    browser.open(&format!("{base}/login")).await;
    let typed = format!("{}{}{PASSWORD}{}", World::OFFICE, char::from(Key::Tab), char::from(Key::Enter));
    browser.type_into("#email", &typed).await;
    browser.text_with("Or use a passkey instead").await;
    press_until(&browser, "Set up a passkey").await;
    browser.text_with("They are not shown again.").await;
    press_until(&browser, "I have kept the codes").await;
    is_in(&browser).await;
    browser.open(&format!("{base}/account/passkeys")).await;
    press_until(&browser, "Add a passkey …").await;
    browser.text_with("So that you recognize it in your list.").await;
    browser.open(&format!("{base}/account/passkeys")).await;
    log_out_by_form(&browser, &base).await;
    browser.open(&format!("{base}/login?next=/account/passkeys")).await;
    press_until(&browser, "Log in with a passkey").await;
    browser.text_with("Your passkeys").await;
    let is_wider = "return document.documentElement.scrollWidth > document.documentElement.clientWidth";
    assert_eq!(browser.execute(is_wider, vec![]).await.unwrap(), json!(false));
    browser.close().await;
}

/// On a phone, the button is in the menu.
async fn log_out_by_form(browser: &Browser, base: &str) {
    browser.execute("document.querySelector('.logout').submit()", vec![]).await.unwrap();
    browser.text_with("You have been logged out.").await;
    assert!(browser.current_url().await.unwrap().as_str().starts_with(&format!("{base}/login")));
}

/// Presses Tab until this button or link has the focus, then Enter.
async fn press_until(browser: &Browser, label: &str) {
    browser.find(Locator::Css("body")).await.unwrap();
    for _ in 0..60 {
        let focus = browser.active_element().await.unwrap();
        if focus.text().await.unwrap() == label {
            let shown = "const box = document.activeElement.getBoundingClientRect(); return box.width > 0 && box.right <= innerWidth";
            assert_eq!(browser.execute(shown, vec![]).await.unwrap(), json!(true), "{label}");
            focus.send_keys(&char::from(Key::Enter).to_string()).await.unwrap();
            return;
        }
        focus.send_keys(&char::from(Key::Tab).to_string()).await.unwrap();
    }
    panic!("Tab never reaches {label:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_script_there_is_no_button_and_the_pages_say_why() {
    let app = portal(&[]).await;
    let (base, browser) = (origin(&app), chromium(1280).await);
    browser.without_script().await;
    browser.open(&format!("{base}/login")).await;
    assert!(!browser.find(Locator::Css(BUTTON)).await.unwrap().is_displayed().await.unwrap());
    assert!(!browser.visible_text().await.to_lowercase().contains("passkey"));
    browser.log_in(&base, World::ACME, PASSWORD).await;
    for path in ["/account/passkeys", "/account/passkeys/new"] {
        browser.open(&format!("{base}{path}")).await;
        let text = browser.visible_text().await;
        assert!(text.contains("Passkeys need JavaScript, which is off in your browser."), "{text}");
        assert!(text.contains("authenticator app"), "{text}");
    }
    assert!(!browser.find(Locator::Css(BUTTON)).await.unwrap().is_displayed().await.unwrap());
    browser.close().await;
}

/// The answer of a real authenticator, altered on its way to the server.
#[tokio::test(flavor = "multi_thread")]
async fn a_genuine_answer_that_was_altered_is_refused() {
    let app = portal(&[]).await;
    let (base, browser) = (origin(&app), chromium(1280).await);
    let _authenticator = browser.virtual_authenticator().await;
    browser.log_in(&base, World::ACME, PASSWORD).await;
    add(&browser, &base, "Laptop").await;
    log_out(&browser).await;
    let changes = ["signature", "authenticatorData", "clientDataJSON", "userHandle"];
    for member in changes {
        // Changes the last byte of a member before the form is sent.
        let alter = format!(
            "const form = document.querySelector('{BUTTON}').form;
             form.submit = () => {{
                 const sent = JSON.parse(form.elements.passkey.value);
                 const text = sent.credential.response.{member};
                 sent.credential.response.{member} = text.slice(0, -4) + (text.at(-4) === 'A' ? 'B' : 'A') + text.slice(-3);
                 form.elements.passkey.value = JSON.stringify(sent);
                 HTMLFormElement.prototype.submit.call(form);
             }};"
        );
        browser.execute(&alter, vec![]).await.unwrap();
        browser.click(BUTTON).await;
        browser.wait().for_element(Locator::Css("#problem")).await.unwrap();
        app.sql("DELETE FROM login_throttles").await;
        browser.open(&format!("{base}/login")).await;
    }
    assert_eq!(app.events().await.only(Action::LoginFailed).len(), changes.len());
    browser.click(BUTTON).await;
    is_in(&browser).await;
    browser.close().await;
}
