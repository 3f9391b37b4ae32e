//! Selecting BOLs in the list: download, export and assign what is ticked, or all that match.

use std::io::{Cursor, Read};

use serde_json::json;

use crate::support::{Action, Actor, Answer, App, World};

/// The path of the form with these fields, as a browser sends it.
fn sent(page: &Answer, path: &str, fields: &str) -> String {
    let list = page.attributes(".ticks > input[name=list]", "value").remove(0);
    let list: String = url::form_urlencoded::byte_serialize(list.as_bytes()).collect();
    format!("{path}?list={list}{fields}")
}

fn names(answer: &Answer) -> Vec<String> {
    answer.unzipped().into_keys().filter(|name| name.ends_with(".pdf")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_ticked_comes_home_in_one_zip() {
    let app = App::start().await;
    let acme = app.acme().await;
    let page = acme.get("/bols?q=prt").await;
    assert_eq!(page.attributes(".ticks input[name=number]", "value").len(), 3, "a customer can tick rows");
    assert_eq!(page.attributes(".ticks", "action"), ["/bols/download.zip"]);
    let one = acme.get(&sent(&page, "/bols/download.zip", "&number=PRT-2025-0001&documents=bol")).await;
    assert_eq!(names(&one), ["PRT-2025-0001.pdf"]);
    // All that match, whatever is ticked on this page.
    let all = acme.get(&sent(&page, "/bols/download.zip", "&number=PRT-2025-0001&all=1&documents=bol")).await;
    assert_eq!(names(&all), ["PRT-2025-0001.pdf", "PRT-2025-0002.pdf"]);
    let index = String::from_utf8(all.unzipped()["index.csv"].clone()).unwrap();
    assert!(index.contains("PRT-2025-0005") && index.contains("no bill of lading is filed"), "{index}");
    assert!(index.lines().any(|line| line.starts_with("PRT-2025-0001,") && line.contains("Acme Steel")), "{index}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zip_has_the_documents_that_were_chosen_or_that_the_list_shows() {
    let app = App::start().await;
    app.store_document(World::ACME_VOID, "signed-bol").await;
    let acme = app.acme().await;
    let zip = async |query: &str| names(&acme.get(&format!("/bols/download.zip?{query}")).await);
    assert_eq!(zip("kind=signed-bol&q=2025-0002").await, ["PRT-2025-0002-signed-bol.pdf"]);
    assert_eq!(zip("q=2025-0002&documents=bol").await, ["PRT-2025-0002.pdf"]);
    assert_eq!(zip("q=2025-0002&documents=all").await, ["PRT-2025-0002-signed-bol.pdf", "PRT-2025-0002.pdf"]);
    let recorded = app.events().await.only(Action::BolsZipped);
    let recorded = recorded.list(|event| event.document_kind.clone().unwrap_or_default());
    assert_eq!(recorded, ["signed-bol", "bol", "bol", "signed-bol"]);
    assert_eq!(acme.get("/bols/download.zip?documents=photo").await.status, 422);

    let list = acme.get("/bols?kind=signed-bol").await;
    assert_eq!(list.attributes("#documents option[selected]", "value"), ["signed-bol"]);
    let ticket = acme.get("/bols?kind=scale-ticket").await;
    assert_eq!(ticket.all("#documents option"), ["Bill of lading", "Signed BOL", "Scale ticket", "Every document"]);
    assert_eq!(ticket.attributes("#documents option[selected]", "value"), ["scale-ticket"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signed_copy_comes_first() {
    let app = App::start().await;
    app.store_document(World::ACME_VOID, "signed-bol").await;
    let acme = app.acme().await;
    let first = async |path: &str| {
        let page = acme.get(path).await;
        let row = format!("tr:has(input[value={}]) td.get a", World::ACME_VOID);
        page.attributes(&row, "href").remove(0)
    };
    let signed = "/bols/PRT-2025-0002/download?kind=signed-bol";
    assert_eq!(first("/bols").await, signed);
    assert_eq!(first("/bols?kind=bol").await, "/bols/PRT-2025-0002/download");
    let link = acme.get(signed).await;
    assert_eq!(link.status, 303);
    let event = app.events().await.single(Action::BolDownloaded);
    assert_eq!((event.bol(), event.document_kind.as_deref()), (World::ACME_VOID, Some("signed-bol")));
    for kind in ["invoice", "photo", "%00"] {
        assert_eq!(acme.get(&format!("/bols/PRT-2025-0002/download?kind={kind}")).await.status, 404, "{kind}");
    }
    assert_eq!(app.rival().await.get(signed).await.status, 404);
    let bol = acme.get("/bols/PRT-2025-0002").await;
    assert_eq!(bol.attributes(".pagehead .button.primary", "href"), [signed]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_tick_the_same_page_says_what_to_do() {
    let app = App::start().await;
    let office = app.office().await;
    let page = office.get("/bols?sort=tons&q=2025").await;
    for path in ["/bols/download.zip", "/bols/export", "/office/bols/assign"] {
        let answer = office.get(&sent(&page, path, "&documents=bol&format=xlsx&customer=")).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/bols?q=2025&sort=tons&done=none"), "{path}");
    }
    let back = office.get("/bols?q=2025&sort=tons&done=none").await;
    assert!(back.one("#problem").starts_with("Nothing is selected."));
    back.expect_summary("nothing is selected");
    let many: String = (1..=501).map(|n| format!("&number=PRT-2025-{n:04}")).collect();
    let answer = office.get(&sent(&page, "/bols/download.zip", &many)).await;
    assert_eq!(answer.header("location"), "/bols?q=2025&sort=tons&done=many");
}

/// The rows of the first sheet, without tags.
fn sheet(bytes: &[u8]) -> Vec<String> {
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut text = String::new();
    zip.by_name("xl/worksheets/sheet1.xml").unwrap().read_to_string(&mut text).unwrap();
    text.split("<row>").skip(1).map(Into::into).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_exported_for_excel_and_as_csv() {
    let app = App::start().await;
    app.sql("UPDATE bols SET product = '=1+1' WHERE number = 'PRT-2025-0002';
             UPDATE bols SET official_weight_lb = 46750, reissue_of = (SELECT id FROM bols WHERE number = 'PRT-2025-0002') WHERE number = 'PRT-2025-0001'")
        .await;
    let acme = app.acme().await;
    let page = acme.get("/bols").await;
    let answer = acme.get(&sent(&page, "/bols/export", "&number=PRT-2025-0001&format=csv")).await;
    assert!(answer.header("content-disposition").ends_with(".csv\""));
    assert!(answer.text().starts_with("number,date,customer,product,"), "{}", answer.text());
    assert!(answer.text().contains("\nPRT-2025-0001,2025-03-01,Acme Steel,"), "{}", answer.text());
    assert_eq!(answer.text().lines().filter(|line| line.starts_with("PRT-")).count(), 1);
    let all = acme.get("/bols/export?format=csv").await.text();
    assert!(all.contains("'=1+1") && all.contains(",46900,23.45,issued,"), "{all}");
    assert_eq!(all.lines().filter(|line| line.starts_with("PRT-")).count(), 3, "{all}");

    // Every field of a BOL is there.
    let mut read = csv::Reader::from_reader(all.as_bytes());
    let names: Vec<String> = read.headers().unwrap().iter().map(Into::into).collect();
    let rows: Vec<csv::StringRecord> = read.records().map(Result::unwrap).collect();
    let value = |number: &str, name: &str| {
        let row = rows.iter().find(|row| &row[0] == number).unwrap();
        row[names.iter().position(|known| known == name).unwrap()].to_owned()
    };
    for field in &primetrade::bols::fields::FIELDS {
        let name = if field.name == "bol_date" { "date" } else { field.name };
        assert_eq!(names.iter().filter(|known| *known == name).count(), 1, "{name}");
    }
    let some = ["gross_lb", "tare_lb", "carrier_scac", "seal_numbers", "official_weight_lb", "reissue_of", "voided_at"];
    assert_eq!(
        some.map(|name| value("PRT-2025-0001", name)),
        ["78900", "32000", "ABCD", "1, 2", "46750", "PRT-2025-0002", ""]
    );
    assert_eq!(value("PRT-2025-0002", "voided_at"), "2025-03-02 15:00:00");
    assert_eq!(value("PRT-2025-0002", "void_reason"), "Wrong truck, sesame");

    let href = page.attributes(".pagehead .actions a", "href").remove(1);
    let rows = sheet(&acme.get(&href).await.body);
    assert_eq!(rows.len(), 4, "a header and three BOLs");
    // March 1, 2025 as a date, and tons as a number with two decimals.
    assert!(rows.iter().any(|row| row.contains(">45717.000000000<") && row.contains("<v>23.45</v>")), "{rows:?}");
    assert_eq!(acme.get("/bols/export?format=pdf").await.status, 422);
    assert_eq!(acme.get("/bols/export").await.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_has_only_bols_of_the_caller() {
    let app = App::start().await;
    let (rival, auditor) = (app.rival().await, app.auditor().await);
    assert_eq!(rival.get("/bols/export?format=csv&number=PRT-2025-0001").await.status, 404);
    let denied = app.events().await.single(Action::AccessDenied);
    assert_eq!(denied.bol(), World::ACME_BOL);
    let numbers = |text: String| {
        text.lines().filter(|line| line.starts_with("PRT-")).map(|line| line[..13].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(numbers(rival.get("/bols/export?format=csv").await.text()), [World::RIVAL_BOL]);
    let all = auditor.get("/bols/export?format=csv&sort=number").await.text();
    assert!(all.contains(",Acme Steel,") && all.contains(",Rival Iron,"), "{all}");
    assert_eq!(app.stranger().get("/bols/export?format=csv").await.status, 303);
    let list = auditor.get("/bols").await;
    assert_eq!(list.attributes(".ticks", "action"), ["/bols/export"]);
    assert!(list.all("#documents, #assign-to").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_the_list_is_recorded_before_its_first_byte() {
    let app = App::start().await;
    let (acme, office) = (app.acme().await, app.office().await);
    let page = acme.get("/bols").await;
    assert_eq!(acme.get("/bols/export?q=2025-0001&status=issued&sort=tons&format=xlsx").await.status, 200);
    assert_eq!(acme.get(&sent(&page, "/bols/export", "&number=PRT-2025-0001&format=csv")).await.status, 200);
    assert_eq!(office.get("/bols/export?format=csv").await.status, 200);
    // Nothing selected, a wrong filter, another's BOL: nothing leaves, and nothing is recorded as exported.
    for query in ["list=&format=csv", "from=x&format=csv", "number=PRT-2025-0003&format=csv"] {
        assert_ne!(acme.get(&format!("/bols/export?{query}")).await.status, 200, "{query}");
    }
    let events = app.events().await.only(Action::BolsExported);
    let seen = events.list(|event| (event.email(), event.customer(), event.detail("format"), event.detail("rows")));
    assert_eq!(
        seen,
        [
            (World::ACME, "ACME", "xlsx".into(), "1".into()),
            (World::ACME, "ACME", "csv".into(), "1".into()),
            (World::OFFICE, "-", "csv".into(), "5".into()),
        ]
    );
    let details: Vec<_> = events.iter().map(|event| (&event.detail["filter"], &event.detail["numbers"])).collect();
    assert_eq!(details[0].0, &json!({"q": "2025-0001", "status": "issued", "sort": "tons"}));
    assert_eq!(details[1], (&json!(null), &json!(["PRT-2025-0001"])));
    assert_eq!(details[2].0, &json!({}));
    let found = app.auditor().await.get("/audit?action=BOLS_EXPORTED").await;
    assert_eq!(found.all("table.log tbody tr").len(), 3);
    assert!(found.one("table.log").contains("List of BOLs exported"));

    app.sql("REVOKE INSERT ON audit_events FROM portal_customer, primetrade, portal_server; REVOKE ALL (action, outcome, user_id, user_email, user_role, customer_id, customer_code, bol_id, bol_number, document_id, document_kind, file_name, object_key, sha256, ip, user_agent, request_id, detail) ON audit_events FROM portal_customer").await;
    for actor in [&acme, &office] {
        let answer = actor.get("/bols/export?format=csv").await;
        assert_eq!((answer.status, answer.text().contains("PRT-2025")), (503, false));
    }
}

async fn assign_page(office: &Actor, fields: &str) -> Answer {
    let page = office.get("/bols?sort=number").await;
    office.get(&sent(&page, "/office/bols/assign", fields)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn ticked_rows_are_assigned_after_one_question() {
    let app = App::start().await;
    let office = app.office().await;
    let customers = office.get("/bols").await.attributes("#assign-to button", "value");
    assert!(customers.contains(&"ACME".to_owned()), "{customers:?}");
    let page = assign_page(&office, "&number=PRT-2025-0004&number=PRT-2025-0003&customer=ACME&documents=bol").await;
    assert_eq!(page.one("h1"), "Assign 2 bills of lading to Acme Steel?");
    assert_eq!(page.attributes("form[method=post] input[name=number]", "value"), ["PRT-2025-0003", "PRT-2025-0004"]);
    let all = assign_page(&office, "&all=1&customer=").await;
    assert_eq!(all.one("h1"), "Assign 5 bills of lading");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_question_marks_addresses_that_are_not_the_customers() {
    let app = App::start().await;
    let office = app.office().await;
    app.sql(&format!(
        "UPDATE bols SET ship_to = E'Acme Steel\\n1 Mill Road' WHERE number = 'PRT-2025-0004';
         INSERT INTO ship_tos (customer_id, address) VALUES ({}, E'ACME Steel\\n1  Mill Road') ON CONFLICT DO NOTHING",
        app.world.acme
    ))
    .await;
    app.sql("UPDATE bols SET ship_to = 'Elsewhere' WHERE number = 'PRT-2025-0003'").await;
    let page = assign_page(&office, "&number=PRT-2025-0003&number=PRT-2025-0004&customer=ACME").await;
    assert_eq!(page.all("tr:has(td .mark.void) .lead"), ["PRT-2025-0003"]);
    assert!(
        page.one(".message").contains("The address of 1 of these BOLs is none of Acme Steel’s."),
        "{}",
        page.text()
    );
    let page = assign_page(&office, "&number=PRT-2025-0004&customer=ACME").await;
    assert!(page.all("td .mark.void").is_empty());
}
