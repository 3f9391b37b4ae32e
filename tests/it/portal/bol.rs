//! `GET /bols/{number}`: every field, every document, and the downloads.

use crate::support::{Answer, App, World};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_long_history_is_shown_in_pages_newest_first() {
    let app = App::start().await;
    let acme = app.acme().await;
    app.sql(&format!(
        "INSERT INTO audit_events (occurred_at, action, outcome, user_email, user_role, customer_id, bol_id, bol_number, file_name)
         SELECT now() - n * interval '1 minute', CASE n % 3 WHEN 0 THEN 'BOL_VIEWED' ELSE 'BOL_DOWNLOADED' END, 'success',
                CASE n % 5 WHEN 0 THEN 'rival@example.com' ELSE 'acme@example.com' END, 'customer',
                CASE n % 5 WHEN 0 THEN {} ELSE {} END, id, number, 'file-' || n || '.pdf'
         FROM generate_series(1, 150) n, bols WHERE number = '{}'",
        app.world.rival,
        app.world.acme,
        World::ACME_BOL
    ))
    .await;
    let files = |page: &Answer| page.all("table[aria-labelledby=history] td.file");
    let expected: Vec<String> =
        (1..=150).filter(|n| n % 3 != 0 && n % 5 != 0).map(|n| format!("file-{n}.pdf")).collect();
    let link = |page: &Answer, label: &str| {
        let links =
            page.all("section .actions a.quiet").into_iter().zip(page.attributes("section .actions a.quiet", "href"));
        links.filter(|(text, _)| text.starts_with(label)).map(|(_, href)| href).next()
    };
    let newest = format!("/bols/{}", World::ACME_BOL);
    let first = acme.get(&newest).await;
    assert_eq!((files(&first), link(&first, "Newest")), (expected[..10].to_vec(), None));
    let second = acme.get(&link(&first, "Earlier").expect("a link")).await;
    assert_eq!(files(&second), expected[10..60]);
    let last = acme.get(&link(&second, "Earlier").expect("a link")).await;
    assert_eq!((files(&last), link(&last, "Earlier")), (expected[60..].to_vec(), None));
    assert_eq!(link(&last, "Newest"), Some(format!("{newest}#history")));
    assert_eq!(files(&app.office().await.get(&newest).await)[..3], ["file-1.pdf", "file-2.pdf", "file-4.pdf"]);
    let earlier = link(&first, "Earlier").expect("a link");
    let (stranger, auditor) = (app.stranger().get(&earlier).await, app.auditor().await.get(&earlier).await);
    assert_eq!((stranger.status, auditor.status, app.rival().await.get(&earlier).await.status), (303, 403, 404));
    for wrong in ["x", "_7", "2026-11-30T12:00:00Z_x", "-9999-01-01T00:00:00Z_1"] {
        assert_eq!(files(&acme.get(&format!("{newest}?earlier={wrong}")).await), expected[..10], "{wrong}");
    }
    let before_all = acme.get(&format!("{newest}?earlier=2020-01-01T00:00:00Z_1")).await;
    assert_eq!(before_all.one("section .empty"), "There are no earlier downloads.");
}
