//! Sends every form that posts: emptied, then filled in. Whatever it answers, Reload and Back lead to a page.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::Page;
use super::visitor::{Loaded, Visitor};

/// Forms whose sending ends the session or the view in which the pages are examined. Other tests send them.
const ENDING: [&str; 5] =
    ["/logout", "/account/sessions/end", "/account/sessions/end-all", "/office/customers/{}/see-as", "/see-as/end"];

/// What the fields are filled with, by name.
fn values() -> Value {
    json!({
        "email": "new-person@acme.example",
        "address_email": "another-scale-house@acme.example",
        "name": "A New Name",
        "code": "NEWER",
        "address": "1 Quay Street\nCincinnati, OH 45202",
        "ship_to": "Acme Foundry No. 3\n16 Mill Road\nDayton, OH 45404",
        "company_name": "River Terminal LLC",
        "company_address": "1 Quay Street\nCincinnati, OH 45202",
        "unsigned_days": "7",
        "collect_days": "3",
        "unusual_documents": "150",
        "unusual_times": "8",
        "unusual_denied": "12",
        "night_from": "21",
        "night_until": "5",
        "official_weight_lb": "46,920",
        "reason": "Wrong trailer",
        "number": "PRT-2025-0005",
        "current_password": "not the password",
        "new_password": "correct-horse-of-the-quay-9",
        "repeat_password": "correct-horse-of-the-quay-9",
        "password": "not the password",
        "scac": "ABCD",
        "chemistry": "C 4.21%, Si 1.08%",
        "product": "Basic pig iron",
        "ship_from": "River Terminal, Dock 2\n1 Quay Street",
        "carrier": "Heartland Bulk Carriers, Inc.",
        "net_lb": "46,060",
        "truck": "4417",
        "trailer": "DT-2208",
        "lot": "PI-25-1107",
        "url": "https://127.0.0.1:9/hooks",
    })
}

/// The path without numbers and codes, which differ from row to row.
fn pattern(path: &str) -> String {
    let is_id =
        |part: &&str| part.bytes().any(|byte| byte.is_ascii_digit()) || ["ACME", "RIVAL", "IDLE"].contains(part);
    path.split('/').map(|part| if is_id(&part) { "{}" } else { part }).collect::<Vec<_>>().join("/")
}

/// Sends the forms of all pages, one of each kind. Returns how many were answered with a redirect.
pub(super) async fn send_every_form(
    visitor: &mut Visitor,
    pages: impl Iterator<Item = &Page>,
    known: &mut HashSet<String>,
) -> usize {
    known.extend(ENDING.map(String::from));
    let mut sent = 0;
    for Page { address: page, forms, .. } in pages {
        if forms.iter().all(|action| known.contains(&pattern(action))) {
            continue;
        }
        visitor.browser.forget_history().await;
        let opened = visitor.open(page).await;
        let forms = visitor.ask("forms", &[]).await;
        for form in forms.as_array().cloned().unwrap_or_default() {
            let action = form["action"].as_str().unwrap_or_default().to_owned();
            if known.insert(pattern(&action)) {
                sent += usize::from(send_one(visitor, page, &opened, &action).await);
            }
        }
    }
    sent
}

/// The position of the form on the current page.
async fn find(visitor: &Visitor, action: &str) -> Option<Value> {
    let forms = visitor.ask("forms", &[]).await;
    let same = |form: &&Value| form["action"].as_str().is_some_and(|other| pattern(other) == pattern(action));
    forms.as_array().and_then(|forms| forms.iter().find(same)).map(|form| form["index"].clone())
}

/// Sends one form emptied, reloads what refuses it, corrects it there, and returns with Back each time.
async fn send_one(visitor: &mut Visitor, page: &str, opened: &Loaded, action: &str) -> bool {
    let name = format!("POST {action}");
    visitor.open(page).await;
    let Some(form) = find(visitor, action).await else { return false };
    let refused = visitor.send(&form, Value::Null).await;
    if refused.status < 400 {
        check_sent(visitor, &name, &refused);
        check_back(visitor, &name, &[&opened.path]).await;
        return refused.redirects > 0;
    }
    if refused.status >= 500 {
        visitor.fault(&name, format!("answers {}", refused.status));
    }
    visitor.examine(&name, &refused).await;
    visitor.browser.refresh().await.unwrap();
    let again = visitor.loaded().await;
    if !(200..400).contains(&again.status) && again.status != refused.status {
        visitor.fault(&name, format!("a reload answers {}", again.status));
    }
    check_back(visitor, &format!("{name}, refused"), &[&opened.path]).await;

    let opened = visitor.open(page).await;
    let Some(form) = find(visitor, action).await else { return false };
    let refused = visitor.send(&form, Value::Null).await;
    let Some(form) = find(visitor, action).await else { return false };
    let sent = visitor.send(&form, values()).await;
    check_sent(visitor, &name, &sent);
    // The refused form or its page is still there, and so is the page before it, unless both have one address.
    check_back(visitor, &format!("{name}, corrected"), &[&refused.path, &opened.path]).await;
    if refused.path != opened.path {
        check_back(visitor, &format!("{name}, corrected, twice"), &[&opened.path]).await;
    }
    sent.redirects > 0
}

/// A form that isn't refused redirects, so that a reload doesn't send it again.
fn check_sent(visitor: &mut Visitor, name: &str, sent: &Loaded) {
    if sent.status >= 500 || sent.status == 200 && sent.redirects == 0 {
        visitor.fault(name, format!("answers {} without a redirect", sent.status));
    }
}

/// Back shows one of these pages, not a question of the browser's.
async fn check_back(visitor: &mut Visitor, name: &str, expected: &[&str]) {
    let before = visitor.browser.history().await;
    visitor.browser.back().await.unwrap();
    let back = visitor.loaded().await;
    let path = |address: &str| address.split(['?', '#']).next().unwrap_or_default().to_owned();
    let is_expected = expected.iter().any(|expected| path(expected) == path(&back.path));
    if !is_expected || back.status >= 400 {
        visitor.fault(name, format!("Back answers {} at {}, not {expected:?} ({before})", back.status, back.path));
    }
}
