//! What is new to a user: in the list, on the page of a BOL, and after marking all as read.

use crate::support::{Actor, Answer, App, World};

async fn new(actor: &Actor) -> Vec<String> {
    actor.get("/bols").await.all("tr:has(.mark.new) .number")
}

/// As if every user had logged in long ago.
async fn logged_in_long_ago(app: &App) {
    app.sql("UPDATE users SET read_until = '2000-01-01'").await;
}

/// Sends the form that changes what is new, and returns the page that it leads to.
async fn mark(actor: &Actor, page: &Answer) -> Answer {
    let field = |name: &str| page.attributes(&format!(".views input[name={name}]"), "value").remove(0);
    let answer = actor.post("/bols/read", &[("until", &field("until")), ("list", &field("list"))]).await;
    assert_eq!(answer.status, 303);
    actor.get(answer.header("location")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bol_is_new_until_the_user_opens_it_and_after_each_change() {
    let app = App::start().await;
    logged_in_long_ago(&app).await;
    let (acme, colleague) = (app.acme().await, app.user(World::COLLEAGUE).await);
    assert_eq!(new(&acme).await, ["PRT-2025-0005", "PRT-2025-0002", "PRT-2025-0001"]);
    acme.get(&format!("/bols/{}", World::ACME_BOL)).await;
    acme.get(&format!("/bols/{}/download", World::ACME_VOID)).await;
    assert_eq!(new(&acme).await, ["PRT-2025-0005"]);
    assert_eq!(new(&colleague).await.len(), 3, "each for himself");
    app.sql("UPDATE bols SET official_weight_lb = 46880 WHERE number = 'PRT-2025-0001'").await;
    assert_eq!(new(&acme).await, ["PRT-2025-0005", "PRT-2025-0001"], "changed since");
    assert!(new(&app.office().await).await.is_empty(), "the mark is for customers");
}

#[tokio::test(flavor = "multi_thread")]
async fn new_begins_at_the_first_login() {
    let app = App::start().await;
    let acme = app.acme().await;
    assert!(new(&acme).await.is_empty(), "what was there before");
    app.new_bol("PRT-2026-0001").customer("ACME").create().await;
    assert_eq!(new(&acme).await, ["PRT-2026-0001"]);
    assert_eq!(new(&app.acme().await).await, ["PRT-2026-0001"], "a second login changes nothing");
    assert_eq!(acme.get("/api/bols?new=1").await.json()["bols"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_new_narrows_the_list_and_all_can_be_marked_as_read_and_back() {
    let app = App::start().await;
    logged_in_long_ago(&app).await;
    let (acme, colleague) = (app.acme().await, app.user(World::COLLEAGUE).await);
    acme.get(&format!("/bols/{}", World::ACME_BOL)).await;
    let href = acme.get("/bols?q=prt").await.attributes(".views a:not([aria-current])", "href").remove(0);
    assert_eq!(href, "/bols?q=prt&new=1");
    let page = acme.get(&href).await;
    assert_eq!(page.all("tbody .number"), ["PRT-2025-0005", "PRT-2025-0002"]);
    assert_eq!((page.one(".count"), page.one(".views [aria-current]")), ("2 BOLs match".into(), "New only".into()));
    let after = mark(&acme, &page).await;
    assert_eq!(
        (after.one("[role=status]"), after.one(".empty h2")),
        ("All BOLs are marked as read.".into(), "Nothing is new.".into())
    );
    assert!(new(&acme).await.is_empty());
    assert_eq!(new(&colleague).await.len(), 3, "each for himself");
    let after = mark(&acme, &after).await;
    assert_eq!(after.all("tbody .number"), ["PRT-2025-0005", "PRT-2025-0002"]);
    assert_eq!(after.one("[role=status]"), "The BOLs are marked as new again.");
}

#[tokio::test(flavor = "multi_thread")]
async fn marking_as_read_takes_no_future_and_no_nonsense() {
    let app = App::start().await;
    let (acme, office) = (app.acme().await, app.office().await);
    let post = async |actor: &Actor, until: &str| {
        actor.post("/bols/read", &[("until", until), ("list", "q=%FF&from=x")]).await.status
    };
    assert_eq!(post(&acme, "9999-01-01T00:00:00Z").await, 303);
    app.new_bol("PRT-2026-0001").customer("ACME").create().await;
    assert_eq!(new(&acme).await, ["PRT-2026-0001"], "what changes later stays new");
    for until in ["", "yesterday", "2025-01-01", "infinity"] {
        assert_eq!(post(&acme, until).await, 400, "{until}");
    }
    // A year that Postgres can't store.
    assert_eq!(post(&acme, "-9999-01-01T00:00:00Z").await, 303);
    assert_eq!(post(&office, "2025-01-01T00:00:00Z").await, 403);
    assert_eq!(post(&app.auditor().await, "2025-01-01T00:00:00Z").await, 403);
    assert_eq!(acme.get("/bols?new=2").await.status, 422);
    assert_eq!(office.get("/bols?new=1").await.status, 422);
    assert!(office.get("/bols").await.all(".views").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_document_says_which_it_is() {
    let app = App::start().await;
    let acme = app.acme().await;
    app.store_document(World::ACME_VOID, "scale-ticket").await;
    app.store_document(World::ACME_VOID, "certificate-of-analysis").await;
    let marks = async || acme.get("/bols").await.all(".mark.new");
    assert_eq!(marks().await, ["New: scale ticket, certificate of analysis"]);
    let path = format!("/bols/{}", World::ACME_VOID);
    let page = acme.get(&path).await;
    assert_eq!(page.all("td:has(> .mark.new) .file"), ["scale-ticket.pdf", "certificate-of-analysis.pdf"]);
    assert!(marks().await.is_empty());
    assert!(acme.get(&path).await.all(".mark.new").is_empty(), "seen before");
    app.new_bol("PRT-2026-0001").customer("ACME").create().await;
    assert_eq!(marks().await, ["New"], "all of the BOL is new");
}
