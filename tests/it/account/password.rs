//! `/account`: the password and the sessions of the user.

use crate::support::{Action, App, Outcome, PASSWORD, World};

const NEW: &str = "Ein Förderband über dem Łódź 漢";

fn change<'a>(current: &'a str, new: &'a str, repeat: &'a str) -> [(&'static str, &'a str); 3] {
    [("current_password", current), ("new_password", new), ("repeat_password", repeat)]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_ends_every_other_session() {
    let mut app = App::start().await;
    let second = app.second().await;
    let (here, there) = (app.acme().await, app.acme().await.at(&second));
    let answer = here.post("/account/password", &change(PASSWORD, NEW, NEW)).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/account?done=password"));
    let page = here.get("/account?done=password").await;
    assert_eq!(page.one("[role=status]"), "Your password is changed. Every other session has been ended.");
    assert_eq!(there.get("/bols").await.status, 303, "the other one is over");
    let old = app.stranger().post("/login", &[("email", World::ACME), ("password", PASSWORD)]).await;
    assert_eq!(old.status, 422);
    app.stranger().log_in(World::ACME, NEW).await;
    let events = app.events().await;
    assert!(!events.only(Action::PasswordChanged).with(Outcome::Success).is_empty(), "{events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_password_gets_a_message_and_is_never_echoed() {
    let app = App::start().await;
    let actor = app.acme().await;
    let long = "an unlikely word ".repeat(8);
    for (current, new, repeat, field, message) in [
        ("not my password at all", NEW, NEW, "#current-error", "That isn't your current password."),
        (PASSWORD, "fourteen chars", "fourteen chars", "#new-error", "Use at least 15 characters."),
        (PASSWORD, &*long, &*long, "#new-error", "Use at most 128 characters."),
        (PASSWORD, "passwordpassword", "passwordpassword", "#new-error", "lists of common and breached passwords"),
        (
            PASSWORD,
            "buyer@acme.example",
            "buyer@acme.example",
            "#new-error",
            "made from your name, email address or company",
        ),
        (PASSWORD, "Acme Steel Acme Steel", "x", "#new-error", "made from your name, email address or company"),
        (PASSWORD, PASSWORD, PASSWORD, "#new-error", "That is the password you have now."),
        (PASSWORD, NEW, "something else entirely", "#repeat-error", "The two passwords don't match."),
        ("", "", "", "#current-error", "That isn't your current password."),
    ] {
        let answer = actor.post("/account/password", &change(current, new, repeat)).await;
        assert_eq!(answer.status, 422, "{new}");
        assert!(answer.one(field).contains(message), "{new}: {}", answer.one(field));
        assert!(answer.attributes("input[type=password]", "value").is_empty());
        assert_eq!(actor.get("/bols").await.status, 200, "still logged in");
    }
    assert_eq!(app.events().await.only(Action::PasswordChanged).with(Outcome::Denied).len(), 2);
    // Guesses of the current password are limited like logins.
    for _ in 0..6 {
        actor.post("/account/password", &change("not my password at all", NEW, NEW)).await;
    }
    let slowed = actor.post("/account/password", &change(PASSWORD, NEW, NEW)).await;
    assert!(slowed.one("#current-error").contains("Too many attempts"));
}

#[tokio::test(flavor = "multi_thread")]
async fn users_list_and_end_only_their_own_sessions() {
    let app = App::start().await;
    let (here, there, rival) = (app.acme().await, app.acme().await, app.rival().await);
    let page = here.get("/account").await;
    assert_eq!(page.all("tbody tr").len(), 2);
    assert_eq!(page.all("tbody .mark"), ["This session"]);
    let theirs = app.session_of(World::RIVAL).await.id.to_string();
    let answer = here.post("/account/sessions/end", &[("id", &theirs)]).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/account?done=session"));
    assert_eq!(rival.get("/bols").await.status, 200, "somebody else's session goes on");
    for bad in ["", "x", "99999999999999999999", "-1 OR true"] {
        assert_eq!(here.post("/account/sessions/end", &[("id", bad)]).await.status, 400, "{bad}");
    }
    let other = page.attributes("tbody tr:not(:has(.mark)) input[name=id]", "value");
    assert_eq!(here.post("/account/sessions/end", &[("id", &other[0])]).await.status, 303);
    assert_eq!((there.get("/bols").await.status, here.get("/bols").await.status), (303, 200));
    let again = app.acme().await;
    let answer = here.post("/account/sessions/end-all", &[]).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/login?done=everywhere"));
    assert_eq!((again.get("/bols").await.status, here.get("/bols").await.status), (303, 303));
    assert_eq!(app.events().await.only(Action::SessionRevoked).len(), 2);
}
