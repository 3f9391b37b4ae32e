//! An event that the database accepts but doesn't store: nothing is handed out for it.

use reqwest::Method;

use crate::support::{Action, Actor, App, PASSWORD, World};

/// A trigger and a rule that swallow every new event, and how to remove them. The statement succeeds with 0 rows.
const SWALLOWERS: [(&str, &str); 2] = [
    (
        "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
         CREATE TRIGGER swallow BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION swallow()",
        "DROP TRIGGER swallow ON audit_events",
    ),
    ("CREATE RULE swallow AS ON INSERT TO audit_events DO INSTEAD NOTHING", "DROP RULE swallow ON audit_events"),
];

/// Requests a path, and returns the status, the `location` and how many bytes of a complete body arrived.
async fn ask(actor: &Actor, method: Method, path: &str) -> (u16, bool, Option<usize>) {
    let form = [("email", World::ACME), ("password", PASSWORD)];
    let request = actor.request(method.clone(), path);
    let request = if method == Method::POST { request.form(&form) } else { request };
    let response = request.send().await.unwrap();
    let (status, has_location) = (response.status().as_u16(), response.headers().contains_key("location"));
    (status, has_location, response.bytes().await.ok().map(|body| body.len()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swallowed_event_hands_out_nothing() {
    let app = App::start().await;
    let (acme, office, auditor, admin) =
        (app.acme().await, app.office().await, app.auditor().await, app.user(World::ADMIN).await);
    app.sealed().await;
    let document = app.world.acme_documents[0];
    let download = format!("/bols/{}/download", World::ACME_BOL);
    let customer_paths = [
        download.clone(),
        format!("{download}?inline=1"),
        format!("/documents/{document}/download"),
        format!("/bols/{}", World::ACME_BOL),
        "/bols/PRT-2025-9999".to_owned(),
    ];
    let audit_paths = ["/audit", "/audit/export?format=csv", "/audit/export?format=xlsx", "/audit/pack"];
    let mark = app.events().await.mark();
    for (swallow, remove) in SWALLOWERS {
        app.sql(swallow).await;
        let stranger = app.stranger();
        let mut asked =
            vec![(&stranger, Method::POST, "/login"), (&office, Method::POST, "/office/customers/ACME/see-as")];
        for path in &customer_paths {
            asked.extend([&acme, &office].map(|actor| (actor, Method::GET, path.as_str())));
        }
        asked.extend(audit_paths.map(|path| (&auditor, Method::GET, path)));
        asked.push((&admin, Method::GET, "/audit/pack?pdfs=1"));
        for (actor, method, path) in asked {
            let (status, has_location, _) = ask(actor, method.clone(), path).await;
            assert_eq!((status, has_location), (503, false), "{swallow}: {method} {path}");
        }
        assert_eq!(stranger.get("/bols").await.status, 303, "no session without its event");
        // A ZIP begins before its first document is recorded, so it breaks off.
        let (_, _, body) = ask(&acme, Method::GET, "/bols/download.zip").await;
        assert_eq!(body, None, "{swallow}: a ZIP that looks complete");
        app.sql(remove).await;
    }
    assert!(app.events().await.since(mark).only(Action::BolDownloaded).is_empty());
    assert_eq!(acme.get(&download).await.status, 303);
    assert_eq!(app.events().await.since(mark).only(Action::BolDownloaded).len(), 1);
}
