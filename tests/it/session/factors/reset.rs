//! Second factors that are lost.

use crate::support::{Action, App, World, run};

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_removes_the_factors_of_others() {
    let app = App::start().await;
    let acme = app.acme().await;
    acme.set_up_app(&app.clock).await;
    let id = app.rows(&format!("SELECT id FROM users WHERE email = '{}'", World::ACME)).await.remove(0);
    let (admin, office) = (app.user(World::ADMIN).await, app.office().await);
    let page = admin.get(&format!("/office/users/{id}")).await;
    assert!(page.text().contains("Authenticator app, 10 recovery codes left"));
    let question = admin.get(&format!("/office/users/{id}/reset-factors")).await;
    assert_eq!(question.status, 200);
    assert_eq!(office.get(&format!("/office/users/{id}")).await.all("a[href$=reset-factors]").len(), 0);
    assert_eq!(office.post(&format!("/office/users/{id}/reset-factors"), &[]).await.status, 404);
    let mark = app.events().await.mark();
    let done = admin.post(&format!("/office/users/{id}/reset-factors"), &[]).await;
    assert_eq!((done.status, done.header("location").to_owned()), (303, format!("/office/users/{id}?done=factors")));
    let removed = app.events().await.since(mark).single(Action::MfaRemoved);
    assert_eq!((removed.email(), removed.detail("email")), (World::ADMIN, World::ACME.into()));
    assert_eq!(
        app.rows("SELECT letter->'notice'->>'kind' FROM mails ORDER BY id DESC LIMIT 1").await,
        ["factors-reset"]
    );
    assert_eq!(acme.get("/bols").await.status, 303, "every session has ended");
    assert_eq!(acme.give_password(World::ACME).await.header("location"), "/");
    let own = app.rows(&format!("SELECT id FROM users WHERE email = '{}'", World::ADMIN)).await.remove(0);
    admin.set_up_app(&app.clock).await;
    let refused = admin.post(&format!("/office/users/{own}/reset-factors"), &[]).await;
    assert_eq!(refused.status, 422);
    assert!(refused.one("#problem").contains("your own"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_removes_factors_and_lists_them() {
    let app = App::start().await;
    let environment = app.environment().to_vec();
    app.user(World::ADMIN).await.set_up_app(&app.clock).await;
    let listed = async || {
        let (_, out, _) = run(&environment, &["user", "list", "--json"]).await;
        let users: serde_json::Value = serde_json::from_str(&out).unwrap();
        let admin = users.as_array().unwrap().iter().find(|user| user["email"] == World::ADMIN).unwrap();
        admin["factors"].clone()
    };
    assert_eq!(listed().await, serde_json::json!(["otp"]));
    let (code, out, err) = run(&environment, &["user", "reset-mfa", World::ADMIN]).await;
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("removed the second factors"), "{out}");
    assert_eq!(listed().await, serde_json::json!([]));
    let events = app.events().await;
    let removed = events.iter().rev().find(|event| event.action == "MFA_REMOVED").unwrap();
    assert_eq!((removed.email(), removed.detail("email")), ("command line", World::ADMIN.into()));
    let (code, out, _) = run(&environment, &["user", "reset-mfa", World::ADMIN]).await;
    assert_eq!((code, out.trim()), (0, "admin@terminal.example has no second factor"));
    let (code, _, err) = run(&environment, &["user", "reset-mfa", "nobody@nowhere.example"]).await;
    assert_eq!(code, 1);
    assert!(err.contains("no user has the address"), "{err}");
    // No second time of grace.
    assert_eq!(app.stranger().give_password(World::ADMIN).await.header("location"), "/login/enroll");
}
