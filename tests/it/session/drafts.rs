//! Nothing typed is lost when the session has ended, the database is away, or a form is too large. A draft changes
//! nothing.

use std::collections::BTreeMap;

use reqwest::Method;
use scraper::{Html, Selector};

use crate::support::scan::paper;
use crate::support::{Action, Actor, Answer, App, Load, PASSWORD, World, execute, migrated_database};

type Pairs = Vec<(String, String)>;

/// Sends a form as a browser does.
async fn send(actor: &Actor, path: &str, form: &[(String, String)]) -> Answer {
    let request = actor.request(Method::POST, path).header("accept", "text/html,application/xhtml+xml").form(form);
    Answer::of(request.header("sec-fetch-site", "same-origin")).await
}

/// The hidden fields of the page's form to this address.
fn hidden(page: &Answer, action: &str) -> Pairs {
    let html = Html::parse_document(&page.text());
    let selector = Selector::parse(&format!("form[action=\"{action}\"] input[type=hidden]")).unwrap();
    let inputs = html.select(&selector);
    inputs.map(|input| (input.attr("name").unwrap().into(), input.attr("value").unwrap().into())).collect()
}

fn typed(form: &[(&str, &str)]) -> Pairs {
    form.iter().map(|(name, value)| (format!("typed.{name}"), (*value).to_owned())).collect()
}

