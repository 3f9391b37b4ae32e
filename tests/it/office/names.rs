//! What a company's administrator can make an invitation say, and whom it can invite.

use crate::support::{Actor, App, World, run};

async fn invite(admin: &Actor, email: &str, name: &str) -> (u16, String) {
    let form = [("email", email), ("name", name), ("customer", "ACME")];
    let answer = admin.post("/people", &form).await;
    (answer.status, answer.text())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_can_carry_no_message_of_its_sender() {
    let (app, mut smtp) = App::with_mail().await;
    app.make_company_admin(World::ACME).await;
    let admin = app.acme().await;
    const EVIL: &str = "Your account is locked. Verify at evil.example";
    for name in [EVIL, "evil.example", "Jo\r\nBcc: all@evil.example", "Call 1 800 555 0199", "Jo\u{202e}htimS"] {
        let (status, page) = invite(&admin, "jo@acme.example", name).await;
        assert!(status == 422 && page.contains("Enter only the name"), "{name}: {status}");
    }
    let office = app.office().await;
    let id = app.user_id(World::COLLEAGUE).await;
    let renamed = office.post(&format!("/office/users/{id}/name"), &[("name", EVIL)]).await;
    assert_eq!(renamed.status, 422);
    let arguments = ["user", "create", "--email", "a@b.example", "--role", "auditor", "--name", EVIL];
    let (code, _, stderr) = run(&app.environment().to_vec(), &arguments).await;
    assert!(code == 2 && stderr.contains("--name: Enter only the name"), "{code} {stderr}");
    // The name that a customer chose is no part of the invitation, not even a harmless one.
    assert_eq!(invite(&admin, "jo@acme.example", "Jo O'Hara-Smith").await.0, 303);
    let mail = smtp.next().await;
    assert!(mail.text.starts_with("Hello,\n") && !mail.text.contains("O'Hara"), "{}", mail.text);
    assert!(app.events().await.since(0).iter().any(|event| event.detail("name") == "Jo O'Hara-Smith"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_invites_no_address_of_the_terminal() {
    let app = App::start_with(&[("STAFF_DOMAINS", "terminal.example, Terminal-Ohio.example")]).await;
    app.make_company_admin(World::ACME).await;
    let admin = app.acme().await;
    for email in ["jo@terminal.example", "jo@MAIL.Terminal.example", "jo@terminal-ohio.example"] {
        let (status, page) = invite(&admin, email, "Jo Smith").await;
        assert!(status == 422 && page.contains("invite this address"), "{email}: {status} {page}");
    }
    assert_eq!(invite(&admin, "jo@not-terminal.example", "Jo Smith").await.0, 303);
    let form = [("email", "jo@terminal.example"), ("name", "Jo Smith"), ("role", "office"), ("customer", "")];
    assert_eq!(app.user(World::ADMIN).await.post("/office/users", &form).await.status, 303);
}
