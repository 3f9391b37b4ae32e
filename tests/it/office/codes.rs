//! QR codes of uploads: those that the portal printed, those of its addresses, and those of other sites.

use primetrade::bols::PrintedCodes;

use crate::support::scan::{Picture, code, text_and_picture};
use crate::support::{Answer, App, Load, PASSWORD, World};

/// The sample scans have codes of this address, which counts on a portal at a loopback address.
const SAMPLE: &str = "https://portal.example.com";

/// A page with a code and without a number in its text.
fn page(text: &str) -> Vec<u8> {
    text_and_picture(&format!("Receipt {text:.5}"), &code(text), false)
}

/// The text of a code that the portal printed when it had another address.
fn printed(app: &App, number: &str) -> String {
    let codes = PrintedCodes::new(vec!["https://moved.example".into()], app.config().secret_key.as_ref());
    codes.address(&number.parse().unwrap()).code
}

async fn upload(app: &App, name: &str, pdf: &[u8]) -> Answer {
    app.office().await.upload(&[("kind", "signed-bol")], name, pdf).await
}

/// What the newest document says about a source of its number.
async fn source_of(app: &App, answer: &Answer) -> String {
    let id = answer.document_id(0);
    let events = app.events().await;
    let event = events.iter().find(|event| event.document_id == Some(id)).unwrap();
    event.detail["found"].as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(", ")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_printed_code_files_its_scan_wherever_the_portal_is_now() {
    let app = App::ready_to_issue().await;
    let office = app.office().await;
    let number = Load::today(&app).await.issue(&office).await;
    let sheet = office.download(&format!("/bols/{number}/download")).await;
    let scan = upload(&app, "scan.pdf", &Picture::of(&sheet, 150).turned(1.0).pdf()).await;
    assert_eq!(scan.outcomes(), [format!("stored {number}")], "{}", scan.text());
    assert_eq!(source_of(&app, &scan).await, "QR code of this portal");
    let moved = upload(&app, "moved.pdf", &page(&printed(&app, World::ACME_BARE))).await;
    assert_eq!(moved.outcomes(), [format!("stored {}", World::ACME_BARE)], "{}", moved.text());
    // With the MAC of another number it is a code of another site.
    let forged = printed(&app, World::ACME_BARE).replace(World::ACME_BARE, World::RIVAL_BOL);
    let forged = upload(&app, "forged.pdf", &page(&forged)).await;
    assert_eq!(forged.outcomes(), ["needs_review"], "{}", forged.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_of_another_site_never_files_a_document() {
    let app = App::start().await;
    let number = World::ACME_BARE;
    for text in [
        format!("https://evil.example/bols/{number}"),
        format!("https://evil.example/bols/{number}?c=AAAAAAAAAAAA"),
        format!("{SAMPLE}:8443/bols/{number}"),
        format!("{SAMPLE}@evil.example/bols/{number}"),
        format!("https://evil.example/?at={SAMPLE}/bols/{number}"),
        format!("evil.example/bols/{number}"),
    ] {
        let answer = upload(&app, "scan.pdf", &page(&text)).await;
        assert_eq!(answer.outcomes(), ["needs_review"], "{text}: {}", answer.text());
        let reason = answer.reason(0);
        assert!(reason.contains("QR code of another site") && reason.contains(number), "{text}: {reason}");
    }
    // The inbox offers the number.
    let inbox = app.office().await.get("/office/inbox").await;
    assert_eq!(inbox.attributes("input[id^=number-]", "value"), [number; 6]);
    assert_eq!(inbox.all(".intake dt"), ["QR code of another site"; 6]);
    // It contradicts, and it doesn't help.
    let foreign = page(&format!("https://carrier.example/bols/{number}"));
    let other = upload(&app, &format!("{}.pdf", World::RIVAL_BOL), &foreign).await;
    assert_eq!(other.outcomes(), ["needs_review"]);
    assert!(other.reason(0).contains("names different BOLs"), "{}", other.reason(0));
    let agrees = upload(&app, &format!("{number}.pdf"), &page(&format!("https://a.example/bols/{number}"))).await;
    assert_eq!(agrees.outcomes(), [format!("stored {number}")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_without_a_mac_counts_at_the_addresses_of_the_portal_and_as_text() {
    let app = App::start().await;
    let number = World::ACME_BARE;
    for text in [format!("{}/bols/{number}", app.url), format!("{SAMPLE}/bols/{number}"), format!("BOL {number}")] {
        let answer = upload(&app, "scan.pdf", &page(&text)).await;
        assert_eq!(answer.outcomes(), [format!("stored {number}")], "{text}: {}", answer.text());
        assert_eq!(source_of(&app, &answer).await, "QR code");
    }
    let app = App::start_with(&[("PREVIOUS_PUBLIC_URLS", "https://old.example, http://older.example:8080/")]).await;
    for (address, expected) in [
        ("https://OLD.example", format!("stored {number}")),
        ("http://older.example:8080", format!("stored {number}")),
        ("http://old.example", "needs_review".into()),
        (SAMPLE, "needs_review".into()),
    ] {
        let answer = upload(&app, "scan.pdf", &page(&format!("{address}/bols/{number}"))).await;
        assert_eq!(answer.outcomes(), [expected], "{address}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_contradicts_a_code_waits_for_review() {
    let app = App::start().await;
    let printed = code(&printed(&app, World::ACME_BARE));
    for covers in [false, true] {
        let differs = upload(&app, "a.pdf", &text_and_picture(World::RIVAL_BOL, &printed, covers)).await;
        assert_eq!(differs.outcomes(), ["needs_review"], "{covers}");
        assert!(differs.reason(0).contains("the QR code of this portal says PRT-2025-0005"), "{}", differs.reason(0));
        let agrees = upload(&app, "b.pdf", &text_and_picture(World::ACME_BARE, &printed, covers)).await;
        assert_eq!(agrees.outcomes(), [format!("stored {}", World::ACME_BARE)], "{covers}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_scans_a_printed_code_opens_the_bol() {
    let app = App::start().await;
    let address = printed(&app, World::ACME_BOL);
    let path = address.strip_prefix("https://moved.example").unwrap();
    assert!(path.starts_with(&format!("/bols/{}?c=", World::ACME_BOL)), "{path}");
    let stranger = app.stranger();
    let to_login = stranger.get(path).await;
    assert_eq!(to_login.status, 303);
    let login = to_login.header("location").to_owned();
    let next = stranger.get(&login).await.attributes("input[name=next]", "value").concat();
    assert_eq!(next, path, "{login}");
    let form = [("email", World::ACME), ("password", PASSWORD), ("next", next.as_str())];
    let logged_in = stranger.post("/login", &form).await;
    assert_eq!((logged_in.status, logged_in.header("location")), (303, path));
    assert_eq!(stranger.get(path).await.status, 200);
    assert_eq!(app.rival().await.get(path).await.status, 404);
}