/// The addresses in the table of forms, with whether they show a form again.
fn forms() -> Vec<(String, bool)> {
    let routes = include_str!("../../../src/web/form_address.rs");
    let table = routes.split("const FORMS").nth(1).unwrap().split("];").next().unwrap();
    let entry = |line: &str| Some((line.split('"').nth(1)?.to_owned(), line.contains(".restored()")));
    let found: Vec<_> = table.lines().filter(|line| line.contains("FormAddress::")).filter_map(entry).collect();
    assert!(found.len() > 30, "{found:?}");
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_sent_after_the_session_ended_comes_back_after_the_login() {
    let app = App::ready_to_issue().await;
    let office = app.office().await;
    let load = Load::today(&app).await.with("special_instructions", "Line 1\r\n<b>\"quoted\"</b> & Ümlaut");
    app.sql("DELETE FROM sessions").await;
    let page = send(&office, "/office/bols", &load.0).await;
    assert_eq!((page.status, page.one("h1")), (401, "Log in".into()));
    assert!(page.one("[role=status]").contains("Your session has ended"), "{}", page.text());
    // A wrong password keeps the draft.
    let login = |fields: &[(String, String)], password: &str| {
        let own = [("email", World::OFFICE), ("password", password)].map(|(a, b)| (a.to_owned(), b.to_owned()));
        [fields, &own[..]].concat()
    };
    let again = send(&office, "/login", &login(&hidden(&page, "/login"), "not my password at all")).await;
    assert_eq!((again.status, again.text().starts_with("<!doctype html>")), (422, true));
    assert!(!again.text().contains("not my password"), "a password comes back");
    let form = login(&hidden(&again, "/login"), PASSWORD);
    let done = send(&office, "/login", &form).await;
    assert_eq!((done.status, done.header("location")), (307, "/office/bols?draft=session"));
    // The browser sends the same form there.
    let back = send(&office, "/office/bols?draft=session", &form).await;
    assert_eq!((back.status, back.one("#problem strong")), (200, "Not issued yet.".into()));
    assert!(back.one("title").starts_with("Not issued yet: "));
    assert!(!back.text().contains(PASSWORD));
    for (name, value) in &load.0 {
        let shown =
            [back.attributes(&format!("input#{name}"), "value"), back.all(&format!("textarea#{name}"))].concat();
        let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(shown.is_empty() || flat(&shown[0]) == flat(value), "{name}: {shown:?}");
    }
    assert_eq!(back.attributes("#customer option[selected]", "value"), ["ACME"]);
    assert_eq!(app.count("bols").await, 5, "nothing was issued");
    assert!(app.events().await.only(Action::BolCreated).is_empty());
    load.issue(&office).await;
}

/// Fields with which each form of the table would change something.
fn everything(load: Load) -> Pairs {
    let mut fields: BTreeMap<String, String> = load.0.into_iter().collect();
    let further = "name=Changed&code=NEWCO&address=9 New Road&number=L-9&truck_number=T-9&reason=Wrong truck&active=true\
                   &official_weight_lb=46,000&company_name=Changed&company_address=9 New Road&unsigned_days=9\
                   &collect_days=9&is_admin=true&security_contact=https://terminal.example/x&email=new@acme.example\
                   &role=customer&storage_gb_month=9&put_thousand=9&get_thousand=9&egress_gb=9&id=1&ship_to=9 New Road\
                   &address_email=dock@acme.example&customer_id=1&carrier=1";
    fields
        .extend(further.split('&').filter_map(|pair| pair.split_once('=')).map(|(a, b)| (a.to_owned(), b.to_owned())));
    fields.into_iter().collect()
}

/// Each form of the table gets a change that it would make, as a draft and in earnest.
#[tokio::test(flavor = "multi_thread")]
async fn a_draft_changes_nothing_on_any_form() {
    let app = App::ready_to_issue().await;
    app.sql(
        "INSERT INTO products (id, name) VALUES (1, 'Iron'); INSERT INTO lots (id, number, product_id) VALUES (1, 'L-1', 1); \
         INSERT INTO carriers (id, name) VALUES (1, 'River'); \
         INSERT INTO trucks (id, carrier_id, truck_number) VALUES (1, 1, 'T-1')",
    )
    .await;
    let admin = app.user(World::ADMIN).await;
    app.make_company_admin(World::ACME).await;
    let acme = app.acme().await;
    let user = app.user_id(World::COLLEAGUE).await.to_string();
    let sent = everything(Load::today(&app).await);
    let draft: Pairs = sent.iter().map(|(name, value)| (format!("typed.{name}"), value.clone())).collect();
    let state = async || {
        let tables =
            ["bols", "customers", "users", "memberships", "products", "lots", "carriers", "trucks", "settings"];
        (
            app.contents(&tables).await,
            app.contents(&["ship_tos", "documents", "tokens"]).await,
            app.events().await.len(),
        )
    };
    let mut earnest = Vec::new();
    for (pattern, is_restored) in forms() {
        let actor = if pattern.starts_with("/people") { &acme } else { &admin };
        for change in ["name", "join", "ship-tos", "addresses", "disable"] {
            let id = if pattern.contains("/users/") { &user } else { "1" };
            let path = pattern.replace("{id}", id).replace("{code}", "ACME").replace("{number}", World::ACME_BOL);
            let path = path.replace("{change}", change);
            let before = state().await;
            let answer = send(actor, &format!("{path}?draft=session"), &draft).await;
            assert_eq!(state().await, before, "{path}");
            let expected = if is_restored { [200, 404] } else { [400, 400] };
            assert!(expected.contains(&answer.status), "{path}: {} {}", answer.status, answer.text());
            if is_restored && answer.status == 200 {
                assert!(answer.one("#problem strong").contains(" yet."), "{path}");
                assert!(answer.all(".error").is_empty(), "{path}");
            }
            if !pattern.contains("{change}") {
                break;
            }
        }
        if is_restored && !pattern.contains("{change}") && !pattern.contains("/carriers/{id}") {
            let path = pattern.replace("{id}", "1").replace("{code}", "ACME").replace("{number}", World::ACME_BOL);
            earnest.push((send(actor, &path, &sent).await.status, path));
        }
    }
    // The same forms change something without the word.
    assert!(earnest.iter().filter(|(status, _)| *status == 303).count() >= 9, "{earnest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_comes_back_after_the_database_was_away() {
    let app = App::ready_to_issue().await;
    let office = app.office().await;
    let name = app.rows("SELECT current_database()").await.remove(0);
    let other = migrated_database().await;
    execute(&other, &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await;
    let end = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname = '{name}'"
    );
    execute(&other, &end).await;
    let form = [("name", "Acme Steel Works"), ("address", "1 Mill Street\nMobile, AL")];
    let form: Pairs = form.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let away = send(&office, "/office/customers/ACME", &form).await;
    assert_eq!((away.status, away.one(".fault button")), (503, "Back to the form".into()));
    assert!(away.one("title").starts_with("Error: "));
    let action = away.attributes(".fault form", "action").remove(0);
    assert_eq!(action, "/office/customers/ACME?draft=unavailable");
    let kept = hidden(&away, &action);
    let still_away = send(&office, &action, &kept).await;
    assert_eq!((still_away.status, hidden(&still_away, &action)), (503, kept.clone()), "as often as it takes");
    execute(&other, &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await;
    let back = send(&office, &action, &kept).await;
    assert_eq!((back.status, back.one("#problem strong")), (200, "Not saved yet.".into()));
    assert_eq!(back.attributes("#details-name", "value"), ["Acme Steel Works"]);
    assert_eq!(back.one("#details-address"), "1 Mill Street Mobile, AL");
    assert_eq!(office.get("/office/customers/ACME").await.attributes("#details-name", "value"), ["Acme Steel"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_too_large_comes_back_whole() {
    let app = App::ready_to_issue().await;
    let office = app.office().await;
    let long = "a line of 20 letters\n".repeat(10_000);
    let load = Load::today(&app).await.with("special_instructions", &long);
    let page = send(&office, "/office/bols", &load.0).await;
    assert_eq!((page.status, page.one(".fault button")), (413, "Back to the form".into()));
    assert!(page.one(".lede").contains("128 KB"));
    let action = "/office/bols?draft=large";
    let back = send(&office, action, &hidden(&page, action)).await;
    assert_eq!((back.status, back.attributes("#lot", "value")), (200, vec!["PI-25-1107".to_owned()]));
    assert_eq!(back.one("#special_instructions").len(), long.trim().len());
    assert!(back.one("#problem").contains("shorten the longest text"));
    // Beyond a megabyte the page leads back to an empty form, and strangers get no more than any form may have.
    let huge = load.with("special_instructions", &"x".repeat(1_200_000));
    let page = send(&office, "/office/bols", &huge.0).await;
    assert_eq!((page.status, page.attributes(".fault .primary", "href")), (413, vec!["/office/bols/new".to_owned()]));
    assert_eq!(send(&app.stranger(), "/office/bols", &huge.0).await.status, 303);
    assert_eq!(send(&app.stranger(), "/password-reset", &[("email".into(), "x".repeat(140_000))]).await.status, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_as_someone_else_keeps_the_form_too() {
    let app = App::ready_to_issue().await;
    let acme = app.acme().await;
    let load = Load::today(&app).await;
    let page = send(&acme, "/office/bols", &load.0).await;
    assert_eq!((page.status, page.one("h1")), (403, "Log in".into()));
    assert!(page.one("[role=status]").contains("You are logged in as Somebody now"));
    assert_eq!(app.events().await.only(Action::AccessDenied).len(), 1, "refused like any other");
    let own = [("email", World::OFFICE), ("password", PASSWORD)].map(|(a, b)| (a.to_owned(), b.to_owned()));
    let form = [hidden(&page, "/login"), own.into()].concat();
    assert_eq!(send(&acme, "/login", &form).await.status, 307);
    let back = send(&acme, "/office/bols?draft=session", &form).await;
    assert_eq!((back.status, back.attributes("#lot", "value")), (200, vec!["PI-25-1107".to_owned()]));
    // Scripts get the short answers.
    let script = load.post(&app.acme().await, "/office/bols").await;
    assert_eq!((script.status, script.one("h1")), (403, "Your role doesn't include this page".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn drafts_lead_nowhere_else_and_carry_no_secrets() {
    let app = App::ready_to_issue().await;
    let stranger = app.stranger();
    let own = [("email", World::OFFICE), ("password", PASSWORD), ("next", "/office")];
    for draft in [
        "https://evil.example",
        "//evil.example",
        "/office/bols/preview",
        "/logout",
        "/bols",
        "/office/bols?x=1",
        "/login",
    ] {
        let form: Vec<(&str, &str)> = own.iter().copied().chain([("draft", draft), ("typed.lot", "L-1")]).collect();
        let answer = app.stranger().post("/login", &form).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/office"), "{draft}");
    }
    let secrets = [("name", "Jane"), ("current_password", "sesame-1"), ("token", "sesame-2")];
    let secrets: Pairs = secrets.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let page = send(&stranger, "/office/customers", &secrets).await;
    assert!(page.text().contains("Jane") && !page.text().contains("sesame"), "{}", page.text());
    // A page of another site can't fill in a form, not even through the login.
    for path in ["/office/bols", "/office/bols?draft=session", "/login"] {
        let form = typed(&[("lot", "L-666")]);
        let request = stranger.request(Method::POST, path).header("accept", "text/html").form(&form);
        let answer = Answer::of(request.header("sec-fetch-site", "cross-site")).await;
        assert_eq!((answer.status, answer.text().contains("L-666")), (403, false), "{path}");
    }
    // An upload can't be kept; the login leads back to its page.
    let upload = stranger.request(Method::POST, "/office/upload").header("accept", "text/html");
    let upload = upload.multipart(reqwest::multipart::Form::new().text("kind", "bol"));
    let login = "/login?next=%2Foffice%2Fupload%3Fdone%3Dnot-done";
    assert_eq!(Answer::of(upload).await.header("location"), login);
}

#[tokio::test(flavor = "multi_thread")]
async fn filing_and_assigning_come_back_too() {
    let app = App::ready_to_issue().await;
    let office = app.office().await;
    let mut waiting = Vec::new();
    for name in ["one.pdf", "two.pdf"] {
        waiting.push(office.upload(&[("kind", "other")], name, &paper(name)).await.document_id(0).to_string());
    }
    let row = format!("/office/documents/{}/file", waiting[0]);
    let bulk = [("document", &*waiting[1]), ("number", "25-3"), ("kind", "invoice"), ("action", "file")];
    let assign = [("number", World::ACME_BOL), ("number", World::LOOSE_BOL), ("customer", "RIVAL"), ("owners", "x")];
    app.sql("DELETE FROM sessions").await;
    let mut drafts = Vec::new();
    for (path, form) in [
        (&*row, &[("number", "25-5"), ("kind", "scale-ticket")][..]),
        ("/office/inbox", &bulk),
        ("/office/bols/assign", &assign),
    ] {
        let form: Pairs = form.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let page = send(&office, path, &form).await;
        assert_eq!((page.status, page.one("h1")), (401, "Log in".into()), "{path}");
        drafts.push((format!("{path}?draft=session"), hidden(&page, "/login")));
    }
    let office = app.office().await;
    let back = send(&office, &drafts[0].0, &drafts[0].1).await;
    assert_eq!((back.status, back.one("#problem strong")), (200, "Not done yet.".into()));
    assert_eq!(back.value(&format!("number-{}", waiting[0])), "25-5");
    assert_eq!(back.attributes(&format!("#kind-{} option[selected]", waiting[0]), "value"), ["scale-ticket"]);
    let back = send(&office, &drafts[1].0, &drafts[1].1).await;
    assert_eq!((back.one("#problem strong"), back.value("bulk-number")), ("Not done yet.".into(), "25-3".into()));
    assert_eq!(back.attributes("input[name=document][checked]", "value"), [waiting[1].clone()]);
    let back = send(&office, &drafts[2].0, &drafts[2].1).await;
    assert_eq!((back.one("#problem strong"), back.all("tbody tr").len()), ("Not assigned yet.".into(), 2));
    assert_eq!(back.one("form.finish .primary"), "Assign to Rival Iron");
    assert_eq!(back.attributes("input[name=owners]", "value"), ["PRT-2025-0001=ACME,PRT-2025-0004="]);
    assert!(app.events().await.any_of(&[Action::DocumentFiled, Action::BolAssigned]).is_empty());
}

/// A form without anything typed isn't kept. The page that has it says after the login that nothing was done.
#[tokio::test(flavor = "multi_thread")]
async fn a_button_leads_back_to_its_page_which_says_that_nothing_was_done() {
    let app = App::start().await;
    let (stranger, admin) = (app.stranger(), app.user(World::ADMIN).await);
    for (path, page) in [
        ("/account/mail", "/account"),
        ("/office/remind", "/office"),
        ("/office/bols/assign/undo", "/bols"),
        ("/office/documents/1/unfile", "/office/inbox"),
        ("/office/customers/ACME/see-as", "/office/customers/ACME"),
        ("/office/settings/originals", "/office/settings"),
        ("/office/upload", "/office/upload"),
        ("/audit/integrity", "/audit/integrity"),
    ] {
        let asked = send(&stranger, path, &[]).await;
        let next = format!("{page}?done=not-done");
        let login = url::form_urlencoded::byte_serialize(next.as_bytes()).collect::<String>();
        assert_eq!((asked.status, asked.header("location")), (303, &*format!("/login?next={login}")), "{path}");
        let back = admin.get(&next).await;
        assert_eq!((back.status, back.one("#problem strong")), (200, "Not done yet.".into()), "{path}");
        assert!(back.one("head title").starts_with("Not done yet: "), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_address_of_a_form_answers_405_to_a_reload() {
    let app = App::ready_to_issue().await;
    let (admin, stranger) = (app.user(World::ADMIN).await, app.stranger());
    app.make_company_admin(World::ACME).await;
    let acme = app.acme().await;
    // For the addresses that name one.
    app.sql(&format!(
        "INSERT INTO passkeys (user_id, credential_id, credential, name, created_at, sign_count, backup_eligible, backed_up)
         SELECT id, 'x', '{{}}', 'Phone', now(), 0, false, false FROM users WHERE email = '{}'",
        World::ADMIN
    ))
    .await;
    app.sql("INSERT INTO users (id, email, name, role, is_service) OVERRIDING SYSTEM VALUE VALUES (77, 'erp.acme@service.invalid', 'ERP', 'customer', true);
             INSERT INTO memberships (user_id, customer_id) SELECT 77, id FROM customers WHERE code = 'ACME'")
        .await;
    for email in [World::ADMIN, "erp.acme@service.invalid"] {
        app.token(email, &["bols:read"]).await;
    }
    app.insert_webhooks().await;
    for (pattern, _) in forms() {
        let actor = if pattern.starts_with("/people") { &acme } else { &admin };
        let (user, token) = if pattern.contains("service-accounts") { ("77", "2") } else { ("1", "1") };
        let path = pattern.replace("{number}", World::ACME_BOL).replace("{code}", "ACME").replace("{change}", "name");
        let path = path.replace("{id}", user).replace("{token}", token).replace("{delivery}", "1");
        let mut answer = actor.get(&path).await;
        for _ in 0..3 {
            if answer.status == 303 {
                answer = actor.get(answer.header("location")).await;
            }
        }
        // Without a number there is nothing to assign.
        let expected = if pattern.ends_with("/assign") { 422 } else { 200 };
        assert_eq!(answer.status, expected, "{path}");
        assert!(stranger.get(&path).await.header("location").starts_with("/login"), "{path}");
    }
    // Only programs use addresses that take a body and have no page.
    let routes = include_str!("../../../src/web/routes.rs").replace(char::is_whitespace, "");
    let without_page = routes
        .split("resource(\"")
        .skip(1)
        .filter(|rest| rest.split_once("\")").is_some_and(|(_, rest)| rest.starts_with(".route(post()")));
    assert_eq!(without_page.count(), 0, "write form(…) instead of resource(…)");
    let known: Vec<String> = forms().into_iter().map(|(pattern, _)| pattern).collect();
    for pattern in routes.split("form(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(known.iter().any(|known| known == pattern), "{pattern} is missing in FORMS");
    }
    for path in ["/api/bol/", "/api/bol"] {
        assert_eq!(admin.get(path).await.status, 405, "{path} is for programs");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_login_page_says_why_it_is_there() {
    let app = App::start().await;
    let why = async |actor: &Actor, path: &str| {
        let redirect = actor.get(path).await;
        let page = actor.get(redirect.header("location")).await;
        page.all("[role=status]").concat()
    };
    assert_eq!(why(&app.stranger(), "/").await, "");
    assert_eq!(why(&app.stranger(), "/bols").await, "Log in to see this page.");
    let acme = app.acme().await;
    app.sql("DELETE FROM sessions").await;
    assert_eq!(why(&acme, "/bols").await, "Your session has ended. Log in to continue.");
    let acme = app.acme().await;
    let out = acme.post("/logout", &[]).await;
    assert_eq!(acme.get(out.header("location")).await.one("[role=status]"), "You have been logged out.");
    assert_eq!(why(&acme, "/bols").await, "Log in to see this page.", "the cookie is gone");
    assert_eq!(app.stranger().get("/login?done=%3Cscript%3E").await.all("[role=status]").len(), 0);
}
