//! `/office/customers`: the list, its forms and the state of each customer.

use crate::support::{Action, App, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_is_added_and_changed() {
    let app = App::start().await;
    let office = app.office().await;
    let form = [("code", " beta-1 "), ("name", " Beta   Foundry "), ("address", "1 Mill Street\r\n\r\nMobile, AL")];
    let answer = office.post("/office/customers", &form).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/office/customers/BETA-1?done=added"));
    let page = office.get("/office/customers/BETA-1?done=added").await;
    assert_eq!(
        (page.one("h1"), page.attributes("#details-name", "value")),
        ("Beta Foundry".into(), vec!["Beta Foundry".into()])
    );
    assert_eq!(page.one("#details-address"), "1 Mill Street Mobile, AL");
    assert!(page.one("[role=status]").contains("invite its people"));
    let form = [("name", "Beta Iron"), ("address", ""), ("remind", "true")];
    assert_eq!(office.post("/office/customers/BETA-1", &form).await.status, 303);
    assert_eq!(office.post("/office/customers/BETA-1", &form).await.status, 303, "the same again changes nothing");
    let beta = app.customer("BETA-1").await;
    assert_eq!((beta.name.as_str(), beta.address.as_str(), beta.remind), ("Beta Iron", "", true));
    let events = app.events().await.any_of(&[Action::CustomerCreated, Action::CustomerChanged]);
    assert_eq!(
        events.list(|event| (event.action.as_str(), event.customer(), event.after("name"))),
        [("CUSTOMER_CREATED", "BETA-1", "-".into()), ("CUSTOMER_CHANGED", "BETA-1", "Beta Iron".into())]
    );
    assert!(office.get("/office/customers?find=beta").await.one("tbody").contains("Beta Iron BETA-1"));
    let none = office.get("/office/customers?find=%25").await;
    assert!(none.one(".empty").contains("No customer matches"));
}

#[tokio::test(flavor = "multi_thread")]
async fn customers_are_listed_50_a_page() {
    let app = App::start().await;
    let office = app.office().await;
    app.sql("INSERT INTO customers (code, name) SELECT 'Z' || n, 'Zinc ' || lpad(n::text, 3, '0') FROM generate_series(1, 60) n").await;
    let first = office.get("/office/customers?find=zinc").await;
    assert_eq!((first.all("tbody tr").len(), first.one(".pager .range")), (50, "1–50 of 60".into()));
    let second = office.get(&first.attributes(".pager a[rel=next]", "href").remove(0)).await;
    assert_eq!((second.all("tbody tr").len(), second.one(".pager .range")), (10, "51–60 of 60".into()));
    assert_eq!(office.get("/office/customers?customers-after=x").await.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mistake_gets_a_message_beside_its_field() {
    let app = App::start().await;
    let office = app.office().await;
    let long = "x".repeat(201);
    for (code, name, field, message) in [
        ("", "Beta", "code", "2 to 16"),
        ("-A", "Beta", "code", "2 to 16"),
        ("BÄTA", "Beta", "code", "2 to 16"),
        ("A'B", "Beta", "code", "2 to 16"),
        ("ACME", "Beta", "code", "Another customer has this code"),
        ("BETA", " ", "name", "Enter the name"),
        ("BETA", &long, "name", "at most 200"),
        ("BETA", "Beta \u{1f600}", "name", "can't be printed"),
    ] {
        let answer = office.post("/office/customers", &[("code", code), ("name", name), ("address", "there")]).await;
        assert_eq!(answer.status, 422, "{code} {name}");
        let error = answer.one(&format!("#{field}-error"));
        assert!(error.contains(message), "{code} {name}: {error}");
        assert_eq!(
            (answer.attributes("#code", "value"), answer.one("#address")),
            (vec![code.to_owned()], "there".into())
        );
    }
    let answer = office.post("/office/customers/ACME", &[("name", ""), ("address", "a\nb\nc\nd\ne\nf\ng")]).await;
    assert_eq!(answer.status, 422);
    assert!(
        answer.one("#details-name-error").contains("Enter the name")
            && answer.one("#details-address-error").contains("6 lines")
    );
    for path in [
        "/office/customers/NOBODY",
        "/office/customers/%00",
        "/office/customers/acme'",
        "/office/customers/NOBODY/state",
    ] {
        assert_eq!(office.get(path).await.status, 404, "{path}");
        let posted = office.post(&path.replace("/state", "/active"), &[("name", "x"), ("active", "true")]).await;
        assert_eq!(posted.status, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_of_an_inactive_customer_see_nothing_until_it_is_active_again() {
    let app = App::start().await;
    let (office, acme, broker) = (app.office().await, app.acme().await, app.user(World::BROKER).await);
    let ask = office.get("/office/customers/ACME/state").await;
    assert!(ask.one("form.ask").contains("5 logins"), "{}", ask.one("form.ask"));
    let gone = office.post("/office/customers/ACME/active", &[("active", "false")]).await;
    assert_eq!(gone.header("location"), "/office/customers/ACME?done=inactive");
    assert_eq!(acme.get("/bols").await.all("tbody tr").len(), 0);
    assert_eq!(acme.get(&format!("/bols/{}/download", World::ACME_BOL)).await.status, 404);
    assert_eq!(broker.get("/bols").await.all("tbody .number"), [World::RIVAL_BOL]);
    assert!(!office.get("/office/bols/new").await.text().contains("Acme Steel"));
    assert_eq!(office.get("/bols").await.all("tbody tr").len(), 5, "the office sees all");
    office.post("/office/customers/ACME/active", &[("active", "true")]).await;
    assert_eq!(acme.get("/bols").await.all("tbody tr").len(), 3);
    let changed = app.events().await.only(Action::CustomerChanged);
    assert_eq!(changed.list(|event| event.after("active")), ["false", "true"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn ship_tos_are_offered_and_retired() {
    let app = App::start().await;
    let office = app.office().await;
    let add = async |address: &str| office.post("/office/customers/ACME/ship-tos", &[("ship_to", address)]).await;
    assert_eq!(add("Acme Dock 4\r\n4 River Road").await.status, 303);
    assert_eq!(add("Acme Dock 4\n 4  River Road ").await.status, 303, "there already");
    assert!(add(" \r\n ").await.one("#ship_to-error").contains("Enter the consignee"));
    let form = "/office/bols/new?customer=ACME";
    assert!(office.get(form).await.text().contains("Acme Dock 4"));
    let id = app.ship_to("Acme Dock").await.id.to_string();
    let retire = async |code: &str, active: &str| {
        office.post(&format!("/office/customers/{code}/ship-to"), &[("id", &id), ("active", active)]).await.status
    };
    assert_eq!(retire("RIVAL", "false").await, 404, "another customer's");
    assert_eq!(retire("ACME", "false").await, 303);
    assert!(!office.get(form).await.text().contains("Acme Dock 4"));
    assert!(office.get("/office/customers/ACME").await.one(".lines .is-retired").contains("Acme Dock 4"));
    assert_eq!(add("Acme Dock 4\n4 River Road").await.status, 303, "added again, it is offered again");
    assert!(office.get(form).await.text().contains("Acme Dock 4"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_can_be_narrowed_to_a_customer() {
    let app = App::start().await;
    let (office, broker, acme) = (app.office().await, app.user(World::BROKER).await, app.acme().await);
    assert_eq!(office.get("/bols?customer=RIVAL").await.all("tbody .number"), [World::RIVAL_BOL]);
    assert_eq!(broker.get("/bols?customer=RIVAL").await.all("tbody .number"), [World::RIVAL_BOL]);
    assert_eq!(broker.get("/bols?customer=ACME&sort=number").await.all("tbody .number").len(), 3);
    assert_eq!(office.get("/api/bols?customer=RIVAL").await.json()["bols"].as_array().unwrap().len(), 1);
    // A customer can't tell another's code from one that doesn't exist.
    for code in ["RIVAL", "NOBODY", "%00"] {
        let answer = acme.get(&format!("/bols?customer={code}")).await;
        assert_eq!((answer.status, answer.all("tbody tr").len()), (422, 0), "{code}");
        assert!(answer.one(".message.problem").contains("No customer has this code."));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_office_may_change_customers() {
    let app = App::start().await;
    for actor in [app.auditor().await, app.acme().await] {
        for path in ["/office", "/office/customers", "/office/customers/ACME", "/office/customers/ACME/state"] {
            assert_eq!(actor.get(path).await.status, 403, "{path}");
        }
        for path in ["", "/active", "/ship-tos", "/ship-to", "/addresses", "/address", "/see-as"] {
            let answer =
                actor.post(&format!("/office/customers/ACME{path}"), &[("active", "false"), ("id", "1")]).await;
            assert_eq!(answer.status, 403, "{path}");
        }
        assert_eq!(actor.post("/office/remind", &[("customer", "ACME")]).await.status, 403);
        assert_eq!(actor.post("/office/settings/days", &[("collect_days", "1")]).await.status, 403);
    }
    assert_eq!(app.events().await.only(Action::CustomerChanged).len(), 0);
}
