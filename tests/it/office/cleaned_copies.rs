//! PDFs that do more than show pages, filed as cleaned copies or as they are.

use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use crate::support::raw_pdf::RawPdf;
use crate::support::{Action, Actor, App, World, text_of};

const SCRIPT: &str = "<< /S /JavaScript /JS (app.alert\\(1\\)) >>";

/// A form with a script, an attachment, a link, a filled field with an appearance and one without.
fn form(text: &str) -> Vec<u8> {
    let names = "/Names << /EmbeddedFiles << /Names [(a) 8 0 R] >> >> /AcroForm << /Fields [6 0 R 7 0 R] >>";
    let mut pdf = RawPdf::new(&format!("/OpenAction {SCRIPT} {names}"), "/Annots [6 0 R 7 0 R 10 0 R]");
    pdf.object(
        6,
        &format!(
            "<< /Type /Annot /Subtype /Widget /FT /Tx /T (a) /V (seen) /Rect [72 600 272 640] /AP << /N 9 0 R >> /AA << /C {SCRIPT} >> >>"
        ),
    );
    pdf.object(7, "<< /Type /Annot /Subtype /Widget /FT /Tx /T (b) /V (typed value) /Rect [72 500 272 520] >>");
    pdf.object(8, "<< /Type /Filespec /F (a.exe) /EF << /F 11 0 R >> >>");
    pdf.stream(
        9,
        "/Type /XObject /Subtype /Form /BBox [0 0 100 20] /Resources << /Font << /F 4 0 R >> >>",
        format!("BT /F 10 Tf 2 5 Td ({text}) Tj ET").as_bytes(),
    );
    pdf.object(10, "<< /Type /Annot /Subtype /Link /Rect [0 0 9 9] /A << /S /Launch /F (cmd.exe) >> >>");
    pdf.stream(11, "/Type /EmbeddedFile", b"MZ a program");
    pdf.finish()
}

async fn waiting(app: &App, office: &Actor, bytes: &[u8]) -> i64 {
    let answer = office.upload(&[("kind", "other")], "form.pdf", bytes).await;
    assert_eq!(answer.outcomes(), ["needs_review"], "{}", answer.text());
    assert!(app.upload_named("form.pdf").await.bol_id.is_none());
    answer.document_id(0)
}

