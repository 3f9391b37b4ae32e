//! The office sees the portal as a customer: exactly the customer's view, without changing anything, and recorded under
//! both names.

use std::collections::BTreeSet;

use reqwest::Method;

use crate::support::{Actor, Answer, App, World};

async fn look(app: &App) -> Actor {
    let office = app.office().await;
    let begun = office.post("/office/customers/ACME/see-as", &[]).await;
    assert_eq!((begun.status, begun.header("location")), (303, "/bols"));
    office
}

#[tokio::test(flavor = "multi_thread")]
async fn the_office_sees_exactly_what_the_customer_sees() {
    let app = App::start().await;
    let (office, acme) = (look(&app).await, app.acme().await);
    let (seen, own) = (office.get("/bols").await, acme.get("/bols").await);
    assert_eq!(seen.all("tbody .number"), own.all("tbody .number"));
    assert_eq!(seen.all("thead th"), own.all("thead th"));
    assert_eq!(seen.all(".mainnav a"), ["Bills of lading"]);
    assert!(seen.one(".seeing p").contains("as Acme Steel"), "the banner");
    for path in [format!("/bols/{}", World::ACME_BOL), "/account".into(), "/nothing/here".into(), "/office".into()] {
        assert_eq!(office.get(&path).await.all(".seeing").len(), 1, "{path}");
    }
    for (path, status) in [
        (format!("/bols/{}", World::ACME_BOL), 200),
        (format!("/bols/{}", World::RIVAL_BOL), 404),
        (format!("/bols/{}", World::LOOSE_BOL), 404),
        (format!("/bols/{}/download", World::RIVAL_BOL), 404),
        ("/office".into(), 403),
        ("/office/customers/ACME".into(), 403),
        ("/people".into(), 403),
    ] {
        assert_eq!(office.get(&path).await.status, status, "{path}");
    }
    // Only this session changes, and its end restores the role.
    assert_eq!(app.office().await.get("/office").await.status, 200);
    let end = office.post("/see-as/end", &[]).await;
    assert_eq!((end.status, end.header("location")), (303, "/office/customers/ACME?done=looked"));
    assert_eq!(office.get("/bols").await.all("tbody tr").len(), 5);
    assert_eq!(office.post("/see-as/end", &[]).await.header("location"), "/", "there is nothing to end");
    assert_eq!(app.stranger().post("/see-as/end", &[]).await.status, 303);
}

