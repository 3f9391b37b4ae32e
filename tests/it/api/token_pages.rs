//! *Account*, *API tokens*: by form, with and without a script. And the email before the end.

use chrono::TimeDelta;
use primetrade::accounts::api_tokens::reminder;

use crate::support::{Action, Actor, Answer, App, PASSWORD, Program, World, run};

const HERE: &str = "/account/tokens";

/// The fields of the form, with the key of the page.
async fn form(actor: &Actor, more: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    let key = actor.get(HERE).await.attributes("input[name=form_key]", "value").remove(0);
    let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
    [("form_key", key)].into_iter().chain(more).collect()
}

async fn post(actor: &Actor, path: &str, form: &[(&'static str, String)]) -> Answer {
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    actor.send(path, &form).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_made_shown_once_used_and_revoked() {
    let app = App::start().await;
    let acme = app.acme().await;
    let typed = [
        ("name", " ERP  gateway "),
        ("scope", "bols:read"),
        ("scope", "documents:read"),
        ("days", "30"),
        ("networks", "127.0.0.0/8\n2001:db8::/32"),
    ];
    let form = form(&acme, &typed).await;
    let made = post(&acme, HERE, &form).await;
    assert_eq!(
        (made.status, made.one("h1"), made.header("cache-control")),
        (200, "The token ERP gateway".into(), "no-store")
    );
    let secret = made.one("code.secret");
    assert!(secret.starts_with("ptk_") && secret.len() == 53, "{secret}");
    // A reload sends the form again, which makes no second token and shows no first.
    let again = post(&acme, HERE, &form).await;
    assert_eq!((again.status, again.header("location")), (303, "/account/tokens?done=made"));
    assert!(acme.get("/account/tokens?done=made").await.one("[role=status]").contains("not shown again"));
    let created = app.events().await.single(Action::TokenCreated);
    assert_eq!((created.email(), created.detail("owner")), (World::ACME, World::ACME.into()));
    assert_eq!(created.detail["token"]["name"], "ERP gateway");
    assert_eq!(created.detail("networks"), "[\"127.0.0.0/8\",\"2001:db8::/32\"]");
    assert_eq!(created.detail("scopes"), "[\"bols:read\",\"documents:read\"]");
    let mail = app.mail_to(World::ACME).await;
    assert_eq!((mail.purpose.as_str(), mail.letter["notice"]["token"].as_str()), ("security", Some("ERP gateway")));

    let program = app.stranger().with_token(&secret);
    let request = program.request(reqwest::Method::GET, "/api/bols").header("user-agent", "erp/1.2");
    assert_eq!(Answer::of(request).await.status, 200);
    let list = acme.get(HERE).await;
    assert!(!list.text().contains(&secret), "shown once");
    let row = list.one("tbody tr");
    for part in ["ERP gateway", "bols:read, documents:read", "from 127.0.0.0/8, 2001:db8::/32", "127.0.0.1, erp/1.2"] {
        assert!(row.contains(part), "{part} in {row}");
    }
    let id = created.detail["token"]["id"].to_string();
    let question = acme.get(&format!("{HERE}/{id}/revoke")).await;
    assert!(question.one("h1").contains("ERP gateway"), "{}", question.text());
    for other in [app.rival().await, app.user(World::COLLEAGUE).await, app.user(World::ADMIN).await] {
        assert_eq!(other.get(&format!("{HERE}/{id}/revoke")).await.status, 404);
        assert_eq!(other.post(&format!("{HERE}/{id}/revoke"), &[]).await.status, 404);
    }
    assert_eq!(program.get("/api/bols").await.status, 200);
    acme.expect_saved(&format!("{HERE}/{id}/revoke"), &[], "/account/tokens?done=revoked").await;
    assert_eq!(program.get("/api/bols").await.status, 401);
    assert_eq!(app.events().await.single(Action::TokenRevoked).email(), World::ACME);
    assert_eq!(acme.get(HERE).await.all("tbody .button"), Vec::<String>::new());
    let stored = app.rows("SELECT t::text FROM api_tokens t UNION ALL SELECT m::text FROM mails m UNION ALL SELECT e::text FROM audit_events e").await;
    assert!(stored.iter().all(|row| !row.contains(&secret[4..])), "the secret is stored nowhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_form_comes_back_and_offers_only_what_the_role_has() {
    let app = App::start().await;
    let acme = app.acme().await;
    let offered = acme.get(HERE).await.attributes("input[name=scope]", "value");
    assert_eq!(offered, ["bols:read", "documents:read"]);
    let auditor = app.auditor().await.get(HERE).await.attributes("input[name=scope]", "value");
    assert_eq!(auditor, ["bols:read", "log:read"]);
    let right = [("form_key", "k"), ("name", "ERP"), ("scope", "bols:read"), ("days", "90"), ("networks", "")];
    for (name, value, field, message) in [
        ("name", " ", "name", "Type a name of up to 100 characters, such as the system that uses the token."),
        ("scope", "bols:issue", "scope", "Tick what the token may do."),
        ("scope", "", "scope", "Tick what the token may do."),
        ("days", "366", "days", "Type a number of days from 1 to 365."),
        ("days", "0", "days", "Type a number of days from 1 to 365."),
        (
            "networks",
            "203.0.113.5/24",
            "networks",
            "203.0.113.5/24 is an address within 203.0.113.0/24. Type the one or the other.",
        ),
    ] {
        let form = right.map(|(known, typed)| (known, if known == name { value } else { typed }));
        let page = acme.expect_refused(HERE, &form, field, message).await;
        page.expect_summary(field);
        assert_eq!(page.value("days"), if name == "days" { value } else { "90" });
        assert_eq!(page.attributes("input[name=form_key]", "value"), ["k"]);
    }
    assert!(app.rows("SELECT id FROM api_tokens").await.is_empty());
    assert!(app.events().await.only(Action::TokenCreated).is_empty());
}

/// Making one needs a fresh proof. The form is carried over it.
#[tokio::test(flavor = "multi_thread")]
async fn making_a_token_needs_a_fresh_proof() {
    let app = App::start().await;
    let acme = app.acme().await;
    let form = form(&acme, &[("name", "ERP"), ("scope", "bols:read"), ("days", "90")]).await;
    app.clock.advance(TimeDelta::minutes(10));
    let asked = post(&acme, HERE, &form).await;
    assert_eq!((asked.status, asked.one("h1")), (403, "Confirm that it’s you".into()));
    let hidden = |name: &str| asked.attributes(&format!("form[action='/confirm'] input[name='{name}']"), "value");
    let names = ["draft", "user", "typed.form_key", "typed.name", "typed.scope", "typed.days"];
    let mut confirm: Vec<(&'static str, String)> = names.iter().map(|name| (*name, hidden(name).remove(0))).collect();
    confirm.push(("password", PASSWORD.into()));
    let proven = post(&acme, "/confirm", &confirm).await;
    assert_eq!((proven.status, proven.header("location")), (307, "/account/tokens?confirmed"));
    let made = post(&acme, "/account/tokens?confirmed", &confirm).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let program = app.stranger().with_token(&made.one("code.secret"));
    assert_eq!(program.get("/api/bols").await.status, 200);
    // Revoking needs none, because it protects.
    app.clock.advance(TimeDelta::minutes(10));
    assert_eq!(acme.post("/account/tokens/1/revoke", &[]).await.status, 303);
    assert_eq!(program.get("/api/bols").await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_leaves_tokens_and_a_disabled_login_has_none() {
    let app = App::start().await;
    let acme = app.acme().await;
    let program = app.program(World::ACME).await;
    let new = "correct-horse-of-the-quay-9";
    let form = [("current_password", PASSWORD), ("new_password", new), ("repeat_password", new)];
    acme.expect_saved("/account/password", &form, "/account?done=password").await;
    assert_eq!(program.get("/api/bols").await.status, 200);
    assert!(acme.get("/account").await.text().contains("It doesn’t end <a href=\"/account/tokens\">API tokens</a>"));
    let environment = app.environment().to_vec();
    let (code, stdout, _) = run(&environment, &["token", "list"]).await;
    assert!(code == 0 && stdout.contains(World::ACME) && !stdout.contains("ptk_"), "{stdout}");
    assert_eq!(run(&environment, &["user", "disable", World::ACME]).await.0, 0);
    assert_eq!(app.events().await.single(Action::UserDisabled).detail("tokens"), "1");
    assert_eq!(program.get("/api/bols").await.status, 401);
    assert_eq!(run(&environment, &["user", "enable", World::ACME]).await.0, 0);
    assert_eq!(program.get("/api/bols").await.status, 401, "its tokens stay revoked");
    let other = app.program(World::RIVAL).await;
    let (code, stdout, _) = run(&environment, &["token", "revoke", "2"]).await;
    assert_eq!((code, stdout.as_str()), (0, "revoked Token of buyer@rival.example\n"));
    assert_eq!(other.get("/api/bols").await.status, 401);
    assert_eq!(app.events().await.single(Action::TokenRevoked).email(), "command line");
    assert_eq!(run(&environment, &["token", "revoke", "2"]).await.0, 1);
}

/// Two weeks before the end, once for each token, and not for one that was made for less.
#[tokio::test(flavor = "multi_thread")]
async fn an_email_says_that_a_token_ends_soon() {
    let app = App::start().await;
    app.program(World::ACME).await;
    app.program(World::RIVAL).await;
    app.sql("UPDATE api_tokens SET expires_at = created_at + interval '10 days' WHERE id = 2").await;
    let now = app.clock.now();
    let remind = async |days: i64| reminder::remind(&app.db(), now + TimeDelta::days(days)).await.unwrap();
    assert_eq!((remind(0).await, remind(75).await), (0, 0));
    assert_eq!((remind(77).await, remind(78).await), (1, 0), "once");
    let mail = app.mail_to(World::ACME).await;
    assert_eq!((mail.purpose.as_str(), mail.letter["notice"]["kind"].as_str()), ("token-ends", Some("token-ends")));
    assert_eq!(app.mails().await.len(), 1);
    // One that is revoked needs none.
    app.program(World::AUDITOR).await;
    app.sql("UPDATE api_tokens SET revoked_at = now()").await;
    assert_eq!(remind(80).await, 0);
}

/// Neither the header nor a URL puts a token into the server's log, whatever its level.
#[tokio::test(flavor = "multi_thread")]
async fn the_servers_log_holds_no_token() {
    let app = App::start_with(&[("RUST_LOG", "trace")]).await;
    let tokens = [app.token(World::ACME, &["bols:read"]).await, app.token(World::ACME, &["bols:read"]).await];
    let folder = tempfile::TempDir::new().unwrap();
    let mut program = Program::start(folder.path(), app.environment(), &["serve"]);
    let actor = Actor::new(&program.address().await);
    assert_eq!(actor.with_token(&tokens[0]).get("/api/bols").await.status, 200);
    assert_eq!(actor.get(&format!("/bols/{}?token={0}", tokens[1])).await.status, 401);
    let encoded: String = tokens[1].bytes().map(|byte| format!("%{byte:02x}")).collect();
    assert_eq!(actor.get(&format!("/x/{encoded}")).await.status, 401);
    program.signal(rustix::process::Signal::TERM);
    let (_, log) = program.end().await;
    assert!(log.contains("/bols/ptk_[hidden]") && log.contains("/ptk_[hidden]"), "{log}");
    for token in &tokens {
        assert!(!log.contains(&token[4..]) && !log.contains(&encoded), "a token in\n{log}");
    }
}

/// However many were revoked or have expired since.
#[tokio::test(flavor = "multi_thread")]
async fn ended_tokens_hide_none_that_works() {
    let app = App::start().await;
    app.token(World::ACME, &["bols:read"]).await;
    app.sql(
        "INSERT INTO api_tokens (user_id, form_key, name, scopes, token_hash, created_at, expires_at, revoked_at)
         SELECT user_id, 'k' || n, 'Ended ' || n, scopes, sha256(convert_to(n::text, 'UTF8')), now() - interval '2 days',
                CASE WHEN n % 2 = 0 THEN now() - interval '1 day' ELSE expires_at END, CASE WHEN n % 2 = 1 THEN now() END
         FROM api_tokens, generate_series(1, 120) n",
    )
    .await;
    let page = app.acme().await.get("/account/tokens").await;
    assert!(page.attributes("main a", "href").contains(&"/account/tokens/1/revoke".to_owned()), "{}", page.text());
}
