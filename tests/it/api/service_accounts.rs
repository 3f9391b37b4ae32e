//! Service accounts: tokens, and no login.

use primetrade::accounts::api_tokens::reminder;

use crate::support::{Action, Actor, App, PASSWORD, World, run};

const EMAIL: &str = "erp-gateway.acme@service.invalid";

/// Makes COLLEAGUE the administrator of ACME, and adds its service account. Returns the address of its tokens.
async fn with_account(app: &App) -> (Actor, String) {
    app.sql(
        "UPDATE memberships SET is_admin = true WHERE user_id = (SELECT id FROM users WHERE email = 'dock@acme.example')",
    )
    .await;
    let admin = app.user(World::COLLEAGUE).await;
    let form = [("name", "ERP gateway"), ("role", "customer"), ("customer", "ACME")];
    let added = admin.post("/people/service-accounts", &form).await;
    assert_eq!(added.status, 303, "{}", added.text());
    (admin, added.header("location").to_owned())
}

async fn make(actor: &Actor, place: &str, key: &str, scope: &str) -> String {
    let form = [("form_key", key), ("name", key), ("scope", scope), ("days", "90")];
    let made = actor.post(place, &form).await;
    assert_eq!(made.status, 200, "{}", made.text());
    made.one("code.secret")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_companys_administrator_manages_its_service_account() {
    let app = App::start().await;
    let (admin, place) = with_account(&app).await;
    let invited = app.events().await.single(Action::UserInvited);
    assert_eq!(
        (invited.email(), invited.customer(), invited.detail("email")),
        (World::COLLEAGUE, "ACME", EMAIL.into())
    );
    let secret = make(&admin, &place, "one", "documents:read").await;
    let program = app.stranger().with_token(&secret);
    assert_eq!(program.get("/api/bol/1/download/").await.status, 200);
    assert_eq!(program.get("/api/bol/3/download/").await.status, 404, "the rival's");
    let link = app.events().await.single(Action::BolDownloaded);
    assert_eq!((link.email(), link.role(), link.customer()), (EMAIL, "customer", "ACME"));
    let list = admin.get("/people/service-accounts").await;
    assert!(list.one("tbody tr").contains("ERP gateway"), "{}", list.text());
    let made = app.events().await.single(Action::TokenCreated);
    assert_eq!((made.email(), made.customer(), made.detail("owner")), (World::COLLEAGUE, "ACME", EMAIL.into()));
    assert!(admin.get(&place).await.one("tbody tr").contains(&format!("by {}", World::COLLEAGUE)));
    // A company isn't shown the address of the terminal's people.
    let office = app.office().await;
    let same = place.replace("/people/", "/office/");
    make(&office, &same, "two", "bols:read").await;
    assert!(office.get(&same).await.all("tbody tr").concat().contains(&format!("by {}", World::OFFICE)));
    let shown = admin.get(&place).await.all("tbody tr").concat();
    assert!(shown.contains("by someone outside your company") && !shown.contains(World::OFFICE), "{shown}");
    office.post(&format!("{same}/2/revoke"), &[]).await;
    assert_eq!(app.events().await.single(Action::TokenRevoked).customer(), "ACME");
    assert!(admin.get("/people").await.text().contains("Service account"));
    // It has no mailbox, so no mail tells of its token.
    assert!(app.mails().await.is_empty());
    // Not in the charge of others.
    app.sql("UPDATE memberships SET is_admin = true").await;
    for other in [app.rival().await, app.auditor().await] {
        assert!([403, 404].contains(&other.get(&place).await.status));
        let form = [("form_key", "x"), ("name", "x"), ("scope", "bols:read"), ("days", "1")];
        assert!([403, 404].contains(&other.post(&place, &form).await.status));
    }
    // An administrator of one of two companies has no say about both.
    app.sql(&format!(
        "INSERT INTO memberships (user_id, customer_id) SELECT u.id, {} FROM users u WHERE is_service",
        app.world.rival
    ))
    .await;
    assert_eq!(admin.get(&place).await.status, 404);
    assert_eq!(app.rival().await.get(&place).await.status, 404);
    let both = app.user(World::BROKER).await;
    assert_eq!(both.get(&place).await.status, 200);
    let id = place.split('/').nth(3).unwrap().to_owned();
    both.expect_saved(&format!("/people/{id}/disable"), &[], "/people?done=disabled").await;
    assert_eq!(program.get("/api/bol/1/download/").await.status, 401);
    assert_eq!(app.events().await.single(Action::UserDisabled).detail("tokens"), "1");
    assert_eq!(both.post(&format!("/people/{id}/enable"), &[]).await.status, 404, "the office alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_has_no_more_rights_than_its_maker() {
    let app = App::start().await;
    let here = "/office/service-accounts";
    let office = app.office().await;
    for (role, customer, field) in
        [("office", "", "role"), ("admin", "", "role"), ("auditor", "", "role"), ("customer", "", "customer")]
    {
        let form = [("name", "Scanner"), ("role", role), ("customer", customer)];
        let answer = office.post(here, &form).await;
        assert_eq!(answer.status, 422, "{role}");
        assert_eq!(answer.value("name"), "Scanner");
        let shown = answer.attributes("[aria-invalid=true]", "id");
        assert!(shown == [field] || field == "role", "{shown:?}");
    }
    let added = office.post(here, &[("name", "Scale"), ("role", "customer"), ("customer", "RIVAL")]).await;
    let place = added.header("location").to_owned();
    assert_eq!(added.status, 303, "{}", added.text());
    let rival = app.stranger().with_token(&make(&office, &place, "scale", "bols:read").await);
    assert_eq!(rival.get("/api/bols").await.json()["bols"].as_array().unwrap().len(), 1);
    // A second company would be open to those who made the tokens at the first.
    let user = place.replace("service-accounts", "users").replace("/tokens", "");
    assert_eq!(office.post(&format!("{user}/join"), &[("customer", "ACME")]).await.status, 422);
    let company = app.world.rival.to_string();
    assert_eq!(office.post(&format!("{user}/leave"), &[("customer_id", &company)]).await.status, 303);
    assert_eq!(app.events().await.single(Action::MembershipChanged).detail("tokens"), "1");
    assert_eq!(office.post(&format!("{user}/join"), &[("customer", "RIVAL")]).await.status, 422);
    assert_eq!(rival.get("/api/bols").await.status, 401, "its token is revoked");
    let admin = app.user(World::ADMIN).await;
    assert_eq!(admin.post(here, &[("name", "Boss"), ("role", "admin"), ("customer", "")]).await.status, 422);
    let added = admin.post(here, &[("name", "SIEM"), ("role", "auditor"), ("customer", "")]).await;
    let siem = added.header("location").to_owned();
    let program = app.stranger().with_token(&make(&admin, &siem, "siem", "log:read").await);
    assert_eq!(program.get("/audit/export?format=jsonl").await.status, 200);
    assert_eq!(office.get(&siem).await.status, 404, "not in the office's charge");
    let form = [("form_key", "x"), ("name", "x"), ("scope", "bols:issue"), ("days", "1")];
    assert_eq!(admin.post(&siem, &form).await.status, 422, "an auditor issues nothing");
    let again = admin.post(here, &[("name", "siem"), ("role", "auditor"), ("customer", "")]).await;
    assert_eq!((again.status, again.all(".error").len()), (422, 1), "the name is taken");
}

/// No password, no link, no membership by another company, no second factor, no single sign-on.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_has_no_way_to_log_in() {
    let app = App::start().await;
    let (admin, place) = with_account(&app).await;
    let id = place.split('/').nth(3).unwrap().to_owned();
    let refused = app.stranger().post("/login", &[("email", EMAIL), ("password", PASSWORD)]).await;
    assert_eq!(refused.status, 422);
    app.stranger().post("/password-reset", &[("email", EMAIL)]).await;
    assert!(app.mails().await.is_empty() && app.rows("SELECT 1 FROM tokens").await.is_empty());
    assert_eq!(admin.post(&format!("/people/{id}/invite"), &[]).await.status, 422);
    let form = [("customer_id", "1"), ("is_admin", "true")];
    assert_eq!(admin.post(&format!("/people/{id}/admin"), &form).await.status, 422);
    // A rival's administrator can't take it in, and get a say.
    app.sql("UPDATE memberships SET is_admin = true").await;
    let rival = app.rival().await;
    let form = [("customer", "RIVAL"), ("email", EMAIL), ("name", "x")];
    assert_eq!(rival.post("/people", &form).await.status, 422);
    let form = [("customer", "RIVAL"), ("email", "new@service.invalid"), ("name", "x")];
    assert_eq!(rival.post("/people", &form).await.status, 422);
    let environment = app.environment().to_vec();
    let (code, _, stderr) = run(&environment, &["user", "invite", EMAIL]).await;
    assert!(code == 1 && stderr.contains("service account"), "{stderr}");
    let (_, stdout, _) = run(&environment, &["user", "list"]).await;
    let line = stdout.lines().find(|line| line.starts_with(EMAIL)).unwrap();
    assert!(line.contains("service account"), "{line}");
    let mut connection = primetrade::db::connect(&app.database).await.unwrap();
    let update = diesel::sql_query("UPDATE users SET password_hash = 'x' WHERE is_service");
    let error = diesel_async::RunQueryDsl::execute(update, &mut connection).await.unwrap_err().to_string();
    assert!(error.contains("users_service_has_no_password"), "{error}");
    let page = app.user(World::ADMIN).await.get(&format!("/office/users/{id}")).await;
    assert!(page.text().contains("Service account") && !page.text().contains("Resend invitation"));
    assert!(app.rows("SELECT 1 FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.is_service").await.is_empty());
}

/// The maker reads that a token ends; without the maker, the administrators do.
#[tokio::test(flavor = "multi_thread")]
async fn the_maker_or_the_administrators_learn_that_a_service_token_ends() {
    let app = App::start().await;
    let (admin, place) = with_account(&app).await;
    make(&admin, &place, "one", "bols:read").await;
    let now = app.clock.now() + chrono::TimeDelta::days(80);
    let remind = async || {
        app.sql("DELETE FROM mails; UPDATE api_tokens SET reminded_at = NULL").await;
        reminder::remind(&app.db(), now).await.unwrap();
        app.mails().await.into_iter().map(|mail| mail.to_address).collect::<Vec<_>>()
    };
    assert_eq!(remind().await, [World::COLLEAGUE]);
    assert_eq!(app.mail_to(World::COLLEAGUE).await.letter["notice"]["service"], "ERP gateway");
    app.sql("UPDATE users SET active = false WHERE email = 'dock@acme.example'").await;
    assert_eq!(remind().await, [World::ADMIN], "the company has no other administrator");
    app.sql("UPDATE memberships SET is_admin = true WHERE user_id = (SELECT id FROM users WHERE email = 'buyer@acme.example')").await;
    assert_eq!(remind().await, [World::ACME]);
}
