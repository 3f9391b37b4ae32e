//! `/api/bol`: another system issues BOLs, and customers get their links as JSON.

use reqwest::Method;

use crate::support::{Answer, App, Load, text_of};

#[tokio::test(flavor = "multi_thread")]
async fn another_system_issues_bols_through_the_api() {
    let app = App::ready_to_issue().await;
    let office = app.office().await;
    let mut load = Load::today(&app).await.json();
    (load["gross_lb"], load["tare_lb"]) = (serde_json::Value::Null, serde_json::Value::Null);
    (load["net_lb"], load["pieces"]) = (46_060.into(), 1.into());
    load["seal_numbers"] = serde_json::json!(["1001", "1002"]);
    let answer = Answer::of(office.request(Method::POST, "/api/bol/").json(&load)).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let created = answer.json();
    let number = created["bolNumber"].as_str().unwrap();
    assert_eq!(answer.header("location"), format!("{}/bols/{number}", app.url));
    let pdf = office.get(created["pdf_url"].as_str().unwrap()).await;
    assert!(text_of(&pdf.body).contains("1001, 1002"));
    let recorded = app.events().await.filter(|event| event.bol() == number && event.action.starts_with("BOL_"));
    assert_eq!(recorded.actions(), ["BOL_CREATED", "BOL_DOWNLOADED"], "no link without an event");
    let link = office.get(&format!("/api/bol/{}/download/", created["id"])).await;
    assert_eq!(link.json()["bolNumber"], number);
    for (body, part) in [
        ("", "JSON object"),
        ("[]", "JSON object"),
        ("{\"custmer\": 1}", "no field called custmer"),
        ("{\"lot\": true}", "Use a string, a whole number"),
        ("{\"lot\": {\"a\": 1}}", "Use a string, a whole number"),
        ("{\"customer_po\": 123456789012345678901234}", "Use a string, a whole number"),
        ("{\"net_lb\": 46060.5}", "Use a string, a whole number"),
    ] {
        let answer = Answer::of(office.request(Method::POST, "/api/bol/").body(body)).await;
        assert_eq!(answer.status, 422, "{body}");
        assert!(answer.json()["errors"][0]["message"].as_str().unwrap().contains(part), "{body}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_gives_the_link_as_json() {
    let app = App::start().await;
    for path in ["/api/bol/1/download/", "/api/bol/1/download"] {
        let answer = app.acme().await.get(path).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
        let json = answer.json();
        assert_eq!((json["bolNumber"].as_str(), json["expiresIn"].as_i64()), (Some("PRT-2025-0001"), Some(300)));
        assert_eq!(json["fileName"], "PRT-2025-0001.pdf");
        assert_eq!(app.stranger().get(json["downloadUrl"].as_str().unwrap()).await.status, 200);
    }
    assert_eq!(app.acme().await.get("/api/bol/5/download/").await.status, 404, "a BOL without a PDF");
}