/// Every route of the table, with every method that changes data.
#[tokio::test(flavor = "multi_thread")]
async fn a_view_as_a_customer_can_change_nothing() {
    let app = App::start().await;
    let office = look(&app).await;
    let state = async || (app.contents(&["bols", "customers", "users"]).await, app.count("documents").await);
    let before = state().await;
    let routes = include_str!("../../../src/web/routes.rs");
    let mut tried = 0;
    for template in routes.split('"').skip(1).step_by(2).filter(|path| path.starts_with('/')) {
        if ["/logout", "/see-as/end", "/login"].contains(&template) {
            continue;
        }
        let path = template.replace("{number}", World::ACME_BOL).replace("{id}", "1").replace("{code}", "ACME");
        let changes =
            ["active", "ship-tos", "addresses", "address", "disable", "invite", "name", "join", "leave", "admin"];
        for path in changes.iter().map(|change| path.replace("{change}", change)).collect::<BTreeSet<_>>() {
            for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
                let form = [
                    ("reason", "x"),
                    ("active", "false"),
                    ("customer", "RIVAL"),
                    ("notify", "never"),
                    ("name", "x"),
                    ("number", World::ACME_BOL),
                ];
                let answer = Answer::of(office.request(method.clone(), &path).form(&form)).await;
                // Logging in, and links from emails, work without a login.
                let is_strangers = ["/invitation", "/password", "/password-reset", "/sessions/end"].contains(&template)
                    || template.starts_with("/login/");
                assert!(
                    answer.status == 403 || answer.status == 405 || is_strangers || answer.status == 404,
                    "{method} {path}: {}",
                    answer.status
                );
                tried += usize::from(answer.status == 403);
            }
        }
    }
    assert!(tried > 50, "{tried}");
    assert_eq!(state().await, before);
    let refused = office.post("/office/customers/ACME", &[("name", "x")]).await;
    assert_eq!((refused.status, refused.one("h1")), (403, "You are viewing as a customer".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_view_is_recorded_under_both_names() {
    let app = App::start().await;
    let office = look(&app).await;
    office.get("/bols?q=sesame").await;
    office.get(&format!("/bols/{}", World::ACME_BOL)).await;
    let link = office.get(&format!("/bols/{}/download", World::ACME_BOL)).await;
    assert_eq!((link.status, link.header("location").contains("/files/")), (303, true));
    office.get(&format!("/documents/{}/download?inline=1", app.world.acme_documents[2])).await;
    office.get(&format!("/bols/{}", World::RIVAL_BOL)).await;
    office.post("/office/bols", &[]).await;
    office.post("/see-as/end", &[]).await;
    let events = app.events().await;
    assert!(events.iter().all(|event| (event.email(), event.role()) == (World::OFFICE, "office")), "{events:?}");
    let views = events.list(|event| {
        let (seen_as, path) = (event.detail("seen_as"), event.detail("path"));
        (event.action.clone(), event.outcome.clone(), event.customer().to_owned(), seen_as, path)
    });
    let expected = [
        ("LOGIN_SUCCEEDED", "success", "-", "-", "-"),
        ("SEE_AS_STARTED", "success", "ACME", "-", "-"),
        ("SEEN_AS", "success", "ACME", "ACME", "/bols"),
        ("SEEN_AS", "success", "ACME", "ACME", "/bols/PRT-2025-0001"),
        ("BOL_VIEWED", "success", "ACME", "ACME", "-"),
        ("SEEN_AS", "success", "ACME", "ACME", "/bols/PRT-2025-0001/download"),
        ("BOL_DOWNLOADED", "success", "ACME", "ACME", "-"),
        ("SEEN_AS", "success", "ACME", "ACME", "/documents/3/download"),
        ("BOL_PREVIEWED", "success", "ACME", "ACME", "-"),
        ("SEEN_AS", "success", "ACME", "ACME", "/bols/PRT-2025-0003"),
        ("ACCESS_DENIED", "denied", "-", "ACME", "-"),
        ("ACCESS_DENIED", "denied", "ACME", "ACME", "/office/bols"),
        ("SEE_AS_ENDED", "success", "ACME", "ACME", "-"),
    ];
    assert_eq!(
        views,
        expected.map(|(action, outcome, customer, seen_as, path)| {
            (action.to_owned(), outcome.to_owned(), customer.to_owned(), seen_as.to_owned(), path.to_owned())
        })
    );
    // It doesn't count as a download by the customer, and the customer doesn't see it.
    assert_eq!(app.count("bol_opens WHERE fetched_for IS NOT NULL").await, 0);
    let history = app.acme().await.get(&format!("/bols/{}", World::ACME_BOL)).await;
    assert!(!history.text().contains(World::OFFICE));
}

/// The database policies check the role too: in a customer's scope no event can have another role.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_office_may_see_as_a_customer() {
    let app = App::start().await;
    let acme = app.acme().await;
    app.view_as_in_every_session("RIVAL").await;
    assert_eq!(acme.get("/bols").await.all("tbody .number").len(), 3, "a customer's session looks as nobody");
    assert_eq!(acme.get(&format!("/bols/{}", World::RIVAL_BOL)).await.status, 404);
    let auditor = app.auditor().await;
    app.view_as_in_every_session("RIVAL").await;
    assert_eq!(auditor.get("/bols").await.all("tbody tr").len(), 5);
    assert_eq!(auditor.get(&format!("/bols/{}", World::RIVAL_BOL)).await.status, 403);
}
