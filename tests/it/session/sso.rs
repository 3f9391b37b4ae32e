//! Single sign-on: with a certified provider, and with an issuer of our own that lies.

mod answers;
mod confirm;
mod faults;
mod people;
mod provider;
mod required;
mod tokens;

use serde_json::{Value, json};

use crate::support::{Action, Actor, Answer, App, EventRow, Issuer, World};

/// What the issuer says of a user of the portal.
fn claims(email: &str) -> Value {
    json!({"sub": format!("sub-{email}"), "email": email, "email_verified": true, "name": "Pat Example"})
}

/// A portal and its issuer, at which a user of ACME logs in.
async fn portal(more: &[(&'static str, &str)]) -> (App, Issuer) {
    let issuer = Issuer::start().await;
    issuer.person(claims(World::ACME));
    let app = App::start_with(&issuer.environment(more)).await;
    issuer.follow(&app.clock);
    (app, issuer)
}

fn assert_logged_in(answer: &Answer) {
    assert_eq!((answer.status, answer.header("location")), (303, "/bols"), "{}", answer.text());
}

/// Expects a page that says why nobody was logged in, and returns its headline.
async fn refused(actor: &Actor, answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.attributes(".login a.button", "href").len(), 1, "a way out: {}", answer.text());
    assert_eq!(actor.get("/bols").await.status, 303, "a session was opened");
    answer.one("h1")
}

/// The newest failed login in the log.
async fn last_failure(app: &App) -> EventRow {
    let failures = app.events().await.only(Action::LoginFailed);
    failures.last().expect("a failed login").clone()
}
