//! The downloads of the log: who got which document, how, when, and from where.

use crate::support::{Action, App, Browser, PASSWORD, World};

/// One load, and nothing but downloads in sight.
#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_sees_only_the_downloads_of_a_load() {
    let app = App::start().await;
    let acme = app.acme().await;
    acme.get(&format!("/bols/{}", World::ACME_BOL)).await;
    let link = acme.get(&format!("/bols/{}/download", World::ACME_BOL)).await;
    assert_eq!(acme.get(link.header("location")).await.status, 200);
    acme.get(&format!("/documents/{}/download?inline=1", app.world.acme_documents[2])).await;
    acme.get(&format!("/bols/download.zip?number={}", World::ACME_BOL)).await;
    app.events_until(Action::LinkFetched, |fetched| fetched.len() == 1).await;
    app.events_until(Action::BolsZipped, |zipped| zipped.len() == 1).await;
    let auditor = app.auditor().await;
    let timeline = auditor.get("/audit?number=0001").await;
    assert_eq!(timeline.one("h1"), "Timeline of BOL PRT-2025-0001");
    assert!(timeline.all(".log tbody .code").contains(&"BOL_VIEWED".into()));
    let href = timeline.attributes(".tabs a", "href").remove(1);
    assert_eq!(href, "/audit?number=0001&view=downloads");
    let page = auditor.get(&href).await;
    assert_eq!(page.one("h1"), "Downloads of BOL PRT-2025-0001");
    let heads = page.all(".log thead th");
    assert_eq!(heads, ["When", "Who", "Customer", "BOL and document", "How", "From"]);
    let rows = page.all(".log tbody tr");
    let mut how: Vec<&str> = Vec::new();
    for row in &rows {
        assert!(row.contains(World::ACME) && row.contains("ACME") && row.ends_with("127.0.0.1"), "{row}");
        assert!(row.contains(" EST ") || row.contains(" EDT "), "{row}");
        let words = ["Download link issued", "Downloaded in a ZIP", "Shown in the browser", "Downloaded"];
        how.push(words.into_iter().find(|word| row.contains(word)).unwrap());
    }
    how.sort_unstable();
    assert_eq!(how, ["Download link issued", "Downloaded", "Downloaded in a ZIP", "Shown in the browser"]);
    assert!(
        rows.iter().any(|row| row.contains("PRT-2025-0001.v2.pdf") && row.contains(" bytes LINK_FETCHED")),
        "{rows:?}"
    );
    // The form keeps the view, and so does the export.
    assert_eq!(page.attributes("form.filters input[type=hidden]", "value"), ["downloads"]);
    let file = auditor.get("/audit/export?number=0001&view=downloads&format=jsonl").await.text();
    assert_eq!(file.lines().count(), 4 + 1, "{file}");
    assert!(!file.contains("BOL_VIEWED"));
    assert_eq!(auditor.get("/audit?view=uploads").await.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_download_is_not_called_one() {
    let app = App::start().await;
    app.sql(
        "INSERT INTO audit_events (action, outcome, bol_number, detail) VALUES \
         ('LINK_FETCHED', 'denied', 'PRT-2025-0001', '{\"fetched_at\": \"2026-03-01T12:00:00Z\", \"status\": 403}'), \
         ('LINK_FETCHED', 'failed', 'PRT-2025-0001', '{}'), ('BOL_DOWNLOADED', 'failed', 'PRT-2025-0001', '{}'), \
         ('BOL_PREVIEWED', 'failed', 'PRT-2025-0001', '{}'), ('BOLS_ZIPPED', 'failed', 'PRT-2025-0001', '{}')",
    )
    .await;
    let page = app.auditor().await.get("/audit?view=downloads&number=PRT-2025-0001").await;
    let how = page.all(".log tbody td:nth-child(5)");
    assert_eq!(
        how,
        [
            "ZIP not completed Failed BOLS_ZIPPED",
            "Not shown in the browser Failed BOL_PREVIEWED",
            "No download link issued Failed BOL_DOWNLOADED",
            "Download failed Failed LINK_FETCHED",
            "Download refused Denied LINK_FETCHED",
        ]
    );
    // A fetch that was imported later has both times.
    let when = page.all(".log tbody .lead").pop().unwrap();
    assert!(when.starts_with("Mar 1, 2026, 7:00:00 AM EST recorded "), "{when}");
}

/// The buttons send what the fields say at that moment, without a search before.
#[tokio::test(flavor = "multi_thread")]
async fn the_export_gives_what_was_just_typed() {
    let app = App::start().await;
    app.acme().await.get(&format!("/bols/{}/download", World::ACME_BOL)).await;
    app.rival().await.get(&format!("/bols/{}/download", World::RIVAL_BOL)).await;
    let browser = Browser::start(1280, 900).await;
    browser.log_in(&app.url, World::AUDITOR, PASSWORD).await;
    browser.open(&format!("{}/audit?view=downloads", app.url)).await;
    browser.type_into("#user", "rival").await;
    browser.click("button[value=csv]").await;
    app.events_until(Action::AuditExported, |ended| ended.len() == 1).await;
    let exported = app.events().await.single(Action::AuditExported);
    assert_eq!((exported.detail("format"), exported.detail("rows")), ("csv".into(), "1".into()));
    assert_eq!(exported.detail["filter"], serde_json::json!({"user": "rival", "view": "downloads"}));
    browser.close().await;
}
