//! Issuing, voiding and weighing through `/api/v1`.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Action, Actor, Answer, App, Load, World};

async fn send(actor: &Actor, path: &str, key: Option<&str>, body: &Value) -> Answer {
    let mut request = actor.request(Method::POST, path).json(body);
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    Answer::of(request).await
}

fn fields(answer: &Answer) -> Vec<String> {
    let json = answer.json();
    let errors = json["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().map(|error| error["field"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_system_issues_a_bol_once() {
    let app = App::ready_to_issue().await;
    let office = app.office().await;
    let mut load = Load::today(&app).await.json();
    (load["pieces"], load["seal_numbers"]) = (1.into(), json!(["1001", "1002"]));
    let path = "/api/v1/bols";
    let first = send(&office, path, Some("order-17"), &load).await;
    assert_eq!(first.status, 201, "{}", first.text());
    let issued = first.json();
    assert_eq!(issued["url"], first.header("location"));
    let read = office.get(first.header("location")).await.json();
    assert_eq!((&read["number"], &read["seal_numbers"]), (&issued["number"], &json!(["1001", "1002"])));
    let again = send(&office, path, Some("order-17"), &load).await;
    assert_eq!((again.status, again.json()), (200, issued.clone()));
    let mut other = load.clone();
    other["lot"] = "another".into();
    assert_eq!(send(&office, path, Some("order-17"), &other).await.status, 409);
    let other_operation = format!("/api/v1/bols/{}/void", issued["number"].as_str().unwrap());
    let reused = send(&office, &other_operation, Some("order-17"), &json!({"reason": "x"})).await;
    assert_eq!(reused.status, 409, "a key belongs to one request, whatever it does");
    assert_eq!(app.events().await.only(Action::BolCreated).len(), 1);
    for (body, expected) in [
        (json!({"custmer": "ACME"}), vec![""]),
        (json!({"lot": true}), vec!["lot"]),
        (json!([]), vec![""]),
        (json!({}), vec!["customer", "bol_date"]),
    ] {
        let answer = send(&office, path, None, &body).await;
        assert_eq!(answer.status, 422, "{body}");
        assert!(fields(&answer).iter().zip(&expected).all(|(field, expected)| field == expected), "{}", answer.text());
    }
    let no_json = Answer::of(office.request(Method::POST, path).body("{")).await;
    assert_eq!((no_json.status, no_json.json()["title"].as_str()), (400, Some("The body is not JSON")));
    assert_eq!(send(&office, path, Some("k".repeat(151).as_str()), &load).await.status, 422);
    assert_eq!(send(&app.acme().await, path, None, &load).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn unlikely_requests_are_confirmed_by_their_codes() {
    let app = App::ready_to_issue().await;
    let office = app.office().await;
    let mut load = Load::today(&app).await.with("gross_lb", "99,000").json();
    let warned = send(&office, "/api/v1/bols", None, &load).await;
    assert_eq!(warned.status, 422);
    let codes: Vec<Value> =
        warned.json()["warnings"].as_array().unwrap().iter().map(|warning| warning["code"].clone()).collect();
    assert!(codes[0].as_str().unwrap().starts_with("overweight-"), "{codes:?}");
    load["confirm"] = codes.into();
    let issued = send(&office, "/api/v1/bols", None, &load).await;
    assert_eq!(issued.status, 201, "{}", issued.text());
    let weight = format!("/api/v1/bols/{}/weight", issued.json()["number"].as_str().unwrap());
    let warned = send(&office, &weight, None, &json!({"official_weight_lb": 4_600})).await;
    let code = warned.json()["warnings"][0]["code"].clone();
    assert_eq!((warned.status, &warned.json()["warnings"][0]["field"]), (422, &json!("official_weight_lb")));
    let confirmed = json!({"official_weight_lb": 4_600, "confirm": ["other", code]});
    assert_eq!(send(&office, &weight, None, &confirmed).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn voiding_and_weighing_are_safe_to_repeat() {
    let app = App::ready_to_issue().await;
    let office = app.office().await;
    let number = Load::today(&app).await.issue(&office).await;
    let (weight, void) = (format!("/api/v1/bols/{number}/weight"), format!("/api/v1/bols/{number}/void"));
    let weighed = send(&office, &weight, Some("w-1"), &json!({"official_weight_lb": 46_180})).await;
    assert_eq!(
        weighed.json(),
        json!({"number": number, "official_weight_lb": 46_180, "net_lb": 46_060, "variance_percent": "+0.26"})
    );
    assert_eq!(send(&office, &weight, Some("w-2"), &json!({"official_weight_lb": 46_200})).await.status, 200);
    // The first request again, after a later one: the same answer, and the later weight stays.
    let again = send(&office, &weight, Some("w-1"), &json!({"official_weight_lb": 46_180})).await;
    assert_eq!((again.status, again.json()), (200, weighed.json()));
    assert_eq!(office.get(&format!("/api/v1/bols/{number}")).await.json()["official_weight"]["pounds"], 46_200);
    assert_eq!(send(&office, &weight, Some("w-1"), &json!({"official_weight_lb": 46_000})).await.status, 409);
    let wrong = send(&office, &weight, None, &json!({"official_weight_lb": 46_200})).await;
    assert_eq!((wrong.status, fields(&wrong)), (422, vec!["official_weight_lb".to_owned()]));
    for body in [json!({"official_weight_lb": "46180"}), json!({}), json!({"official_weight_lb": 1, "x": 1})] {
        assert_eq!(send(&office, &weight, None, &body).await.status, 422, "{body}");
    }
    let blank = send(&office, &void, Some("v-1"), &json!({"reason": " "})).await;
    assert_eq!((blank.status, fields(&blank)), (422, vec!["reason".to_owned()]));
    let voided = send(&office, &void, Some("v-1"), &json!({"reason": "Wrong lot"})).await;
    assert_eq!((voided.status, voided.json()["reason"].as_str()), (200, Some("Wrong lot")));
    let again = send(&office, &void, Some("v-1"), &json!({"reason": "Wrong lot"})).await;
    assert_eq!((again.status, again.json()), (200, voided.json()));
    assert_eq!(
        send(&office, &void, Some("v-2"), &json!({"reason": "Wrong lot"})).await.status,
        409,
        "it is void already"
    );
    let events = app.events().await;
    assert_eq!((events.only(Action::BolWeighed).len(), events.only(Action::BolVoided).len()), (2, 1));
    let rival = app.rival().await;
    for path in [&void, &weight] {
        assert_eq!(send(&rival, path, None, &json!({})).await.status, 403);
    }
    assert_eq!(send(&office, "/api/v1/bols/PRT-2025-0999/void", None, &json!({"reason": "x"})).await.status, 404);
}

/// The key is claimed in the transaction of the change, so a change that failed leaves it free.
#[tokio::test(flavor = "multi_thread")]
async fn requests_with_one_key_that_come_at_once_are_carried_out_once() {
    let app = App::ready_to_issue().await;
    let office = app.office().await;
    let number = Load::today(&app).await.issue(&office).await;
    let void = format!("/api/v1/bols/{number}/void");
    let body = json!({"reason": "Wrong lot"});
    let (one, two, three) = tokio::join!(
        send(&office, &void, Some("v"), &body),
        send(&office, &void, Some("v"), &body),
        send(&office, &void, Some("v"), &body)
    );
    assert_eq!([one.status, two.status, three.status], [200; 3]);
    assert_eq!(app.events().await.only(Action::BolVoided).len(), 1);
    let refused = send(&office, &format!("/api/v1/bols/{}/void", World::ACME_VOID), Some("late"), &body).await;
    assert_eq!(refused.status, 409);
    assert_eq!(app.rows("SELECT key FROM bol_requests WHERE key = 'api:late'").await.len(), 0);
}
