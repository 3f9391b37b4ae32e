//! Invitations by `primetrade user invite`: each link sets a password once.

use chrono::TimeDelta;

use crate::support::{App, PASSWORD, World, primetrade};

const CHOSEN: &str = "four barges upstream 1851";

async fn invite(app: &App, email: &str) -> String {
    let output = primetrade(app.environment(), &["user", "invite", email], "").await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let link = String::from_utf8(output.stdout).unwrap();
    link.trim().strip_prefix("http://127.0.0.1:0").unwrap().to_owned()
}

fn form<'a>(link: &'a str, new: &'a str, repeat: &'a str) -> [(&'static str, &'a str); 3] {
    [("token", link.rsplit('=').next().unwrap()), ("new_password", new), ("repeat_password", repeat)]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_page_of_each_role_says_that_the_password_is_set() {
    let app = App::start().await;
    for (role, first) in [("office", "/office"), ("auditor", "/audit"), ("admin", "/office")] {
        let email = format!("{role}@new.example");
        app.new_user(&email).role(role).create().await;
        app.sql("UPDATE users SET password_hash = NULL WHERE email LIKE '%@new.example'").await;
        let link = invite(&app, &email).await;
        let actor = app.stranger();
        assert_eq!(actor.post("/invitation", &form(&link, CHOSEN, CHOSEN)).await.status, 303);
        let target = actor.get("/?done=welcome").await.header("location").to_owned();
        assert_eq!(target, format!("{first}?done=welcome"));
        let page = actor.get(&target).await;
        assert_eq!(
            (page.status, page.one("[role=status]")),
            (200, "Your password is set, and you are logged in.".into())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_sets_the_password_once() {
    let app = App::start().await;
    let link = invite(&app, World::NEW).await;
    let actor = app.stranger();
    // A mail scanner opens the link twice, which doesn't use it up.
    for _ in 0..3 {
        let page = actor.get(&link).await;
        assert_eq!((page.status, page.header("referrer-policy")), (200, "no-referrer"));
        assert!(page.one(".lede").contains(World::NEW));
    }
    let short = actor.post("/invitation", &form(&link, "short", "short")).await;
    assert_eq!((short.status, short.one("#new-error").contains("at least 15")), (422, true));
    let apart = actor.post("/invitation", &form(&link, CHOSEN, "something else entirely")).await;
    assert_eq!((apart.status, apart.one("#repeat-error").contains("don't match")), (422, true));
    let done = actor.post("/invitation", &form(&link, CHOSEN, CHOSEN)).await;
    assert_eq!((done.status, done.header("location")), (303, "/?done=welcome"));
    assert_eq!(actor.get("/?done=welcome").await.header("location"), "/bols?done=welcome");
    let first = actor.get("/bols?done=welcome").await;
    assert_eq!(
        (first.status, first.one("[role=status]")),
        (200, "Your password is set, and you are logged in.".into())
    );
    app.stranger().log_in(World::NEW, CHOSEN).await;
    assert_eq!(
        actor.post("/invitation", &form(&link, "another fine password", "another fine password")).await.status,
        410
    );
    assert_eq!(app.stranger().get(&link).await.status, 410);
    assert_eq!(
        app.events().await.list(|event| (event.action.as_str(), event.email())),
        [
            ("USER_INVITED", "command line"),
            ("PASSWORD_CHANGED", World::NEW),
            ("LOGIN_SUCCEEDED", World::NEW),
            ("LOGIN_SUCCEEDED", World::NEW)
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn old_replaced_and_invented_links_are_gone() {
    let app = App::start().await;
    let first = invite(&app, World::NEW).await;
    let second = invite(&app, World::NEW).await;
    let actor = app.stranger();
    assert_eq!(actor.get(&first).await.status, 410, "replaced");
    assert_eq!(actor.get(&second).await.status, 200);
    let altered = format!("{}0", &second[..second.len() - 1]);
    let altered = if altered == second { format!("{}1", &second[..second.len() - 1]) } else { altered };
    for bad in [altered.as_str(), "/invitation", "/invitation?token=", "/invitation?token=%00", "/invitation?token=x"] {
        assert_eq!(actor.get(bad).await.status, 410, "{bad}");
        assert_eq!(actor.post("/invitation", &form(bad, CHOSEN, CHOSEN)).await.status, 410, "{bad}");
    }
    app.clock.advance(TimeDelta::days(7));
    assert_eq!(actor.get(&second).await.status, 410, "a week old");
    assert_eq!(actor.post("/invitation", &form(&second, CHOSEN, CHOSEN)).await.status, 410);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_password_is_replaced_and_its_sessions_end() {
    let app = App::start().await;
    let acme = app.acme().await;
    let link = invite(&app, World::ACME).await;
    assert_eq!(app.stranger().post("/invitation", &form(&link, CHOSEN, CHOSEN)).await.status, 303);
    assert_eq!(acme.get("/bols").await.status, 303);
    let old = app.stranger().post("/login", &[("email", World::ACME), ("password", PASSWORD)]).await;
    assert_eq!(old.status, 422);
    for (email, what) in [(World::DISABLED, "is disabled"), ("nobody@nowhere.example", "no user has the address")] {
        let output = primetrade(app.environment(), &["user", "invite", email], "").await;
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains(what));
    }
}
