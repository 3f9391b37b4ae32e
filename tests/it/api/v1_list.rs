//! `GET /api/v1/bols`.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::support::{Actor, App, World};

fn numbers(page: &Value) -> Vec<&str> {
    page["bols"].as_array().unwrap().iter().map(|bol| bol["number"].as_str().unwrap()).collect()
}

/// Follows `next` to the end, with two BOLs on a page.
async fn all(actor: &Actor, query: &str) -> Vec<String> {
    let (mut found, mut after) = (Vec::new(), String::new());
    for _ in 0..10 {
        let page = actor.get(&format!("/api/v1/bols?limit=2&after={after}&{query}")).await.json();
        assert!(numbers(&page).len() <= 2);
        found.extend(numbers(&page).into_iter().map(String::from));
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut after),
            None => return found,
        }
    }
    panic!("endless: {found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_has_the_filters_of_the_page_and_goes_on_page_by_page() {
    let app = App::start().await;
    let (acme, office) = (app.acme().await, app.office().await);
    let (first, void, loose, bare) = (World::ACME_BOL, World::ACME_VOID, World::LOOSE_BOL, World::ACME_BARE);
    assert_eq!(all(&office, "").await, [bare, loose, World::RIVAL_BOL, void, first]);
    assert_eq!(all(&office, "sort=number").await, [first, void, World::RIVAL_BOL, loose, bare]);
    for (query, expected) in [
        ("", vec![bare, void, first]),
        ("q=PO-sesame-2", vec![void]),
        ("status=void", vec![void]),
        ("kind=signed-bol", vec![first]),
        ("from=2025-03-02&to=2025-03-05", vec![bare, void]),
        ("customer=ACME&sort=-number", vec![bare, void, first]),
    ] {
        assert_eq!(all(&acme, query).await, expected, "{query}");
    }
    let page = acme.get("/api/v1/bols?q=PO-sesame-1").await.json();
    assert_eq!(page["bols"][0]["customer"], json!({"code": "ACME", "name": "Acme Steel"}));
    assert_eq!(page["bols"][0]["document_kinds"], json!(["bol", "scale-ticket", "signed-bol"]));
    let loose = office.get("/api/v1/bols?status=unassigned").await.json();
    assert_eq!((numbers(&loose), &loose["bols"][0]["customer"]), (vec![World::LOOSE_BOL], &Value::Null));
    assert_eq!(numbers(&office.get("/api/v1/bols?customer=RIVAL").await.json()), [World::RIVAL_BOL]);
    for wrong in ["customer=RIVAL", "sort=color", "after=x", "status=unfetched", "limit=201", "limit=x", "q=a&limit=-1"]
    {
        assert_eq!(acme.get(&format!("/api/v1/bols?{wrong}")).await.status, 422, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_follows_the_changes() {
    let app = App::ready_to_issue().await;
    let (acme, office) = (app.acme().await, app.office().await);
    let whole = all(&acme, "sort=updated").await;
    assert_eq!(whole.len(), 3);
    let page = acme.get("/api/v1/bols?sort=-updated").await.json();
    let newest: DateTime<Utc> = page["bols"][0]["updated_at"].as_str().unwrap().parse().unwrap();
    let since = (newest + chrono::TimeDelta::microseconds(1)).to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    let changed = format!("updated_since={since}");
    assert!(all(&acme, &changed).await.is_empty());
    office.post(&format!("/office/bols/{}/void", World::ACME_BARE), &[("reason", "Never left")]).await;
    let form = [("number", World::LOOSE_BOL), ("customer", "ACME")];
    assert_eq!(office.post("/office/bols/assign", &form).await.status, 303);
    assert_eq!(all(&acme, &changed).await, [World::ACME_BARE, World::LOOSE_BOL], "the earliest change first");
    assert_eq!(all(&acme, &format!("{changed}&sort=-updated")).await, [World::LOOSE_BOL, World::ACME_BARE]);
    assert_eq!(all(&acme, &format!("{changed}&status=void")).await, [World::ACME_BARE]);
    assert!(all(&app.rival().await, &changed).await.is_empty());
    let broker = app.user(World::BROKER).await;
    assert_eq!(all(&broker, "sort=updated").await.len(), 5, "merged from two companies");
}