fn passes_qpdf(bytes: &[u8]) -> bool {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let mut check = Command::new("qpdf");
    check.arg("--check").arg(file.path()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_gets_a_cleaned_copy_and_the_office_keeps_the_original() {
    let app = App::start().await;
    let office = app.office().await;
    let original = form("drawn field");
    let id = waiting(&app, &office, &original).await;
    let page = office.get("/office/inbox").await;
    assert!(page.one(".intake .why").contains("contains scripts"), "{}", page.text());
    assert_eq!(page.attributes(".intake button[name=form]", "value"), ["cleaned"]);
    let plain = office.post(&format!("/office/documents/{id}/file"), &[("number", "25-5"), ("kind", "other")]).await;
    assert_eq!((plain.status, app.document(id).await.bol_id), (422, None));

    let fields = [("number", "25-5"), ("kind", "scale-ticket"), ("form", "cleaned")];
    let filed = office.post(&format!("/office/documents/{id}/file"), &fields).await;
    let copy = app.uploads().await.into_iter().find(|document| document.bol_id.is_some()).unwrap();
    let target = format!("/office/inbox?done=cleaned&moved={}", copy.id);
    assert_eq!((filed.status, filed.header("location")), (303, &*target), "{}", filed.text());
    let offer = office.get(&target).await;
    let text = "form.pdf → PRT-2025-0005, Acme Steel. The original is for the office alone.";
    assert_eq!(
        (offer.one(".undo [role=status]"), offer.attributes(".undo a", "href")),
        (text.into(), vec!["/bols/PRT-2025-0005".into()])
    );
    let acme = app.acme().await;
    let bytes = acme.download(&format!("/documents/{}/download", copy.id)).await;
    assert_eq!(copy.sha256, Sha256::digest(&bytes).to_vec());
    let text = text_of(&bytes);
    for shown in ["a page", "drawn field", "typed value"] {
        assert!(text.contains(shown), "{text}");
    }
    let written = String::from_utf8_lossy(&bytes);
    for left in ["JavaScript", "app.alert", "Launch", "EmbeddedFile", "a program", "/Annot", "AcroForm"] {
        assert!(!written.contains(left), "{left}");
    }
    assert!(passes_qpdf(&bytes));
    // The original is beside it, for the office alone.
    assert_eq!(acme.get(&format!("/documents/{id}/download")).await.status, 404);
    assert!(
        acme.get("/bols/PRT-2025-0005")
            .await
            .attributes("a", "href")
            .iter()
            .all(|href| !href.contains(&id.to_string()))
    );
    let original_href = format!("/documents/{id}/download");
    assert!(office.get("/bols/PRT-2025-0005").await.attributes("a", "href").contains(&original_href));
    assert_eq!(office.download(&original_href).await, original);
    assert!(office.get("/office/inbox").await.text().contains("Inbox is empty"));

    let event = app.events().await.single(Action::DocumentFiled);
    let of = &event.detail["cleaned_copy_of"];
    assert_eq!(event.sha256.as_deref(), Some(&*copy.sha256));
    assert_eq!(
        (of["document"].as_i64(), of["sha256"].as_str()),
        (Some(id), Some(&*hex::encode(Sha256::digest(&original))))
    );
    assert!(of["quarantine"].as_str().unwrap().contains("contains scripts"), "{of}");
    let again = office.upload(&[("kind", "other")], "form.pdf", &original).await;
    assert_eq!(again.outcomes(), ["duplicate PRT-2025-0005"]);
    assert_eq!(office.post(&format!("/office/documents/{id}/file"), &fields).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_may_allow_filing_as_it_is_with_a_reason() {
    let app = App::start().await;
    let (office, admin) = (app.office().await, app.user(World::ADMIN).await);
    let original = form("as it is");
    let id = waiting(&app, &office, &original).await;
    let path = format!("/office/documents/{id}/file");
    let fields = [("number", "25-5"), ("kind", "other"), ("form", "original"), ("why", "The customer\0 signs in it.")];
    let refused = office.post(&path, &fields).await;
    assert_eq!(refused.status, 422);
    assert!(refused.one(&format!("#number-{id}-error")).contains("ask an administrator"));
    assert_eq!(office.post("/office/settings/originals", &[("releases_originals", "true")]).await.status, 403);
    let saved = admin.post("/office/settings/originals", &[("releases_originals", "true")]).await;
    assert_eq!(saved.header("location"), "/office/settings?done=originals");
    let changed = app.events().await.single(Action::SettingsChanged);
    assert_eq!(
        (changed.before("releases_originals"), changed.after("releases_originals")),
        ("false".into(), "true".into())
    );

    let buttons = office.get("/office/inbox").await.attributes(".intake button[name=form]", "value");
    assert_eq!(buttons, ["cleaned", "original"]);
    let silent = office.post(&path, &[("number", "25-5"), ("kind", "other"), ("form", "original"), ("why", " ")]).await;
    assert_eq!(silent.status, 422);
    assert!(silent.one(&format!("#why-{id}-error")).contains("Enter why"));
    assert_eq!(office.post(&path, &fields).await.status, 303);
    assert_eq!(app.acme().await.download(&format!("/documents/{id}/download")).await, original);
    let event = app.events().await.single(Action::DocumentFiled);
    let released = &event.detail["released"];
    assert_eq!((event.email(), released["why"].as_str()), (World::OFFICE, Some("The customer signs in it.")));
    assert!(released["quarantine"].as_str().unwrap().contains("contains scripts"));
    // Back in the inbox, it is quarantined again.
    assert_eq!(office.post(&format!("/office/documents/{id}/unfile"), &[]).await.status, 303);
    assert_eq!(app.acme().await.get(&format!("/documents/{id}/download")).await.status, 404);
    assert_eq!(office.post(&path, &[("number", "25-5"), ("kind", "other")]).await.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_clerks_at_once_one_files_the_copy() {
    let app = App::start().await;
    let (office, admin) = (app.office().await, app.user(World::ADMIN).await);
    let id = waiting(&app, &office, &form("once")).await;
    let (path, fields) =
        (format!("/office/documents/{id}/file"), [("number", "25-5"), ("kind", "other"), ("form", "cleaned")]);
    let (one, two) = tokio::join!(office.post(&path, &fields), admin.post(&path, &fields));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert!(statuses[0] == 303 && [404, 409].contains(&statuses[1]), "{statuses:?}");
    assert_eq!(app.documents_of_kind("other").await.iter().filter(|document| document.bol_id.is_some()).count(), 1);
}
