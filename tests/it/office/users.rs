//! Managing users: by the office, by administrators, and by a company's own administrators.

use crate::support::{Action, Actor, App, Mail, PASSWORD, World};

const CHOSEN: &str = "four barges upstream 1851";

/// Sets a password with the link of an invitation, and logs in.
async fn accept(app: &App, mail: &Mail) -> Actor {
    let link = mail.link(&format!("{}/invitation?token=", app.url));
    let token = link.rsplit('=').next().unwrap();
    let actor = app.stranger();
    assert_eq!(actor.get(&link).await.status, 200);
    let form = [("token", token), ("new_password", CHOSEN), ("repeat_password", CHOSEN)];
    assert_eq!(actor.post("/invitation", &form).await.status, 303);
    actor.log_in(&mail.to, CHOSEN).await
}

fn person<'a>(email: &'a str, role: &'a str, customer: &'a str) -> Vec<(&'static str, &'a str)> {
    vec![("email", email), ("name", "Jo Smith"), ("role", role), ("customer", customer)]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invited_user_sees_the_companys_bols() {
    let (app, mut smtp) = App::with_mail().await;
    let office = app.office().await;
    let answer = office.post("/office/users", &person("jo@acme.example", "customer", "ACME")).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/office/users?done=invited"));
    let mail = smtp.next().await;
    assert_eq!(
        (mail.to.as_str(), mail.subject.as_str()),
        ("jo@acme.example", "Your login for the PrimeTrade BOL portal")
    );
    assert!(mail.text.starts_with("Hello Jo Smith,") && mail.text.contains("of Acme Steel"), "{}", mail.text);
    let list = office.get("/office/users?find=jo@").await;
    assert!(
        list.one("tbody").contains("Jo Smith jo@acme.example Customer ACME Invited The link works until"),
        "{}",
        list.one("tbody")
    );
    let jo = accept(&app, &mail).await;
    assert_eq!(jo.get("/").await.header("location"), "/bols");
    assert_eq!(jo.get("/bols").await.all("tbody .number").len(), 3);
    assert!(office.get("/office/users?find=jo@").await.one("tbody").ends_with("Active"));
    smtp.quiet(2).await;
    let invited = app.events().await.only(Action::UserInvited);
    let invited = invited.list(|event| (event.email(), event.customer(), event.detail("email")));
    assert!(invited.contains(&(World::OFFICE, "ACME", "jo@acme.example".into())), "{invited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_invitations_of_one_person_at_once_become_one() {
    let app = App::start().await;
    let (office, admin) = (app.office().await, app.user(World::ADMIN).await);
    for n in 0..5 {
        let email = format!("jo{n}@acme.example");
        let form = person(&email, "customer", "ACME");
        let (one, two) = tokio::join!(office.post("/office/users", &form), admin.post("/office/users", &form));
        let mut statuses = [one.status, two.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 422]);
    }
    let mails = app.mails().await;
    assert_eq!(mails.iter().filter(|mail| mail.purpose == "invitation").count(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_sent_again_replaces_the_former_one() {
    let (app, mut smtp) = App::with_mail().await;
    let office = app.office().await;
    office.post("/office/users", &person("jo@acme.example", "customer", "ACME")).await;
    let first = smtp.next().await;
    let id = app.user_id("jo@acme.example").await;
    // A second click sends no second mail.
    let twice = office.post(&format!("/office/users/{id}/invite"), &[]).await;
    assert_eq!(twice.header("location"), format!("/office/users/{id}?done=sent"));
    assert!(office.get(twice.header("location")).await.one("[role=status]").contains("nothing was sent now"));
    smtp.quiet(3).await;
    app.clock.advance(chrono::TimeDelta::minutes(2));
    let answer = office.post(&format!("/office/users/{id}/invite"), &[]).await;
    assert_eq!(answer.header("location"), format!("/office/users/{id}?done=resent"));
    let second = smtp.next().await;
    let link = first.link(&format!("{}/invitation?token=", app.url));
    assert_eq!(app.stranger().get(&link).await.status, 410, "superseded");
    accept(&app, &second).await;
    let again = office.post(&format!("/office/users/{id}/invite"), &[]).await;
    assert_eq!(again.status, 422);
    assert!(again.one(".message.problem").contains("has already set a password"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_keeps_typed_values_beside_each_mistake() {
    let app = App::start().await;
    let office = app.office().await;
    for (form, field, message) in [
        (person("jane", "customer", "ACME"), "email", "isn't an email address"),
        (person("", "customer", "ACME"), "email", "Enter the email address"),
        (person("\"j o\"@acme.example", "customer", "ACME"), "email", "isn't an email address"),
        (person("a@b.example\r\nBcc: c@d.example", "customer", "ACME"), "email", "isn't an email address"),
        (person("jo@acme.example", "customer", ""), "customer", "Choose the company"),
        (person("jo@acme.example", "customer", "NOBODY"), "customer", "NOBODY isn't on it"),
        (person("jo@acme.example", "customer", "A\0ME'"), "customer", "isn't on it"),
        (person("BUYER@acme.example", "customer", "ACME"), "email", "A login with this address already exists"),
        (person("clerk@terminal.example", "customer", "ACME"), "email", "A login with this address already exists"),
    ] {
        let answer = office.post("/office/users", &form).await;
        assert_eq!(answer.status, 422, "{form:?}");
        let error = answer.one(&format!("#new-{field}-error"));
        assert!(error.contains(message), "{form:?}: {error}");
        assert_eq!(answer.attributes("#new-name", "value"), ["Jo Smith"]);
        let typed: String = form[0].1.chars().filter(|c| !"\r\n".contains(*c)).collect();
        let kept = answer.attributes("#new-email", "value").concat().replace(['\r', '\n'], "");
        assert_eq!(kept, typed);
    }
    let long = "x".repeat(101);
    for (name, message) in [
        (long.as_str(), "Use at most 100 characters."),
        ("", "Enter the person's name."),
        ("Locked, see https://evil.example", "Enter only the name"),
        ("see WWW.evil.example", "Enter only the name"),
        ("evil@example.com", "Enter only the name"),
        ("Jo\u{202e}htimS", "Enter only the name"),
        ("Jo\u{200b}", "Enter only the name"),
    ] {
        let mut form = person("jo@acme.example", "customer", "ACME");
        form[1].1 = name;
        let error = office.post("/office/users", &form).await.one("#new-name-error");
        assert!(error.starts_with(message), "{name:?}: {error}");
    }
    assert!(!app.users().await.iter().any(|user| user.email.starts_with("jo@")));
    assert_eq!(app.count("mails").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_office_manages_customers_and_an_administrator_all_users() {
    let app = App::start().await;
    let (office, admin) = (app.office().await, app.user(World::ADMIN).await);
    for role in ["office", "auditor", "admin", "root", ""] {
        let answer = office.post("/office/users", &person("jo@terminal.example", role, "")).await;
        assert_eq!(answer.status, 422, "{role:?}");
    }
    // Users whom the office may not manage are a 404.
    for email in [World::ADMIN, World::AUDITOR, World::OFFICE] {
        let id = app.user_id(email).await;
        assert_eq!(office.get(&format!("/office/users/{id}")).await.status, 404, "{email}");
        for change in ["disable", "invite", "name", "join", "leave", "admin"] {
            if email == World::OFFICE && change == "disable" {
                continue;
            }
            let form = [("name", "x"), ("customer", "ACME"), ("customer_id", "1"), ("is_admin", "true")];
            assert_eq!(
                office.post(&format!("/office/users/{id}/{change}"), &form).await.status,
                404,
                "{email} {change}"
            );
        }
    }
    assert!(!office.get("/office/users").await.text().contains(World::AUDITOR));
    let list = admin.get("/office/users").await;
    assert!(list.text().contains(World::AUDITOR) && list.all("#new-role option").len() == 4);
    for (role, customer) in [("office", ""), ("auditor", ""), ("admin", ""), ("customer", "RIVAL")] {
        let email = format!("{role}.new@terminal.example");
        assert_eq!(admin.post("/office/users", &person(&email, role, customer)).await.status, 303, "{role}");
        assert!(app.users().await.iter().any(|user| user.email == email && user.role == role), "{email}");
    }
    let belongs = admin.post("/office/users", &person("x@terminal.example", "auditor", "ACME")).await;
    assert!(belongs.one("#new-customer-error").contains("Only customer logins"));
    let id = app.user_id("auditor.new@terminal.example").await;
    assert_eq!(admin.post(&format!("/office/users/{id}/join"), &[("customer", "ACME")]).await.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn disabling_a_user_ends_sessions_links_and_mail_at_once() {
    let (app, smtp) = App::with_mail().await;
    drop(smtp);
    let (office, acme) = (app.office().await, app.acme().await);
    app.stranger().post("/password-reset", &[("email", World::ACME)]).await;
    let id = app.user_id(World::ACME).await;
    assert_eq!(office.post(&format!("/office/users/{id}/disable"), &[]).await.status, 303);
    assert_eq!(acme.get("/bols").await.status, 303);
    let waiting = app.mails().await.into_iter().filter(|mail| !mail.is_sent()).count();
    assert_eq!((app.count("tokens").await, waiting), (0, 0));
    assert!(office.get(&format!("/office/users/{id}")).await.one(".facts").contains("Disabled"));
    let login = app.stranger().post("/login", &[("email", World::ACME), ("password", PASSWORD)]).await;
    assert_eq!(login.status, 422);
    assert_eq!(office.post(&format!("/office/users/{id}/enable"), &[]).await.status, 303);
    app.acme().await;
    let events = app.events().await;
    for action in [Action::UserDisabled, Action::UserEnabled] {
        assert!(events.only(action).iter().any(|event| event.detail("email") == World::ACME), "{events:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_user_disables_themselves_or_the_last_administrator() {
    let app = App::start().await;
    let admin = app.user(World::ADMIN).await;
    let id = app.user_id(World::ADMIN).await;
    let own = admin.post(&format!("/office/users/{id}/disable"), &[]).await;
    assert_eq!(own.status, 422);
    assert!(own.one(".message.problem").contains("your own login"));
    assert!(!admin.get(&format!("/office/users/{id}")).await.text().contains("/disable"));
    let output = crate::support::primetrade(app.environment(), &["user", "disable", World::ADMIN], "").await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("last administrator"));
    // Of two administrators who disable each other, one stays.
    let other = app.new_user("second@terminal.example").role("admin").create().await;
    let second = app.user("second@terminal.example").await;
    let (one, two) = (format!("/office/users/{other}/disable"), format!("/office/users/{id}/disable"));
    let (one, two) = tokio::join!(admin.post(&one, &[]), second.post(&two, &[]));
    let statuses = [one.status, two.status];
    // Refused, or already logged out.
    assert!(statuses.contains(&303) && statuses.iter().all(|status| [303, 422].contains(status)), "{statuses:?}");
    let users = app.users().await;
    assert_eq!(users.iter().filter(|user| user.role == "admin" && user.active).count(), 1, "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_companys_administrator_manages_only_that_company() {
    let (app, mut smtp) = App::with_mail().await;
    app.make_company_admin(World::ACME).await;
    let acme = app.acme().await;
    let page = acme.get("/people").await;
    assert_eq!((page.status, page.all("h2")), (200, vec!["Acme Steel".to_owned()]));
    assert!(acme.get("/bols").await.all(".mainnav a").contains(&"People".to_owned()));
    // Extra fields are ignored.
    let mut form = person("jo@acme.example", "admin", "ACME");
    form.extend([("customer", "RIVAL"), ("customer_id", "2"), ("is_admin", "false")]);
    let answer = acme.post("/people", &form).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/people?done=invited"));
    let jo = accept(&app, &smtp.next().await).await;
    assert!(app.users().await.iter().any(|user| user.email == "jo@acme.example" && user.role == "customer"));
    assert_eq!(jo.get("/people").await.status, 403);
    assert!(app.members("RIVAL").await.iter().all(|member| !member.email.starts_with("jo@")));
    // Other companies and their users are a 404.
    assert_eq!(acme.post("/people", &person("x@rival.example", "customer", "RIVAL")).await.status, 404);
    let (rival, rival_id) = (app.user_id(World::RIVAL).await, app.world.rival.to_string());
    let broker = app.user_id(World::BROKER).await;
    for (id, company, change) in [
        (&rival, &rival_id, "leave"),
        (&rival, &rival_id, "admin"),
        (&rival, &app.world.acme.to_string(), "leave"),
        (&rival, &rival_id, "invite"),
        (&broker, &rival_id, "leave"),
        (&broker, &rival_id, "admin"),
    ] {
        let form = [("customer_id", company.as_str()), ("is_admin", "true")];
        let answer = acme.post(&format!("/people/{id}/{change}"), &form).await;
        assert_eq!(answer.status, 404, "{id} {company} {change}");
    }
    for change in ["disable", "enable", "name", "join"] {
        let id = app.user_id(World::COLLEAGUE).await;
        assert_eq!(
            acme.post(&format!("/people/{id}/{change}"), &[("name", "x"), ("customer", "ACME")]).await.status,
            404
        );
        assert_eq!(acme.post(&format!("/office/users/{id}/{change}"), &[("name", "x")]).await.status, 403);
    }
    // A removal counts at the next request. A broker keeps its other company.
    let colleague = app.user(World::COLLEAGUE).await;
    let (id, acme_id) = (app.user_id(World::COLLEAGUE).await, app.world.acme.to_string());
    assert_eq!(acme.post(&format!("/people/{id}/leave"), &[("customer_id", &acme_id)]).await.status, 303);
    let empty = colleague.get("/bols").await;
    assert_eq!((empty.status, empty.all("tbody tr").len()), (200, 0));
    assert_eq!(colleague.get(&format!("/bols/{}", World::ACME_BOL)).await.status, 404);
    assert_eq!(acme.post(&format!("/people/{broker}/leave"), &[("customer_id", &acme_id)]).await.status, 303);
    assert_eq!(app.user(World::BROKER).await.get("/bols").await.all("tbody .number"), [World::RIVAL_BOL]);
    let changed = app.events().await.only(Action::MembershipChanged);
    let changed =
        changed.list(|event| (event.email(), event.customer(), event.detail("email"), event.detail("change")));
    assert!(changed.contains(&(World::ACME, "ACME", World::BROKER.into(), "left".into())), "{changed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_of_another_company_can_join() {
    let (app, mut smtp) = App::with_mail().await;
    app.make_company_admin(World::ACME).await;
    let acme = app.acme().await;
    assert_eq!(acme.post("/people", &person(World::RIVAL, "", "ACME")).await.status, 303);
    let mail = smtp.next().await;
    assert_eq!(
        (mail.to.as_str(), mail.subject.as_str()),
        (World::RIVAL, "You now see the bills of lading of Acme Steel")
    );
    assert!(!mail.text.contains("token="));
    let rival = app.rival().await;
    assert!(rival.get("/bols").await.all("tbody .number").contains(&World::ACME_BOL.to_owned()));
    for (email, message) in [
        (World::RIVAL, "already has a login for your company"),
        (World::OFFICE, "can't invite this address"),
        (World::ADMIN, "can't invite this address"),
        (World::DISABLED, "already has a login for your company"),
    ] {
        let answer = acme.post("/people", &person(email, "", "ACME")).await;
        assert_eq!(answer.status, 422, "{email}");
        assert!(answer.one("#ACME-email-error").contains(message), "{email}: {}", answer.one("#ACME-email-error"));
    }
    smtp.quiet(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invitations_to_one_address_are_limited() {
    let app = App::start().await;
    app.make_company_admin(World::ACME).await;
    let acme = app.acme().await;
    let (stranger, company) = ("victim@elsewhere.example", app.world.acme.to_string());
    let mut refused = String::new();
    for _ in 0..8 {
        let answer = acme.post("/people", &person(stranger, "", "ACME")).await;
        if answer.status == 422 {
            refused = answer.one("#ACME-email-error");
            break;
        }
        // An invitation that is replaced before it is sent doesn't count.
        app.every_mail_sent().await;
        let id = app.user_id(stranger).await;
        assert_eq!(acme.post(&format!("/people/{id}/leave"), &[("customer_id", &company)]).await.status, 303);
        let users = app.users().await;
        assert!(!users.iter().any(|user| user.email == stranger), "an unused login ends with its last company");
    }
    assert!(refused.contains("several emails within the last hour"), "{refused}");
    let written = app.mails().await.into_iter().filter(|mail| mail.to_address == stranger).count();
    assert!(written <= 5, "{written}");
    app.clock.advance(chrono::TimeDelta::hours(1));
    assert_eq!(app.acme().await.post("/people", &person(stranger, "", "ACME")).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn invitations_by_one_user_are_limited() {
    let app = App::start().await;
    app.make_company_admin(World::ACME).await;
    let acme = app.acme().await;
    let mut statuses = Vec::new();
    for n in 0..22 {
        statuses.push(acme.post("/people", &person(&format!("n{n}@elsewhere.example"), "", "ACME")).await.status);
    }
    assert_eq!(statuses.iter().position(|status| *status == 422), Some(20), "{statuses:?}");
    // The limit doesn't hold for the office.
    let office = app.office().await;
    assert_eq!(office.post("/office/users", &person("one@more.example", "customer", "ACME")).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_company_keeps_its_last_administrator() {
    let app = App::start().await;
    app.make_company_admin(World::ACME).await;
    let acme = app.acme().await;
    let (own, company) = (app.user_id(World::ACME).await, app.world.acme.to_string());
    for (change, is_admin) in [("leave", ""), ("admin", "false")] {
        let answer =
            acme.post(&format!("/people/{own}/{change}"), &[("customer_id", &company), ("is_admin", is_admin)]).await;
        assert_eq!(answer.status, 422, "{change}");
        assert!(answer.one(".message.problem").contains("Acme Steel has no other administrator"));
    }
    // A user who has never set a password is no replacement.
    let pending = app.user_id(World::NEW).await;
    acme.post(&format!("/people/{pending}/admin"), &[("customer_id", &company), ("is_admin", "true")]).await;
    assert_eq!(acme.post(&format!("/people/{own}/leave"), &[("customer_id", &company)]).await.status, 422);
    let colleague = app.user_id(World::COLLEAGUE).await;
    acme.post(&format!("/people/{colleague}/admin"), &[("customer_id", &company), ("is_admin", "true")]).await;
    let other = app.user(World::COLLEAGUE).await;
    // Of two who demote each other, one stays an administrator.
    let form = [("customer_id", company.as_str()), ("is_admin", "false")];
    let (one, two) = (format!("/people/{colleague}/admin"), format!("/people/{own}/admin"));
    let (one, two) = tokio::join!(acme.post(&one, &form), other.post(&two, &form));
    let members = app.members("ACME").await;
    let left = members.iter().filter(|member| member.is_admin && member.password_hash.is_some());
    assert_eq!(left.count(), 1, "{} {}", one.status, two.status);
    // The office may leave a company without an administrator.
    let office = app.office().await;
    for id in [&own, &colleague, &pending] {
        assert_eq!(office.post(&format!("/office/users/{id}/leave"), &[("customer_id", &company)]).await.status, 303);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_managers_open_the_pages_of_users() {
    let app = App::start().await;
    let id = app.user_id(World::ACME).await;
    let (auditor, acme) = (app.auditor().await, app.acme().await);
    for actor in [&auditor, &acme] {
        for path in ["/office/users".into(), format!("/office/users/{id}"), "/people".into()] {
            assert_eq!(actor.get(&path).await.status, 403, "{path}");
        }
        assert_eq!(actor.post("/office/users", &person("jo@acme.example", "customer", "ACME")).await.status, 403);
        assert_eq!(actor.post("/people", &person("jo@acme.example", "customer", "ACME")).await.status, 403);
        assert_eq!(actor.post(&format!("/office/users/{id}/disable"), &[]).await.status, 403);
    }
    // A refusal is recorded whatever the form contains.
    let denied = app.events().await.only(Action::AccessDenied).len();
    let odd = acme.request(reqwest::Method::POST, "/office/users").json(&serde_json::json!({"email": "x"}));
    assert_eq!(crate::support::Answer::of(odd).await.status, 403);
    assert_eq!(app.events().await.only(Action::AccessDenied).len(), denied + 1);
    // An administrator of a deactivated company manages no users.
    app.make_company_admin(World::ACME).await;
    assert_eq!(acme.get("/people").await.status, 200);
    app.deactivate_customer("ACME").await;
    assert_eq!(acme.get("/people").await.status, 403);
    assert_eq!(acme.post("/people", &person("jo@acme.example", "customer", "ACME")).await.status, 403);
    assert!(!app.users().await.iter().any(|user| user.email == "jo@acme.example"));
}
