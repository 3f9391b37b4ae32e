//! Documents that call themselves something else than a document of a load.

use crate::support::raw_pdf::RawPdf;
use crate::support::{App, Load, World};

const NUMBER: &str = World::ACME_BARE;

/// A page with lines of text and their sizes, from the top down.
fn page(lines: &[(&str, u32)]) -> Vec<u8> {
    let mut contents = String::new();
    for (index, (text, size)) in lines.iter().enumerate() {
        contents += &format!("BT /F1 {size} Tf 60 {} Td ({text}) Tj ET ", 740 - 30 * index);
    }
    RawPdf::drawn("", "", &contents).finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_waits_unless_its_kind_is_stated() {
    let app = App::start().await;
    let office = app.office().await;
    let number = format!("For BOL {NUMBER}");
    for (heading, size, words) in [
        ("INVOICE", 24, "an invoice"),
        ("Commercial invoice no. 4711", 12, "an invoice"),
        ("Statement of account", 18, "a statement"),
        ("Quotation", 18, "a quotation"),
        ("PURCHASE ORDER 4500", 18, "a purchase order"),
        ("Remittance advice", 18, "a remittance advice"),
        ("Credit memo", 18, "a credit note"),
        ("Debit note", 18, "a debit note"),
        ("PACKING LIST", 18, "a packing list"),
    ] {
        let pdf =
            page(&[("Coke and Coal Inc.", 12), (heading, size), (&number, 12), ("42 tons of coke, 4,711.00", 12)]);
        let answer = office.upload(&[("kind", "")], "scan.pdf", &pdf).await;
        assert_eq!(answer.outcomes(), ["needs_review"], "{heading}: {}", answer.text());
        let reason = format!("The heading says that this is {words}. Choose a kind to file it under {NUMBER}.");
        assert_eq!(answer.reason(0), reason);
        // The kind makes it a document of that BOL, and so does the name.
        let stated = office.upload(&[("kind", "invoice")], "scan.pdf", &pdf).await;
        assert_eq!(stated.outcomes(), [format!("stored {NUMBER}")], "{heading}: {}", stated.text());
        let pdf = page(&[(heading, size), (&number, 12), ("42 tons", 12)]);
        let named = office.upload(&[("kind", "")], &format!("{NUMBER}_invoice.pdf"), &pdf).await;
        assert_eq!(named.outcomes(), [format!("stored {NUMBER}")], "{heading}: {}", named.text());
    }
    let inbox = office.get("/office/inbox").await;
    assert!(inbox.text().contains("Inbox is empty"), "each was filed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_of_a_load_may_mention_an_invoice() {
    let app = App::start().await;
    let office = app.office().await;
    let number = format!("Number {NUMBER}");
    for lines in [
        [("BILL OF LADING", 18), (&*number, 12), ("Purchase order 4500", 12), ("Invoice to: Acme Steel", 12)],
        [("STRAIGHT BILL OF LADING", 12), ("PURCHASE ORDER 4500", 12), ("Invoice", 12), (&number, 12)],
        [("Scale ticket 88123", 12), ("Customer PO 4500", 12), ("See invoice and packing list", 12), (&number, 12)],
        [("Weight ticket", 12), (&number, 12), ("Invoice no. 4711", 12), ("Quote 17", 12)],
        [("Coke and Coal Inc.", 12), (&number, 12), ("Invoice address: 1 Mill Road", 12), ("As quoted", 12)],
    ] {
        let answer = office.upload(&[("kind", "")], "scan.pdf", &page(&lines)).await;
        assert_eq!(answer.outcomes(), [format!("stored {NUMBER}")], "{lines:?}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_sheet_is_a_bill_of_lading_and_shows_its_number() {
    let app = App::ready_to_issue().await;
    let office = app.office().await;
    let number = Load::today(&app).await.issue(&office).await;
    let sheet = office.download(&format!("/bols/{number}/download")).await;
    // Other bytes, which are not the document that is filed already.
    let copy = [&sheet[..], b"\n"].concat();
    let answer = office.upload(&[("kind", "")], "copy.pdf", &copy).await;
    assert_eq!(answer.outcomes(), [format!("stored {number}")], "{}", answer.text());
    let events = app.events().await;
    let event = events.iter().find(|event| event.document_id == Some(answer.document_id(0))).unwrap();
    let sources: Vec<&String> = event.detail["found"].as_object().unwrap().keys().collect();
    assert_eq!(sources, ["QR code of this portal", "text"], "{:?}", event.detail["found"]);
}
