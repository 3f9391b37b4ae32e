//! Links, uploads and the inbox through `/api/v1`.

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::scan::paper;
use crate::support::{Action, Actor, Answer, App, World};

async fn post(actor: &Actor, path: &str) -> Answer {
    Answer::of(actor.request(Method::POST, path)).await
}

async fn send(actor: &Actor, path: &str, body: &Value) -> Answer {
    Answer::of(actor.request(Method::POST, path).json(body)).await
}

async fn upload(actor: &Actor, fields: &[(&str, &str)], files: &[(&str, Vec<u8>)]) -> Answer {
    let mut form = Form::new();
    for (name, value) in fields {
        form = form.text((*name).to_owned(), (*value).to_owned());
    }
    for (name, bytes) in files {
        form = form.part("files", Part::bytes(bytes.clone()).file_name((*name).to_owned()));
    }
    Answer::of(actor.request(Method::POST, "/api/v1/documents").multipart(form)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_leads_to_the_file_with_the_hash_and_is_recorded() {
    let app = App::start().await;
    let acme = app.acme().await;
    let bol = acme.get(&format!("/api/v1/bols/{}", World::ACME_BOL)).await.json();
    for document in bol["documents"].as_array().unwrap() {
        let mark = app.events().await.mark();
        let link = post(&acme, &format!("/api/v1/documents/{}/link", document["id"])).await;
        assert_eq!((link.status, &link.json()["bol_number"]), (200, &json!(World::ACME_BOL)), "{}", link.text());
        let file = app.stranger().get(link.json()["url"].as_str().unwrap()).await;
        assert_eq!(json!(hex::encode(Sha256::digest(&file.body))), document["sha256"]);
        let recorded = app.events().await.since(mark).single(Action::BolDownloaded);
        assert_eq!((recorded.document_id, recorded.email()), (document["id"].as_i64(), World::ACME));
    }
    let current = |kind: &str| format!("/api/v1/bols/{}/documents/{kind}/link", World::ACME_BOL);
    let signed = post(&acme, &current("signed-bol")).await;
    assert_eq!(signed.json()["file_name"], "PRT-2025-0001-signed-bol.pdf");
    assert_eq!(post(&acme, &current("bol")).await.json()["file_name"], "PRT-2025-0001.pdf");
    for missing in ["invoice", "photo"] {
        assert_eq!(post(&acme, &current(missing)).await.status, 404, "{missing}");
    }
    let (rival, auditor, mark) = (app.rival().await, app.auditor().await, app.events().await.mark());
    for path in [current("bol"), format!("/api/v1/documents/{}/link", app.world.acme_documents[0])] {
        let (theirs, nobodys) = (post(&rival, &path).await, post(&rival, "/api/v1/documents/999999/link").await);
        assert_eq!((theirs.status, theirs.text()), (404, nobodys.text()), "{path}");
        assert_eq!(post(&auditor, &path).await.status, 403, "{path}");
        assert_eq!(acme.get(&path).await.status, 405, "a GET would be prefetched: {path}");
    }
    assert!(app.events().await.since(mark).only(Action::BolDownloaded).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_has_the_outcomes_of_the_page() {
    let app = App::start_with(&[("MAX_UPLOAD_MB", "1")]).await;
    let office = app.office().await;
    let files = [
        ("PRT-2025-0005.pdf", paper("an invoice")),
        ("ticket.pdf", paper("a ticket")),
        ("bad.pdf", b"<html>".to_vec()),
        ("large.pdf", vec![b'x'; 1_100_000]),
    ];
    let answer = upload(&office, &[("kind", "invoice")], &files).await;
    let receipts = answer.json()["receipts"].clone();
    let outcomes: Vec<&str> =
        receipts.as_array().unwrap().iter().map(|receipt| receipt["outcome"].as_str().unwrap()).collect();
    assert_eq!((answer.status, outcomes), (200, vec!["stored", "needs_review", "rejected", "rejected"]));
    assert_eq!(receipts[0]["bol_number"], "PRT-2025-0005");
    let again = upload(&office, &[("kind", "invoice")], &files[..1]).await;
    assert_eq!(again.json()["receipts"][0]["outcome"], "duplicate", "it needs no key");
    let bol = office.get("/api/v1/bols/PRT-2025-0005").await.json();
    assert_eq!(
        (&bol["documents"][0]["id"], &bol["documents"][0]["dsdc_code"]),
        (&receipts[0]["document_id"], &json!("INV"))
    );
    let large = upload(&office, &[], &files[3..]).await;
    assert_eq!((large.status, &large.json()["receipts"][0]["outcome"]), (413, &json!("rejected")));
    assert_eq!(upload(&office, &[("kind", "invoice")], &[]).await.status, 422);
    let half = upload(&office, &[("kind", "no-such-kind")], &files[..1]).await;
    assert_eq!(half.status, 422);
    let no_form = Answer::of(office.request(Method::POST, "/api/v1/documents").body("x")).await;
    assert_eq!(no_form.status, 400);
    assert_eq!(upload(&app.acme().await, &[], &files[..1]).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inbox_is_worked_off_through_the_api() {
    let app = App::start().await;
    let office = app.office().await;
    let files = [("one.pdf", paper("one")), ("two.pdf", paper("two"))];
    let receipts = upload(&office, &[("kind", "scale-ticket")], &files).await.json();
    let id = |at: usize| receipts["receipts"][at]["document_id"].as_i64().unwrap();
    let inbox = office.get("/api/v1/inbox").await.json();
    assert_eq!((&inbox["waiting"], &inbox["documents"][0]["file_name"]), (&json!(2), &json!("one.pdf")));
    assert_eq!((&inbox["documents"][0]["pages"], &inbox["next"]), (&json!(1), &Value::Null));
    // Discarded, twice, and restored, twice.
    let at = |action: &str, id: i64| format!("/api/v1/inbox/{id}/{action}");
    for (action, shelf) in [("discard", "bin"), ("discard", "bin"), ("restore", "inbox"), ("restore", "inbox")] {
        let moved = post(&office, &at(action, id(0))).await;
        assert_eq!((moved.status, moved.json()), (200, json!({"document_id": id(0), "shelf": shelf})));
    }
    assert_eq!(app.events().await.only(Action::DocumentDiscarded).len(), 1, "what is done is not done again");
    assert_eq!(post(&office, &at("discard", 999_999)).await.status, 404);
    let file = json!({"number": World::ACME_BARE, "kind": "scale-ticket"});
    let filed = send(&office, &at("file", id(0)), &file).await;
    assert_eq!(filed.json(), json!({"document_id": id(0), "bol_number": World::ACME_BARE}));
    assert_eq!(send(&office, &at("file", id(0)), &file).await.json(), filed.json(), "the same again");
    let other = json!({"number": World::ACME_BOL, "kind": "scale-ticket"});
    assert_eq!(send(&office, &at("file", id(0)), &other).await.status, 409, "filed with another BOL");
    assert_eq!(post(&office, &at("discard", id(0))).await.status, 404);
    for (body, field) in [
        (json!({"number": "5-5", "kind": "invoice"}), "number"),
        (json!({"number": "PRT-2025-0777", "kind": "invoice"}), "number"),
        (json!({"number": World::ACME_BARE, "kind": "photo"}), "kind"),
    ] {
        let answer = send(&office, &at("file", id(1)), &body).await;
        assert_eq!((answer.status, &answer.json()["errors"][0]["field"]), (422, &json!(field)), "{body}");
    }
    assert_eq!(office.get("/api/v1/inbox?shelf=bin").await.json()["documents"], json!([]));
    assert_eq!(office.get("/api/v1/inbox?shelf=attic").await.status, 422);
    assert_eq!(app.acme().await.get("/api/v1/inbox").await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn filing_with_another_bol_than_the_document_names_is_confirmed() {
    let app = App::start().await;
    let office = app.office().await;
    // It names two BOLs, so the portal doesn't decide.
    let both = paper("PRT-2025-0001 and PRT-2025-0002");
    let receipts = upload(&office, &[("kind", "scale-ticket")], &[("both.pdf", both)]).await.json();
    assert_eq!(receipts["receipts"][0]["outcome"], "needs_review", "{receipts}");
    let path = format!("/api/v1/inbox/{}/file", receipts["receipts"][0]["document_id"]);
    let mut body = json!({"number": World::ACME_BARE, "kind": "scale-ticket"});
    let warned = send(&office, &path, &body).await;
    assert_eq!(warned.status, 422, "{}", warned.text());
    body["confirm"] = json!([warned.json()["warnings"][0]["code"]]);
    assert_eq!(send(&office, &path, &body).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_office_lists_the_customers() {
    let app = App::start().await;
    let list = app.office().await.get("/api/v1/customers").await.json();
    let expected = json!([
        {"code": "ACME", "name": "Acme Steel", "is_active": true},
        {"code": "RIVAL", "name": "Rival Iron", "is_active": true}
    ]);
    assert_eq!(list["customers"], expected);
    for actor in [app.acme().await, app.auditor().await] {
        assert_eq!(actor.get("/api/v1/customers").await.status, 403);
    }
}
