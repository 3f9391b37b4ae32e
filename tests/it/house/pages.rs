//! Every page and every refused form, as each role sees it in Chromium: accessible, still while it loads, never wider than
//! the window, and unharmed by Reload and Back.

mod errors;
mod forms;
mod menu;
mod table;
mod visitor;

use std::collections::HashSet;

use visitor::Visitor;

use crate::support::scan::paper;
use crate::support::{Actor, App, Issuer, Load, PASSWORD, World, primetrade};

/// Users in whose browsers the pages are examined; the first has no login.
const PORTAL: [Option<&str>; 4] = [None, Some(World::ACME), Some(World::COLLEAGUE), Some(World::AUDITOR)];
const OFFICE: [Option<&str>; 2] = [Some(World::OFFICE), Some(World::ADMIN)];

/// What the users before have seen already: the contents of pages, and the kinds of forms.
#[derive(Default)]
struct Seen {
    pages: HashSet<String>,
    forms: HashSet<String>,
}

/// A page that a user sees.
struct Page {
    address: String,
    /// The addresses of the forms that post.
    forms: Vec<String>,
    /// Another user has seen the same contents, in the same test.
    is_shared: bool,
}

/// What is done with the pages of the users.
#[derive(Clone, Copy, PartialEq)]
enum Task {
    Visit,
    SendForms,
    Both,
}

/// An app in which every list of the pages has an entry.
async fn filled() -> (App, String) {
    let app = App::ready_to_issue().await;
    let today = app.clock.now().with_timezone(&chrono_tz::America::New_York).date_naive();
    app.sql(&format!(
        "UPDATE memberships SET is_admin = true WHERE user_id = (SELECT id FROM users WHERE email = '{}');
         UPDATE bols SET bol_date = '{}' WHERE number = 'PRT-2025-0005';
         INSERT INTO customers (code, name, active) VALUES ('IDLE', 'Idle Foundry and Machine Works of the Upper Valley', false);
         INSERT INTO notice_addresses (customer_id, email) SELECT id, 'scale-house@acme.example' FROM customers WHERE code = 'ACME'",
        World::COLLEAGUE,
        today - chrono::Days::new(9),
    ))
    .await;
    tokens(&app).await;
    let office = app.office().await;
    let number = Load::today(&app).await.with("carrier", &"W".repeat(60)).issue(&office).await;
    let customer = app.acme().await;
    customer.download(&format!("/bols/{}/download", World::ACME_BOL)).await;
    customer.download(&format!("/bols/{number}/download")).await;
    let batch = documents(&office).await;
    app.stranger().post("/login", &[("email", "stranger@nowhere.example"), ("password", "wrong")]).await;
    app.sealed().await;
    (app, batch)
}

/// Tokens of an administrator and of a company's, and a service account with another one.
async fn tokens(app: &App) {
    for email in [World::ADMIN, World::COLLEAGUE] {
        app.token(email, &["bols:read", "documents:read"]).await;
    }
    app.sql(
        "INSERT INTO users (email, name, role, is_service) VALUES ('erp.acme@service.invalid', 'ERP', 'customer', true);
         INSERT INTO memberships (user_id, customer_id) SELECT u.id, c.id FROM users u, customers c WHERE u.is_service AND c.code = 'ACME'",
    )
    .await;
    app.insert_webhooks().await;
    let token = app.token("erp.acme@service.invalid", &["bols:read"]).await;
    app.sql("UPDATE api_tokens SET networks = '{203.0.113.0/24,2001:db8::/32}', last_used_at = now(), last_ip = '203.0.113.7', last_agent = 'curl/8.14.1'").await;
    assert_eq!(app.rows("SELECT max(u.id) || '/' || max(t.id) FROM users u, api_tokens t").await, ["10/3"], "{token}");
}

/// Uploads documents for the inbox, its bin and the results. Returns the batch.
async fn documents(office: &Actor) -> String {
    let batch = "00112233445566778899aabbccddeeff";
    let files = ["ticket.pdf", "a file name that is much longer than the narrowest window is wide.pdf", "bin.pdf"];
    let mut sent: Vec<(&str, Vec<u8>)> = files.iter().map(|name| (*name, paper(name))).collect();
    sent.push(("bad.pdf", b"<html>".to_vec()));
    let answer = office.upload_all(&[("batch", batch)], &sent).await;
    let discarded = answer.document_id(2).to_string();
    office.post("/office/inbox", &[("document", &discarded), ("action", "discard")]).await;
    office.upload(&[("kind", "invoice")], "PRT-2025-0005.pdf", &paper("an invoice")).await;
    batch.to_owned()
}

