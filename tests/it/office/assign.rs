//! Assigning BOLs to customers, recorded for the former and the new customer.

use std::time::Duration;

use crate::support::{Action, App, Door, Outcome, S3Server, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_bol_is_assigned_to_another_customer() {
    let app = App::start().await;
    let (office, acme, rival) = (app.office().await, app.acme().await, app.rival().await);
    let bol = format!("/bols/{}", World::ACME_BOL);
    assert_eq!((acme.get(&bol).await.status, rival.get(&bol).await.status), (200, 404));

    // The page asks for the customer, then for a confirmation that names it.
    let ask = format!("/office/bols/assign?number={}", World::ACME_BOL);
    let page = office.get(&ask).await;
    assert!(page.attributes("select[name=customer] option", "value").contains(&"RIVAL".to_owned()));
    let page = office.get(&format!("{ask}&number={}&customer=RIVAL", World::LOOSE_BOL)).await;
    assert_eq!(page.one("h1"), "Assign 2 bills of lading to Rival Iron?");
    assert!(page.one(".message").contains("Acme Steel will stop seeing"), "{}", page.text());
    assert_eq!(page.attributes("form[method=post] input[name=number]", "value"), [World::ACME_BOL, World::LOOSE_BOL]);
    // The question changes nothing. If the BOL has changed by the answer, the page asks again.
    let owners = page.attributes("input[name=owners]", "value").concat();
    assert_eq!(owners, "PRT-2025-0001=ACME,PRT-2025-0004=");
    let late = [
        ("number", World::ACME_BOL),
        ("number", World::LOOSE_BOL),
        ("customer", "RIVAL"),
        ("owners", "PRT-2025-0001=,PRT-2025-0004="),
    ];
    let answer = office.post("/office/bols/assign", &late).await;
    assert_eq!(answer.status, 409);
    assert!(answer.text().contains("Another user has just assigned"));
    assert_eq!(acme.get(&bol).await.status, 200);

    let form = [("number", World::ACME_BOL), ("number", World::LOOSE_BOL), ("customer", "RIVAL")];
    let answer = office.post("/office/bols/assign", &form).await;
    assert_eq!(answer.status, 303);
    assert!(answer.header("location").starts_with("/bols?assignment="), "{}", answer.header("location"));
    assert_eq!((acme.get(&bol).await.status, rival.get(&bol).await.status), (404, 200));
    for document in &app.world.acme_documents {
        assert_eq!(acme.get(&format!("/documents/{document}/download")).await.status, 404);
        assert_eq!(rival.get(&format!("/documents/{document}/download")).await.status, 303);
    }
    assert!(!acme.get("/bols").await.text().contains(World::ACME_BOL));
    // The printed customer stays. The office's list shows the owner.
    let list = office.get("/bols?q=PRT-2025-0001").await;
    assert_eq!(list.all("td.customer"), ["Rival Iron"]);
    assert!(office.get(&bol).await.text().contains("Assigned to Rival Iron"));
    // The new customer doesn't see who viewed it before.
    assert!(!rival.get(&bol).await.text().contains(World::ACME));

    let assigned = app.events().await.only(Action::BolAssigned);
    let assigned = assigned.list(|event| (event.customer(), event.bol(), event.detail("from"), event.detail("to")));
    assert_eq!(
        assigned,
        [
            ("ACME", World::ACME_BOL, "ACME".into(), "RIVAL".into()),
            ("RIVAL", World::ACME_BOL, "ACME".into(), "RIVAL".into()),
            ("RIVAL", World::LOOSE_BOL, "-".into(), "RIVAL".into()),
        ]
    );
    // The same assignment again records nothing.
    assert_eq!(office.post("/office/bols/assign", &form).await.status, 303);
    assert_eq!(app.events().await.only(Action::BolAssigned).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_assigned_completely_or_not_at_all() {
    let app = App::start().await;
    let office = app.office().await;
    app.deactivate_customer("RIVAL").await;
    let post = async |form: &[(&str, &str)]| office.post("/office/bols/assign", form).await;
    for (form, status) in [
        (vec![("number", World::ACME_BOL), ("customer", "RIVAL")], 422),
        (vec![("number", World::ACME_BOL), ("customer", "NOBODY")], 422),
        (vec![("number", World::ACME_BOL), ("customer", "")], 422),
        (vec![("number", World::ACME_BOL), ("customer", "\0")], 422),
        (vec![("customer", "ACME")], 422),
        (vec![("number", World::LOOSE_BOL), ("number", "PRT-2025-0999"), ("customer", "ACME")], 404),
        (vec![("number", "nonsense"), ("customer", "ACME")], 404),
    ] {
        assert_eq!(post(&form).await.status, status, "{form:?}");
    }
    assert_eq!(app.bol(World::LOOSE_BOL).await.customer_id, None);
    for actor in [app.acme().await, app.auditor().await] {
        let form = [("number", World::LOOSE_BOL), ("customer", "ACME")];
        assert_eq!(actor.post("/office/bols/assign", &form).await.status, 403);
        assert_eq!(actor.get("/office/bols/assign?number=PRT-2025-0001").await.status, 403);
    }
    // A single BOL redirects back to its page.
    let answer = post(&[("number", World::LOOSE_BOL), ("customer", "acme")]).await;
    let location = answer.header("location");
    assert!(
        location.starts_with("/bols/PRT-2025-0004?assignment=") && location.ends_with("&done=assigned"),
        "{location}"
    );
}

/// The BOL is reassigned while the server asks the storage for the file. No link is issued, and the log says so.
#[tokio::test(flavor = "multi_thread")]
async fn no_link_is_issued_after_a_reassignment() {
    let s3 = S3Server::start().await;
    let door = Door::before(&s3).await;
    let endpoint = format!("http://{}", door.address);
    let variables: Vec<(&'static str, String)> = s3.environment();
    let mut variables: Vec<(&'static str, &str)> =
        variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    variables.push(("AWS_ENDPOINT_URL_S3", &endpoint));
    let app = App::start_with(&variables).await;
    let (office, acme) = (app.office().await, app.acme().await);
    let download = format!("/bols/{}/download", World::ACME_BOL);
    assert_eq!(acme.get(&download).await.status, 303);
    door.shut();
    let assigned = async {
        door.somebody_waits().await;
        let form = [("number", World::ACME_BOL), ("customer", "RIVAL")];
        assert_eq!(office.post("/office/bols/assign", &form).await.status, 303);
        door.open();
    };
    let (answer, ()) = tokio::join!(acme.get(&download), assigned);
    assert_eq!(answer.status, 404);
    let events = app.events().await;
    let last = events.list(|event| (event.action.as_str(), event.customer()));
    assert_eq!(
        last[last.len() - 3..],
        [("BOL_ASSIGNED", "ACME"), ("BOL_ASSIGNED", "RIVAL"), ("ACCESS_DENIED", "-")],
        "one link before, none after: {events:?}"
    );
    assert_eq!(events.only(Action::BolDownloaded).len(), 1);
}

/// Reassigns the BOL repeatedly during downloads. The recorded events match the issued links.
#[tokio::test(flavor = "multi_thread")]
async fn downloads_during_reassignments_are_recorded_for_the_right_customer() {
    let app = App::start().await;
    let (office, acme) = (app.office().await, app.acme().await);
    let forth = [("number", World::ACME_BOL), ("customer", "RIVAL")];
    let back = [("number", World::ACME_BOL), ("customer", "ACME")];
    let download = format!("/bols/{}/download", World::ACME_BOL);
    let downloading = async {
        let mut given = 0;
        for _ in 0..60 {
            let answer = acme.get(&download).await;
            assert!([303, 404].contains(&answer.status));
            given += usize::from(answer.status == 303);
        }
        given
    };
    let assigning = async {
        for _ in 0..10 {
            assert_eq!(office.post("/office/bols/assign", &forth).await.status, 303);
            tokio::time::sleep(Duration::from_millis(5)).await;
            assert_eq!(office.post("/office/bols/assign", &back).await.status, 303);
        }
    };
    let (given, ()) = tokio::join!(downloading, assigning);
    let events = app.events().await;
    let recorded = events.only(Action::BolDownloaded).with(Outcome::Success);
    assert_eq!(recorded.filter(|event| event.customer() == "ACME").len(), given);
    assert_eq!(events.only(Action::AccessDenied).len(), 60 - given);
}
