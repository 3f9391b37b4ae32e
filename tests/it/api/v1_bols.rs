//! `GET /api/v1/bols/{number}`.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Action, Answer, App, Load, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_bol_has_every_field_that_was_typed() {
    let app = App::ready_to_issue().await;
    let (office, acme) = (app.office().await, app.acme().await);
    let load = Load::today(&app).await.with("seal_numbers", "0048213 0048214").with("trailer_number", "DT-2208");
    let number = load.issue(&office).await;
    let mark = app.events().await.mark();
    let answer = acme.get(&format!("/api/v1/bols/{number}")).await;
    let bol = answer.json();
    for (name, value) in &load.0 {
        let read = match name.as_str() {
            "customer" => bol["customer"]["code"].clone(),
            "gross_lb" | "tare_lb" | "pieces" => bol[name].as_i64().unwrap().to_string().into(),
            "seal_numbers" => bol[name]
                .as_array()
                .unwrap()
                .iter()
                .map(|seal| seal.as_str().unwrap())
                .collect::<Vec<_>>()
                .join(" ")
                .into(),
            name => bol[name].clone(),
        };
        assert_eq!(read.as_str().unwrap(), value.replace("79,480", "79480").replace("33,420", "33420"), "{name}");
    }
    assert_eq!((bol["net_lb"].as_i64(), bol["net_tons"].as_str()), (Some(46_060), Some("23.03")));
    assert_eq!(bol["terminal"]["phone"], "(513) 555-0142");
    assert_eq!((&bol["void"], &bol["official_weight"], &bol["care_of"]), (&Value::Null, &Value::Null, &Value::Null));
    let viewed = app.events().await.since(mark).single(Action::BolViewed);
    assert_eq!((viewed.email(), viewed.bol(), viewed.customer()), (World::ACME, number.as_str(), "ACME"));
    let again = acme.request(Method::GET, &format!("/api/v1/bols/{number}"));
    let again = Answer::of(again.header("if-none-match", answer.header("etag"))).await;
    assert_eq!(again.status, 304);
    assert_eq!(
        app.events().await.since(mark).only(Action::BolViewed).len(),
        2,
        "that it hasn't changed is recorded too"
    );
    let head = Answer::of(acme.request(Method::HEAD, &format!("/api/v1/bols/{number}"))).await;
    assert_eq!(head.status, 405, "a view without a record");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bol_lists_its_documents_with_their_hashes() {
    let app = App::start().await;
    let bol = app.acme().await.get(&format!("/api/v1/bols/{}", World::ACME_BOL)).await.json();
    let documents = bol["documents"].as_array().unwrap();
    let short = |document: &Value| {
        let text = |name: &str| document[name].as_str().unwrap().to_owned();
        (text("kind"), text("dsdc_code"), document["version"].as_i64().unwrap(), document["is_current"] == true)
    };
    let found: Vec<_> = documents.iter().map(short).collect();
    let expected = [
        ("bol", "BOL", 2, true),
        ("bol", "BOL", 1, false),
        ("scale-ticket", "SCL", 1, true),
        ("signed-bol", "POD", 1, true),
    ];
    assert_eq!(
        found,
        expected.map(|(kind, code, version, current)| (kind.to_owned(), code.to_owned(), version, current))
    );
    for row in app.documents().await.iter().filter(|row| row.bol_id == bol["id"].as_i64()) {
        let document = documents.iter().find(|document| document["id"] == row.id).unwrap();
        assert_eq!(document["sha256"].as_str(), Some(hex::encode(&row.sha256).as_str()));
        assert_eq!(document["size_bytes"].as_i64(), Some(row.size_bytes));
    }
    let void = app.acme().await.get(&format!("/api/v1/bols/{}", World::ACME_VOID)).await.json();
    assert_eq!((&void["status"], &void["void"]["reason"]), (&json!("void"), &json!("Wrong truck, sesame")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bol_names_what_replaces_it_and_its_official_weight() {
    let app = App::ready_to_issue().await;
    let office = app.office().await;
    let load = Load::today(&app).await;
    let before = load.issue(&office).await;
    office.post(&format!("/office/bols/{before}/void"), &[("reason", "Wrong lot")]).await;
    let after = load.with("reissue_of", &before).issue(&office).await;
    office.post(&format!("/office/bols/{after}/weight"), &[("official_weight_lb", "46,180")]).await;
    let read = async |number: &str| office.get(&format!("/api/v1/bols/{number}")).await.json();
    let (void, reissue) = (read(&before).await, read(&after).await);
    assert_eq!((&void["reissued_as"], &void["void"]["reason"]), (&json!(after), &json!("Wrong lot")));
    assert_eq!(reissue["reissue_of"], json!(before));
    let weight = &reissue["official_weight"];
    assert_eq!((&weight["pounds"], &weight["variance_percent"]), (&json!(46_180), &json!("+0.26")));
    assert_eq!(reissue["documents"][0]["version"], 2, "the stamped copy");
    let changed = |bol: &Value| bol["updated_at"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    assert!(changed(&reissue) > changed(&void));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bol_is_written_in_the_shape_of_the_dsdc() {
    let app = App::ready_to_issue().await;
    let office = app.office().await;
    let number = Load::today(&app).await.with("seal_numbers", "0048213 0048214").issue(&office).await;
    let ebol = office.get(&format!("/api/v1/bols/{number}?format=ebol")).await.json();
    let references = ebol["referenceNumbers"]["additionalReferences"].as_array().unwrap();
    let values = |name: &str| {
        references
            .iter()
            .filter(|entry| entry["name"] == name)
            .map(|entry| entry["value"].as_str().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(values("Seal Number"), ["0048213", "0048214"]);
    assert_eq!((values("Lot Number"), values("Chemistry")), (vec!["PI-25-1107"], vec!["C 4.21%, Si 1.08%"]));
    assert_eq!(ebol["destination"]["city"], "Dayton");
    assert_eq!((&ebol["payment"]["terms"], &ebol["billTo"]["name"]), (&json!("Prepaid"), &json!("River Terminal LLC")));
    assert_eq!(ebol["origin"]["contact"]["phone"], "5135550142");
    assert_eq!(ebol["commodities"]["handlingUnits"][0]["type"], "DBK");
    let members = |value: &Value| {
        let mut names: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(
        members(&ebol),
        "billTo bol commodities destination origin payment referenceNumbers shipmentTotals specialInstructions version"
    );
    assert_eq!((&ebol["version"], &ebol["bol"]["function"]), (&json!("1.0.0-TL"), &json!("Create")));
    assert_eq!(ebol["referenceNumbers"]["bol"], json!([number]));
    let unit = &ebol["commodities"]["handlingUnits"][0];
    assert_eq!((&unit["weightUnit"], &unit["weight"]), (&json!("Pounds"), &json!(46_060)));
    assert_eq!(office.get(&format!("/api/v1/bols/{number}?format=edi")).await.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rival_gets_the_same_404_of_the_api_as_for_a_missing_bol() {
    let app = App::start().await;
    let rival = app.rival().await;
    let missing = rival.get("/api/v1/bols/PRT-2025-0999").await;
    for number in [World::ACME_BOL, World::LOOSE_BOL, "nonsense"] {
        let theirs = rival.get(&format!("/api/v1/bols/{number}")).await;
        assert_eq!((theirs.status, theirs.text()), (404, missing.text()), "{number}");
    }
    assert!(app.events().await.only(Action::BolViewed).is_empty());
}