/// The pages that a user sees, without those that look like an earlier one of the same user.
async fn pages_of(app: &App, email: Option<&str>, batch: &str, seen: &mut Seen) -> Vec<Page> {
    let actor = match email {
        Some(email) => app.user(email).await,
        None => app.stranger(),
    };
    let (mut pages, mut own) = (Vec::new(), HashSet::new());
    let filed = app.rows("SELECT max(id) FROM documents WHERE bol_id IS NOT NULL AND arrived_as <> ''").await.remove(0);
    let edited = app.rows("SELECT 'lot-' || min(l.id) || ' truck-' || min(t.id) FROM lots l, trucks t").await.remove(0);
    let (lot, truck) = edited.split_once(' ').unwrap();
    let fill = |address: &str| {
        let address = address.replace("{batch}", batch).replace("{filed}", &filed);
        address.replace("{lot}", lot).replace("{truck}", truck)
    };
    for address in table::addresses().map(fill) {
        let answer = actor.get(&address).await;
        let is_page = answer.header("content-type").starts_with("text/html") && answer.status != 303;
        // The masthead is the same on all pages of a user. Refusals differ in the reference alone.
        let text = answer.text();
        let content = text.split("<main").nth(1).unwrap_or_default().split("<p class=\"reference\">").next();
        let content = content.unwrap_or_default().to_owned();
        if is_page && own.insert(content.clone()) {
            // The first page shows the masthead in all looks.
            let is_shared = !seen.pages.insert(content) && !pages.is_empty();
            let forms = answer.attributes("form[method=post]", "action");
            pages.push(Page { address, forms, is_shared });
        }
    }
    pages
}

/// Examines the pages of some users one after the other. Expects at least so many different pages, states and sent forms.
async fn examine(users: &[Option<&str>], task: Task, (least_examined, least_sent): (usize, usize)) {
    let (app, batch) = filled().await;
    let (mut seen, mut faults, mut examined, mut sent) = (Seen::default(), Vec::new(), 0, 0);
    for email in users {
        let begun = std::time::Instant::now();
        let pages = pages_of(&app, *email, &batch, &mut seen).await;
        let mut visitor = Visitor::start(&app, *email).await;
        if task != Task::SendForms {
            visitor.browser.slow_network(60).await;
            for page in &pages {
                if page.is_shared {
                    visitor.visit_shared(&page.address).await;
                } else {
                    visitor.visit(&page.address).await;
                }
            }
            visitor.browser.slow_network(0).await;
        }
        if task != Task::Visit {
            let own = pages.iter().filter(|page| !page.is_shared);
            sent += forms::send_every_form(&mut visitor, own, &mut seen.forms).await;
        }
        if let Some(email) = email.filter(|_| task != Task::SendForms) {
            errors::examine(&app, &mut visitor, email).await;
        }
        let user = email.unwrap_or("without a login");
        println!(
            "{user}: {} pages, {} examined, {} shared, moved by {:.4}, {:?}",
            pages.len(),
            visitor.examined,
            visitor.shared,
            visitor.worst_shift,
            begun.elapsed()
        );
        examined += visitor.examined;
        faults.extend(visitor.faults.iter().map(|fault| format!("{user}: {fault}")));
        visitor.browser.close().await;
    }
    println!("{examined} pages and states examined, {sent} forms sent");
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert!(examined >= least_examined && sent >= least_sent, "only {examined} examined and {sent} forms sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_of_customers_and_auditors_is_accessible_and_still() {
    examine(&PORTAL, Task::Both, (30, 4)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_of_the_office_is_accessible_and_still() {
    examine(&OFFICE, Task::Visit, (50, 0)).await;
}

/// Only a portal with an issuer has them.
#[tokio::test(flavor = "multi_thread")]
async fn every_page_of_single_sign_on_is_accessible_and_still() {
    let issuer = Issuer::start().await;
    issuer.says(|says| says.discovery = serde_json::json!({"end_session_endpoint": null}));
    let app = App::start_with(&issuer.environment(&[("OIDC_REQUIRED_FOR", "office")])).await;
    let output = primetrade(app.environment(), &["user", "invite", World::OFFICE], "").await;
    let link = String::from_utf8(output.stdout).unwrap();
    let token = link.trim().rsplit('=').next().unwrap();
    let mut visitor = Visitor::start(&app, None).await;
    for path in ["/login?done=here", "/login/sso/callback", "/login/sso/out", &format!("/invitation?token={token}")] {
        visitor.visit(path).await;
    }
    visitor.browser.open(&format!("{}/login", app.url)).await;
    visitor.browser.type_into("#email", World::OFFICE).await;
    visitor.browser.type_into("#password", PASSWORD).await;
    visitor.browser.click(".login button[type=submit]").await;
    visitor.browser.text_with("instead of a password").await;
    let refused = visitor.loaded().await;
    visitor.examine("/login, refused", &refused).await;
    assert!(visitor.faults.is_empty(), "{:#?}", visitor.faults);
    visitor.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_the_office_leads_back() {
    examine(&OFFICE, Task::SendForms, (15, 15)).await;
}
