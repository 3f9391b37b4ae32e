//! Promise 2: no link without a recorded event. Also the links of the local storage.

use chrono::TimeDelta;

use crate::support::{Action, Actor, Answer, App, Outcome, World, raw};

async fn link(actor: &Actor, path: &str) -> String {
    let answer = actor.get(path).await;
    assert_eq!(answer.status, 303, "{path}: {}", answer.text());
    answer.header("location").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_is_recorded_and_redirected() {
    let app = App::start().await;
    let acme = app.acme().await;
    let stranger = app.stranger();
    let url = link(&acme, &format!("/bols/{}/download", World::ACME_BOL)).await;
    // The link works without a session.
    let file = stranger.get(&url).await;
    assert_eq!(file.status, 200);
    assert!(file.text().contains("bols/2025/PRT-2025-0001.v2.pdf sesame"), "the current version");
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"PRT-2025-0001.pdf\"");
    for (name, value) in [
        ("content-type", "application/pdf"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "sandbox; default-src 'none'; frame-ancestors 'none'"),
        ("cache-control", "private, no-store"),
    ] {
        assert_eq!(file.header(name), value);
    }
    let preview = link(&acme, &format!("/documents/{}/download?inline=1", app.world.acme_documents[0])).await;
    let shown = stranger.get(&preview).await;
    assert_eq!(shown.header("content-disposition"), "inline; filename=\"PRT-2025-0001.pdf\"");
    let events = app.events().await.filter(|event| event.action.starts_with("BOL_"));
    assert_eq!(events.len(), 2);
    for (action, document, key, file) in [
        (Action::BolDownloaded, 1, "bols/2025/PRT-2025-0001.v2.pdf", "PRT-2025-0001.v2.pdf"),
        (Action::BolPreviewed, 0, "bols/2025/PRT-2025-0001.pdf", "PRT-2025-0001.pdf"),
    ] {
        let event = events.with(Outcome::Success).single(action);
        assert_eq!((event.email(), event.role(), event.host()), (World::ACME, "customer", "127.0.0.1".into()));
        assert_eq!((event.customer(), event.bol()), ("ACME", World::ACME_BOL));
        assert_eq!(event.document_id, Some(app.world.acme_documents[document]));
        assert_eq!((event.kind(), event.key(), event.file()), ("bol", key, file));
        assert_eq!(event.sha256.unwrap().len(), 32);
    }
    assert_eq!(events.actions(), ["BOL_DOWNLOADED", "BOL_PREVIEWED"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_are_served() {
    let app = App::start().await;
    let url = link(&app.acme().await, &format!("/bols/{}/download", World::ACME_BOL)).await;
    let part = Answer::of(app.stranger().request(reqwest::Method::GET, &url).header("range", "bytes=0-7")).await;
    assert_eq!((part.status, part.text().as_str()), (206, "%PDF-1.4"));
    let beyond = Answer::of(app.stranger().request(reqwest::Method::GET, &url).header("range", "bytes=9999-")).await;
    assert_eq!(beyond.status, 416);
    let whole = app.stranger().get(&url).await.body;
    // What can't be read, or asks for several parts, is ignored, as on S3.
    for odd in ["bytes=0-1,4-5", "bytes=7-0", "bytes=a-b", "bytes", "items=0-7", "bytes=-", "bytes=0-1-2"] {
        let answer = Answer::of(app.stranger().request(reqwest::Method::GET, &url).header("range", odd)).await;
        assert_eq!((answer.status, answer.body.len()), (200, whole.len()), "{odd}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_expires_when_it_says() {
    let app = App::start_with(&[("DOWNLOAD_URL_TTL_SECONDS", "60")]).await;
    let url = link(&app.acme().await, &format!("/bols/{}/download", World::ACME_BOL)).await;
    app.clock.advance(TimeDelta::seconds(58));
    assert_eq!(app.stranger().get(&url).await.status, 200);
    app.clock.advance(TimeDelta::seconds(3));
    let late = app.stranger().get(&url).await;
    assert_eq!((late.status, late.one("h1")), (403, "This link has expired".into()));
}

/// Changes every byte of the link, one at a time, and tries invented links.
#[tokio::test(flavor = "multi_thread")]
async fn an_altered_link_is_refused() {
    let app = App::start().await;
    let url = link(&app.acme().await, &format!("/bols/{}/download", World::ACME_BOL)).await;
    let start = url.find("/files/").unwrap();
    let stranger = app.stranger();
    for at in start + "/files/".len()..url.len() {
        let mut bytes = url.clone().into_bytes();
        bytes[at] = match bytes[at] {
            b'a' => b'b',
            b'0' => b'1',
            b'&' | b'=' | b'?' | b'/' | b'%' => continue,
            b if b.is_ascii_digit() => b - 1,
            b if b.is_ascii_lowercase() => b.to_ascii_uppercase(),
            b if b.is_ascii_uppercase() => b.to_ascii_lowercase(),
            _ => b'x',
        };
        let altered = String::from_utf8(bytes).unwrap();
        // A link without one of its parameters is invalid.
        assert_eq!(stranger.get(&altered).await.status, 403, "{altered}");
    }
    for (from, to) in [
        ("disposition=attachment", "disposition=inline"),
        ("PRT-2025-0001.v2.pdf?", "PRT-2025-0003.pdf?"),
        ("PRT-2025-0001.v2.pdf?", "..%2f2025%2fPRT-2025-0001.v2.pdf?"),
        ("PRT-2025-0001.v2.pdf?", "PRT-2025-0001.v2.pdf%00?"),
        ("name=PRT-2025-0001.pdf", "name=evil.html"),
        ("&signature=", "&signature=00"),
        ("&signature=", "&x="),
    ] {
        assert!(url.contains(from), "{url}");
        let altered = url.replace(from, to);
        let status = stranger.get(&altered).await.status;
        assert!([403, 404].contains(&status), "{altered}: {status}");
    }
    for same in ["&expires=99999999999", "&x=1", "&"] {
        assert_eq!(stranger.get(&format!("{url}{same}")).await.status, 403, "{same}");
    }
    for (from, to) in
        [("expires=", "expires=0"), ("PRT-2025-0001.v2.pdf?", "PRT-2025-0001%2ev2.pdf?"), ("name=P", "name=%50")]
    {
        assert_eq!(stranger.get(&url.replacen(from, to, 1)).await.status, 403, "{to}: means the same, but isn't");
    }
    assert_eq!(stranger.get("/files/bols/2025/PRT-2025-0001.pdf").await.status, 403);
    assert_eq!(stranger.get("/files/").await.status, 403);
    // A client that doesn't normalize the dots.
    let (_, query) = url.split_once('?').unwrap();
    for path in
        ["bols/2025/../2025/PRT-2025-0001.v2.pdf", "../../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "/etc/passwd"]
    {
        let line = raw(&app, format!("GET /files/{path}?{query} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await;
        assert!(line.starts_with("HTTP/1.1 403") || line.starts_with("HTTP/1.1 404"), "{path}: {line}");
    }
}

/// The server doesn't follow symbolic links that lead out of the folder.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_outside_of_the_folder_is_served() {
    let app = App::start().await;
    let outside = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(outside.path(), "outside").unwrap();
    let inside = app.media("bols/2025/PRT-2025-0001.v2.pdf");
    let size = std::fs::metadata(&inside).unwrap().len();
    std::fs::remove_file(&inside).unwrap();
    std::fs::write(outside.path(), vec![b'x'; size as usize]).unwrap();
    std::os::unix::fs::symlink(outside.path(), &inside).unwrap();
    let answer = app.acme().await.get(&format!("/bols/{}/download", World::ACME_BOL)).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.header("location").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_record_there_is_no_link() {
    let app = App::start().await;
    let (acme, office) = (app.acme().await, app.office().await);
    app.sql("REVOKE INSERT ON audit_events FROM portal_customer; REVOKE ALL (action, outcome, user_id, user_email, user_role, customer_id, customer_code, bol_id, bol_number, document_id, document_kind, file_name, object_key, sha256, ip, user_agent, request_id, detail) ON audit_events FROM portal_customer").await;
    app.sql("REVOKE INSERT ON audit_events FROM primetrade, portal_server").await;
    let download = format!("/bols/{}/download", World::ACME_BOL);
    let document = format!("/documents/{}/download", app.world.acme_documents[2]);
    for actor in [&acme, &office] {
        for path in [download.as_str(), &document, "/api/bol/1/download/"] {
            let answer = actor.get(path).await;
            assert_eq!(answer.status, 503, "{path}: {}", answer.text());
            assert_ne!(answer.header("retry-after"), "");
            let whole = format!("{:?}{}", answer.headers, answer.text());
            assert!(!whole.contains("/files/") && !whole.contains("permission denied"), "{whole}");
        }
    }
    app.sql("GRANT INSERT ON audit_events TO portal_customer").await;
    assert_eq!(acme.get(&download).await.status, 303, "and it comes back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_file_is_reported_and_recorded_and_gets_no_link() {
    let app = App::start().await;
    std::fs::remove_file(app.media("bols/2025/PRT-2025-0001.v2.pdf")).unwrap();
    let acme = app.acme().await;
    let answer = acme.get(&format!("/bols/{}/download", World::ACME_BOL)).await;
    assert_eq!((answer.status, answer.one("h1")), (503, "The file can't be found".into()));
    assert!(answer.header("location").is_empty());
    // An object of another size is an error too.
    std::fs::write(app.media("bols/2025/PRT-2025-0001.v2.pdf"), "%PDF").unwrap();
    assert_eq!(acme.get("/api/bol/1/download/").await.status, 503);
    let failed = app.events().await.with(Outcome::Failed);
    let failed = failed.list(|event| (event.action.as_str(), event.detail("reason")));
    assert_eq!(failed, [0, 1].map(|_| ("BOL_DOWNLOADED", "object missing in storage".to_owned())));
    let history = acme.get(&format!("/bols/{}", World::ACME_BOL)).await.all("table[aria-labelledby=history] tbody tr");
    assert!(history[0].contains("No download link issued: the file is missing"), "{history:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_site_puts_no_download_on_record_without_a_click() {
    let app = App::start().await;
    let (acme, admin) = (app.acme().await, app.user(World::ADMIN).await);
    let document = app.world.acme_documents[0];
    let number = World::ACME_BOL;
    let mark = app.events().await.mark();
    let paths = [
        (&acme, format!("/bols/{number}/download")),
        (&acme, format!("/bols/{number}/%64ownload")),
        (&acme, format!("/documents/{document}/download?inline=1")),
        (&acme, format!("/bols/download.zip?number={number}&number=PRT-2025-0002")),
        (&acme, "/bols/export?format=csv&q=iron".into()),
        (&acme, "/api/bol/1/download/".into()),
        (&admin, "/audit/export?format=csv&customer=ACME".into()),
        (&admin, "/audit/pack?customer=ACME".into()),
    ];
    let from = |site: &'static str, actor: &Actor, path: &str| {
        Answer::of(actor.request(reqwest::Method::GET, path).header("sec-fetch-site", site))
    };
    for (actor, path) in &paths {
        for site in ["cross-site", "same-site", "anything"] {
            let asked = from(site, actor, path).await;
            assert_eq!((asked.status, asked.all("form button")), (200, vec!["Download".into()]), "{site} {path}");
            assert!(asked.one("h1").starts_with("Download ") && asked.header("location").is_empty());
            // The button asks for the same again.
            let fields = asked.attributes("form input[type=hidden]", "name").len();
            assert_eq!(fields, path.split_once('?').map_or(0, |(_, query)| query.split('&').count()), "{path}");
            assert_eq!(asked.attributes("form", "action"), [path.split('?').next().unwrap()]);
            assert_eq!(asked.attributes("form", "method"), ["get"]);
        }
    }
    let asked = from("cross-site", &app.stranger(), &paths[0].1).await;
    assert_eq!(asked.one("h1"), format!("Download {number}?"));
    assert!(app.events().await.since(mark).is_empty());
    for (actor, path) in &paths[..6] {
        for site in ["same-origin", "none"] {
            assert!([200, 303].contains(&from(site, actor, path).await.status), "{site} {path}");
        }
        assert!([200, 303].contains(&actor.get(path).await.status), "a script: {path}");
    }
    assert!(!app.events().await.since(mark).is_empty());
    // Emails lead to pages, which open from everywhere.
    assert_eq!(from("cross-site", &acme, &format!("/bols/{number}")).await.one("h1"), number);
}
