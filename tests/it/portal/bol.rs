//! `GET /bols/{number}`: every field, every document, and the downloads.

use crate::support::{App, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_bol_shows_its_fields_documents_and_versions_and_the_view_is_recorded() {
    let app = App::start().await;
    let page = app.acme().await.get(&format!("/bols/{}", World::ACME_BOL)).await;
    assert_eq!(page.status, 200);
    let text = page.one("main");
    for shown in [
        "PRT-2025-0001",
        "Mar 1, 2025",
        "Pig iron sesame",
        "LOT-sesame",
        "C 4.31% Si 0.72%",
        "PO-sesame-1",
        "REL-sesame",
        "Carrier sesame (ABCD)",
        "TRUCK-sesame-1",
        "TRAILER-sesame",
        "1, 2",
        "A. Driver",
        "The terminal",
        "Plant sesame 1 Mill Street",
        "78,900 lb",
        "32,000 lb",
        "46,900 lb",
        "23.45",
        "77",
        "By shipper",
        "By driver",
        "Prepaid",
        "Bulk",
    ] {
        assert!(text.contains(shown), "{shown} in\n{text}");
    }
    assert!(page.text().contains("&#60;script&#62;alert(1)"), "what was typed is text");
    let documents = page.all("table[aria-labelledby=documents] .lead");
    assert_eq!(documents.len(), 3, "{documents:?}");
    assert!(documents[0].starts_with("Bill of lading") && documents[0].contains("PRT-2025-0001.v2.pdf"));
    assert_eq!(page.all(".older li").len(), 1);
    assert!(page.one(".older li").starts_with("Version 1 ·"));
    let events = app.events().await.filter(|event| event.action.starts_with("BOL"));
    assert_eq!(
        events.list(|event| (
            event.action.as_str(),
            event.outcome.as_str(),
            event.email(),
            event.customer(),
            event.bol()
        )),
        [("BOL_VIEWED", "success", World::ACME, "ACME", World::ACME_BOL)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_void_bol_says_so_and_why() {
    let app = App::start().await;
    let page = app.acme().await.get(&format!("/bols/{}", World::ACME_VOID)).await;
    assert!(page.one("[role=note]").contains("Wrong truck, sesame"));
    assert_eq!(page.all("h1 .mark"), ["Void"]);
    let bare = app.acme().await.get(&format!("/bols/{}", World::ACME_BARE)).await;
    assert!(bare.text().contains("No document is filed under this BOL yet."));
    assert!(bare.all(".pagehead .actions").is_empty(), "nothing to download");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_company_sees_the_downloads_of_its_own_users() {
    let app = App::start().await;
    let (acme, colleague, office) = (app.acme().await, app.user(World::COLLEAGUE).await, app.office().await);
    let download = format!("/bols/{}/download", World::ACME_BOL);
    acme.get(&download).await;
    colleague.get(&format!("/documents/{}/download?inline=1", app.world.acme_documents[2])).await;
    office.get(&download).await;
    let page = format!("/bols/{}", World::ACME_BOL);
    let seen = acme.get(&page).await.all("table[aria-labelledby=history] tbody tr");
    assert_eq!(seen.len(), 2, "the office's own are not the customer's business: {seen:?}");
    assert!(
        seen[0].contains(World::COLLEAGUE)
            && seen[0].contains("Shown in the browser")
            && seen[0].contains("signed-bol")
    );
    assert!(seen[1].contains(World::ACME) && seen[1].contains("Download link issued"));
    assert_eq!(office.get(&page).await.all("table[aria-labelledby=history] tbody tr").len(), 3);
}
