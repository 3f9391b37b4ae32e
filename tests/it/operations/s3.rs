//! Files in a bucket: the redirect leads to a presigned link that works, expires, and can't be altered.

use std::time::Duration;

use crate::support::scan::paper;
use crate::support::{
    ACCESS_KEY, App, BUCKET, Fault, Load, Outcome, Proxy, S3Server, SECRET_KEY, World, run, with_variables,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_link_of_the_redirect_is_presigned_and_works() {
    let app = App::on_s3(&[]).await;
    let answer = app.acme().await.get(&format!("/bols/{}/download", World::ACME_BOL)).await;
    assert_eq!(answer.status, 303);
    let url = answer.header("location");
    assert!(
        url.starts_with(&format!(
            "http://{}/{BUCKET}/bols/2025/PRT-2025-0001.v2.pdf?",
            app.s3.as_ref().unwrap().address
        ))
    );
    assert!(url.contains("X-Amz-Expires=300") && url.contains("X-Amz-Algorithm=AWS4-HMAC-SHA256"), "{url}");
    assert!(!url.contains(SECRET_KEY));
    let file = app.stranger().get(url).await;
    assert_eq!((file.status, file.header("content-type")), (200, "application/pdf"));
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"PRT-2025-0001.pdf\"");
    let kept = std::fs::read(app.s3.as_ref().unwrap().path_of("bols/2025/PRT-2025-0001.v2.pdf")).unwrap();
    assert_eq!(file.body, kept);
    let preview = app.acme().await.get(&format!("/documents/{}/download?inline=1", app.world.acme_documents[2])).await;
    let shown = app.stranger().get(preview.header("location")).await;
    assert_eq!(shown.header("content-disposition"), "inline; filename=\"PRT-2025-0001.signed-bol.v1.pdf\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn altered_and_expired_links_are_refused_by_the_server() {
    let app = App::on_s3(&[("DOWNLOAD_URL_TTL_SECONDS", "2")]).await;
    let answer = app.acme().await.get(&format!("/bols/{}/download", World::ACME_BOL)).await;
    let url = answer.header("location").to_owned();
    let stranger = app.stranger();
    for (from, to) in [
        ("PRT-2025-0001.v2.pdf?", "PRT-2025-0003.pdf?"),
        ("X-Amz-Expires=2", "X-Amz-Expires=999"),
        ("attachment", "inline"),
        ("X-Amz-Signature=", "X-Amz-Signature=0"),
        (ACCESS_KEY, "another-key"),
    ] {
        assert!(url.contains(from), "{from} in {url}");
        assert_ne!(stranger.get(&url.replacen(from, to, 1)).await.status, 200, "{from} -> {to}");
    }
    assert_eq!(stranger.get(&url).await.status, 200);
    tokio::time::sleep(Duration::from_millis(3200)).await;
    assert_eq!(stranger.get(&url).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_object_is_reported_and_recorded() {
    let app = App::on_s3(&[]).await;
    std::fs::remove_file(app.s3.as_ref().unwrap().path_of("bols/2025/PRT-2025-0001.v2.pdf")).unwrap();
    let answer = app.acme().await.get(&format!("/bols/{}/download", World::ACME_BOL)).await;
    assert_eq!((answer.status, answer.one("h1")), (503, "The file can't be found".into()));
    assert_eq!(app.events().await.with(Outcome::Failed).actions(), ["BOL_DOWNLOADED"]);
}

/// No server answers at that address, and no request waits forever.
#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_bucket_is_a_503_in_bounded_time() {
    let mut app = App::on_s3(&[]).await;
    let acme = app.acme().await;
    assert_eq!(app.stranger().get("/readyz").await.status, 200);
    drop(app.s3.take());
    tokio::time::sleep(Duration::from_millis(200)).await;
    let connections = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'primetrade' ORDER BY 1";
    for _ in 0..4 {
        acme.get("/bols").await;
    }
    let before = app.rows(connections).await;
    let started = std::time::Instant::now();
    let answer = acme.get(&format!("/bols/{}/download", World::ACME_BOL)).await;
    assert_eq!((answer.status, answer.one("h1")), (503, "Not available right now".into()));
    assert!(started.elapsed() < Duration::from_secs(8));
    assert!(answer.header("location").is_empty());
    let after = app.rows(connections).await;
    assert!(
        before.iter().all(|pid| after.contains(pid)),
        "no database connection is lost over it: {before:?} {after:?}"
    );
    let ready = app.stranger().get("/readyz").await;
    assert_eq!((ready.status, ready.json()["storage"].as_str()), (503, Some("unavailable")));
    assert_eq!(ready.json()["database"], "ok");
    assert_eq!(acme.get("/bols").await.status, 200, "the list needs no bucket");
}

/// The object as the S3 server sees it.
#[tokio::test(flavor = "multi_thread")]
async fn objects_are_written_once_and_with_their_checksum() {
    use primetrade::storage::{ObjectKey, StorageError};
    use sha2::{Digest, Sha256};
    let app = App::on_s3(&[]).await;
    let values = app.environment().iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
    let config = primetrade::config::Config::from_values(&values, primetrade::config::Needs::Serving).unwrap();
    let primetrade::config::StorageConfig::S3(s3) = &config.storage else { panic!("not S3") };
    let storage = primetrade::storage::Storage::from(primetrade::storage::S3Store::new(s3).await);
    let key: ObjectKey = "bols/2026/PRT-2026-0001.pdf".parse().unwrap();
    let bytes = b"%PDF-1.7 once".to_vec();
    storage.put(&key, bytes.clone(), Sha256::digest(&bytes).into()).await.unwrap();
    let again = storage.put(&key, b"other".to_vec(), Sha256::digest(b"other").into()).await;
    assert!(matches!(again, Err(StorageError::Exists(_))), "{again:?}");
    assert_eq!(std::fs::read(app.s3.as_ref().unwrap().path_of(key.as_str())).unwrap(), bytes);
    let damaged: ObjectKey = "bols/2026/PRT-2026-0002.pdf".parse().unwrap();
    assert!(storage.put(&damaged, b"arrived otherwise".to_vec(), Sha256::digest(b"sent").into()).await.is_err());
}

/// A captive portal or a gateway answers every request with a status and a page of its own.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_s3s_stores_nothing_and_finds_nothing_missing() {
    let s3 = S3Server::start().await;
    let proxy = Proxy::before(s3.address).await;
    let through = with_variables(s3.environment(), &[("AWS_ENDPOINT_URL_S3", &format!("http://{}", proxy.address))]);
    let app = App::on(through).await;
    app.save_terminal_address().await;
    let (office, acme, stranger) = (app.office().await, app.acme().await, app.stranger());
    let path = format!("/bols/{}/download", World::ACME_BOL);
    for (name, fault) in [
        ("page", Fault::Foreign(200)),
        ("created", Fault::Foreign(201)),
        ("tagged page", Fault::ForeignWithTag),
        ("nothing", Fault::Empty(200)),
        ("no content", Fault::Empty(204)),
        ("not found", Fault::Foreign(404)),
        ("empty not found", Fault::Empty(404)),
    ] {
        proxy.always(Some(fault));
        let (file, bols) = (paper(name), app.count("bols").await);
        let refused = office.upload(&[("kind", "other")], "PRT-2025-0005.pdf", &file).await;
        assert_eq!(refused.status, 503, "{name}: {}", refused.text());
        let issued = Load::today(&app).await.post(&office, "/office/bols").await;
        assert_eq!((issued.status, app.count("bols").await), (503, bols), "{name}: {}", issued.text());
        let link = acme.get(&path).await;
        assert_eq!((link.status, link.header("location")), (503, ""), "{name}");
        // With a tag, the page could be another object than the recorded one.
        let is_unsure = matches!(fault, Fault::ForeignWithTag);
        assert!(is_unsure || link.one("h1") == "Not available right now", "{name}: {}", link.text());
        assert_eq!(stranger.get("/readyz").await.status, 503, "{name}");
        let (code, stdout, stderr) = app.reconcile(&[]).await;
        assert!(code != 0 && !stdout.contains("missing"), "{name}: {stdout}{stderr}");
        proxy.always(None);
        let stored = office.upload(&[("kind", "other")], "PRT-2025-0005.pdf", &file).await;
        assert_eq!(stored.outcomes(), ["stored PRT-2025-0005"], "{name}: {}", stored.text());
        assert_eq!(acme.get(&path).await.status, 303, "{name}");
    }
    let (code, stdout, _) = app.reconcile(&["--read"]).await;
    assert_eq!(code, 0, "{stdout}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_name_a_bucket_that_is_not_there() {
    let app = App::on_s3(&[]).await;
    let environment = with_variables(app.environment().to_vec(), &[("AWS_STORAGE_BUCKET_NAME", "another-bucket")]);
    for command in [&["storage", "reconcile"][..], &["migrate-pdfs-to-s3"]] {
        let (code, stdout, stderr) = run(&environment, command).await;
        assert!(code != 0 && stderr.contains("the bucket doesn't exist"), "{command:?}: {stdout}{stderr}");
        assert!(stderr.contains("AWS_STORAGE_BUCKET_NAME"), "{stderr}");
    }
}
