//! Questions before what is hard to undo, and undo where a person can undo it.

use chrono::TimeDelta;

use crate::support::scan::paper;
use crate::support::{Action, Actor, Answer, App, World};

async fn waiting(office: &Actor, name: &str) -> i64 {
    let answer = office.upload(&[("kind", "other")], name, &paper(name)).await;
    answer.document_id(0)
}

/// Sends the form that offers to undo what was just done, and returns the page that it leads to.
async fn undo(actor: &Actor, page: &Answer) -> Answer {
    let [names, values] = ["name", "value"].map(|part| page.attributes(".undo input", part));
    let form: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(values.iter().map(String::as_str)).collect();
    let answer = actor.post(&page.attributes(".undo", "action").remove(0), &form).await;
    assert_eq!(answer.status, 303);
    actor.get(answer.header("location")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn filing_says_where_the_document_is_now_and_can_be_undone() {
    let app = App::start().await;
    let office = app.office().await;
    let id = waiting(&office, "scan_0009.pdf").await;
    let form = [("number", "25-1"), ("kind", "other")];
    let filed = office.post(&format!("/office/documents/{id}/file"), &form).await;
    let page = office.get(filed.header("location")).await;
    assert_eq!(page.one(".undo [role=status]"), "scan_0009.pdf → PRT-2025-0001, Acme Steel.");
    assert_eq!(page.attributes(".undo a", "href"), ["/bols/PRT-2025-0001"]);
    let back = undo(&office, &page).await;
    assert_eq!(
        (back.one("[role=status]"), back.all(".intake h2")),
        ("Back in the inbox.".into(), vec!["scan_0009.pdf".into()])
    );
    assert_eq!(app.events().await.only(Action::DocumentUnfiled).len(), 1);
    // What another user has moved since is skipped, and an address that names other documents shows nothing.
    assert_eq!(undo(&office, &page).await.all(".intake h2").len(), 1);
    let foreign = format!("/office/inbox?done=filed&moved={id}.x.999999");
    assert!(office.get(&foreign).await.all(".undo").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn discarding_can_be_undone() {
    let app = App::start().await;
    let office = app.office().await;
    let ids = [waiting(&office, "a.pdf").await.to_string(), waiting(&office, "b.pdf").await.to_string()];
    let form = [("document", &*ids[0]), ("document", &*ids[1]), ("action", "discard")];
    let discarded = office.post("/office/inbox", &form).await;
    let page = office.get(discarded.header("location")).await;
    assert_eq!(
        (page.one(".undo [role=status]"), page.one(".empty h2")),
        ("2 documents are in the bin.".into(), "Inbox is empty.".into())
    );
    assert_eq!(undo(&office, &page).await.all(".intake h2"), ["a.pdf", "b.pdf"]);
}

/// Assigns these BOLs, and returns the page after it.
async fn assign(actor: &Actor, numbers: &[&str], customer: &str) -> Answer {
    let mut form = vec![("customer", customer)];
    form.extend(numbers.iter().map(|number| ("number", *number)));
    let answer = actor.post("/office/bols/assign", &form).await;
    assert_eq!(answer.status, 303);
    actor.get(answer.header("location")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assignment_is_undone_for_each_bol() {
    let app = App::start().await;
    let (office, admin) = (app.office().await, app.user(World::ADMIN).await);
    let numbers = [World::ACME_BOL, World::LOOSE_BOL, World::RIVAL_BOL];
    let page = assign(&office, &numbers, "RIVAL").await;
    // One of the three was the customer's before.
    assert_eq!(
        page.one(".undo [role=status]"),
        "Assigned. 2 BOLs → Rival Iron. Only this customer sees them from now on."
    );
    assert_eq!(app.rival().await.get("/bols/PRT-2025-0004").await.status, 200);
    // Neither another user nor another request can undo it.
    let id = page.attributes(".undo input[name=assignment]", "value").remove(0);
    assert!(admin.get(&format!("/bols?assignment={id}&done=assigned")).await.all(".undo").is_empty());
    let other = admin.post("/office/bols/assign/undo", &[("assignment", &id)]).await;
    assert_eq!(other.header("location"), "/bols?done=late");
    admin.get("/bols?done=late").await.expect_summary("too late");

    let back = undo(&office, &page).await;
    assert_eq!(back.one("[role=status]"), "The assignment is undone. Each BOL has its former customer again, or none.");
    assert_eq!(app.bol(World::LOOSE_BOL).await.customer_id, None);
    assert_eq!(app.acme().await.get("/bols/PRT-2025-0001").await.status, 200);
    assert_eq!(app.rival().await.get("/bols/PRT-2025-0004").await.status, 404);
    let undone = app.events().await.only(Action::BolAssigned);
    let undone = undone.list(|event| (event.bol(), event.customer(), event.detail("to"), event.detail("undo")));
    assert_eq!(
        undone[3..],
        [
            (World::ACME_BOL, "RIVAL", "ACME".into(), "true".into()),
            (World::ACME_BOL, "ACME", "ACME".into(), "true".into()),
            (World::LOOSE_BOL, "RIVAL", "-".into(), "true".into()),
        ]
    );
    // It is undone once, and an undo offers no other. An address that names no request offers nothing.
    assert_eq!(office.get("/bols?assignment=%00&done=assigned").await.status, 200);
    let again = office.post("/office/bols/assign/undo", &[("assignment", &id)]).await;
    assert_eq!(again.header("location"), "/bols?done=late");
    assert!(back.all(".undo").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_have_assigned_since_stays() {
    let app = App::start().await;
    let (office, admin) = (app.office().await, app.user(World::ADMIN).await);
    let page = assign(&office, &[World::ACME_BOL, World::LOOSE_BOL], "RIVAL").await;
    assign(&admin, &[World::LOOSE_BOL], "ACME").await;
    let back = undo(&office, &page).await;
    assert_eq!(
        back.one("[role=status]"),
        "The assignment is undone, except for BOLs that were assigned again in the meantime."
    );
    for number in [World::ACME_BOL, World::LOOSE_BOL] {
        assert_eq!(app.bol(number).await.customer_id, Some(app.world.acme), "{number}");
    }
    // A single BOL returns on its own page.
    let page = assign(&office, &[World::LOOSE_BOL], "RIVAL").await;
    let back = undo(&office, &page).await;
    assert_eq!((page.one("h1"), back.one("h1")), (World::LOOSE_BOL.into(), World::LOOSE_BOL.into()));
    assert_eq!(app.bol(World::LOOSE_BOL).await.customer_id, Some(app.world.acme));
    // After an hour, nothing does.
    let page = assign(&office, &[World::LOOSE_BOL], "RIVAL").await;
    let id = page.attributes(".undo input[name=assignment]", "value").remove(0);
    app.clock.advance(TimeDelta::minutes(61));
    let later = office.get(&format!("/bols?assignment={id}&done=assigned")).await;
    assert!(later.all(".undo").is_empty() && later.one("[role=status]").starts_with("Assigned."));
    assert_eq!(undo(&office, &page).await.all("#problem").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_names_another_bol_is_filed_after_a_question() {
    let app = App::start().await;
    let office = app.office().await;
    // It names two BOLs, so it waits.
    let id = waiting(&office, "PRT-2025-0001 PRT-2025-0003.pdf").await;
    let path = format!("/office/documents/{id}/file");
    let asked = office.post(&path, &[("number", "25-5"), ("kind", "other")]).await;
    assert_eq!(asked.status, 422);
    let message = asked.one(".intake .error");
    assert!(
        message.contains(
            "names PRT-2025-0001 (Acme Steel) and PRT-2025-0003 (Rival Iron), not PRT-2025-0005 (Acme Steel)."
        ),
        "{message}"
    );
    assert_eq!(asked.attributes(".intake input[name=confirm]", "value"), ["PRT-2025-0005"]);
    // The confirmation is of that BOL alone.
    let form = [("number", "25-2"), ("kind", "other"), ("confirm", "PRT-2025-0005")];
    assert_eq!(office.post(&path, &form).await.status, 422);
    let bulk = [("document", &*id.to_string()), ("number", "25-5"), ("kind", "other"), ("action", "file")];
    let asked = office.post("/office/inbox", &bulk).await;
    assert_eq!(
        (asked.status, asked.attributes("#bulk input[name=confirm]", "value")),
        (422, vec!["PRT-2025-0005".into()])
    );
    let form = [("number", "25-5"), ("kind", "other"), ("confirm", "PRT-2025-0005")];
    assert_eq!(office.post(&path, &form).await.status, 303);
    // A BOL that the document names needs no question.
    let id = waiting(&office, "PRT-2025-0001 PRT-2025-0003 again.pdf").await;
    let form = [("number", "25-3"), ("kind", "other")];
    assert_eq!(office.post(&format!("/office/documents/{id}/file"), &form).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn taking_a_document_off_its_bol_names_what_and_whom() {
    let app = App::start().await;
    let (office, acme) = (app.office().await, app.acme().await);
    let answer = office.upload(&[("kind", "invoice")], "PRT-2025-0005.pdf", &paper("an invoice")).await;
    let path = format!("/office/documents/{}/unfile", answer.document_id(0));
    let page = office.get(&path).await;
    assert_eq!(page.one("h1"), "Move PRT-2025-0005.pdf from PRT-2025-0005 to the inbox?");
    assert!(page.one(".ask").contains("Acme Steel no longer sees it."), "{}", page.text());
    assert_eq!(page.attributes(".ask", "action"), std::slice::from_ref(&path));
    assert!(app.bol(World::ACME_BARE).await.document_kinds.contains(&"invoice".to_owned()), "asking changes nothing");
    let printed = app.world.acme_documents[0];
    let stays = office.get(&format!("/office/documents/{printed}/unfile")).await;
    assert_eq!((stays.status, stays.header("location")), (303, "/office/inbox"));
    assert_eq!(acme.get(&path).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_a_person_and_reminding_a_customer_ask_first() {
    let app = App::start().await;
    let office = app.office().await;
    let user = app.rows(&format!("SELECT id FROM users WHERE email = '{}'", World::ACME)).await.remove(0);
    let page = office.get(&format!("/office/users/{user}")).await;
    let links = page.attributes("a[href*=leave], a[href*=disable]", "href");
    assert_eq!(links.len(), 2, "{links:?}");
    for (link, title) in links.iter().zip(["Disable the login of", "Remove"]) {
        let page = office.get(link).await;
        assert!(page.one("h1").starts_with(title) && page.one(".ask").contains(World::ACME), "{}", page.text());
        let action = page.attributes(".ask", "action").remove(0);
        assert_eq!(Some(action.as_str()), link.split('?').next());
    }
    assert_eq!(office.get(&format!("/office/users/{user}/rename")).await.status, 303);
    assert_eq!(office.get(&format!("/office/users/{user}/leave?customer_id=0")).await.status, 404);

    app.sql(&format!("UPDATE bols SET visible_since = now() - interval '4 days' WHERE number = '{}'", World::ACME_BOL))
        .await;
    let page = office.get("/office/remind?customer=ACME").await;
    assert_eq!(page.one("h1"), "Remind Acme Steel?");
    assert!(page.one(".ask").contains("people get an email about"), "{}", page.text());
    assert_eq!(office.get("/office/remind?customer=NOBODY").await.status, 404);
    assert!(app.events().await.only(Action::ReminderSent).is_empty(), "asking sends nothing");
}
