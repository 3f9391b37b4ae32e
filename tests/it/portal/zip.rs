//! Many PDFs in one ZIP: complete, recorded one by one, and only the caller's own.

use std::collections::BTreeMap;
use std::process::Stdio;

use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use crate::support::{Action, Actor, App, Outcome, World};

fn text(files: &BTreeMap<String, Vec<u8>>, name: &str) -> String {
    String::from_utf8(files[name].clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_downloads_its_bols_as_one_zip() {
    for on_s3 in [false, true] {
        let app = if on_s3 { App::on_s3(&[]).await } else { App::start().await };
        app.sql("UPDATE bols SET product = '=1+1' WHERE number = 'PRT-2025-0002'").await;
        let acme = app.acme().await;
        let list = acme.get("/bols").await;
        assert_eq!(list.attributes(".pagehead .actions a", "href")[0], "/bols/download.zip");
        let answer = acme.get("/bols/download.zip").await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/zip"));
        assert!(answer.header("content-disposition").starts_with("attachment; filename=\"bols-2"));
        let files = answer.unzipped();
        // The ZIP has neither the BOL without a PDF nor those of others.
        let names: Vec<&str> = files.keys().map(String::as_str).collect();
        assert_eq!(names, ["PRT-2025-0001.pdf", "PRT-2025-0002.pdf", "SHA256SUMS", "index.csv"]);
        assert_eq!(files["PRT-2025-0001.pdf"], b"%PDF-1.4\n% bols/2025/PRT-2025-0001.v2.pdf sesame\n%%EOF\n");
        for line in text(&files, "SHA256SUMS").lines() {
            let (sum, name) = line.split_once("  ").unwrap();
            assert_eq!(sum, hex::encode(Sha256::digest(&files[name])), "{name}");
        }
        let index = text(&files, "index.csv");
        assert!(
            index.starts_with("number,date,customer,product,net_lb,net_tons,status,file,bytes,sha256,problem\n"),
            "{index}"
        );
        assert!(
            index.contains("PRT-2025-0001,2025-03-01,Acme Steel,Pig iron sesame,46900,23.45,issued,PRT-2025-0001.pdf,"),
            "{index}"
        );
        assert!(index.contains("'=1+1") && index.contains(",void,"), "{index}");
        let zipped = app.events().await.only(Action::BolsZipped);
        assert_eq!(zipped.len(), 2);
        let first = zipped.iter().min_by_key(|event| event.bol()).unwrap();
        assert_eq!((first.bol(), first.outcome.as_str(), first.customer()), (World::ACME_BOL, "success", "ACME"));
        assert_eq!(first.sha256.as_deref(), Some(&Sha256::digest(&files["PRT-2025-0001.pdf"])[..]));
        // It counts as a download, and the page of the BOL shows it.
        assert!(acme.get("/bols/PRT-2025-0001").await.text().contains("Downloaded in a ZIP"));
        assert_ne!(app.count("bol_opens WHERE fetched_for IS NOT NULL").await, 0);
        // Another program reads the ZIP too.
        let mut check = tokio::process::Command::new("python3")
            .args(["-c", "import sys,io,zipfile; z=zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read())); sys.exit(z.testzip() is not None)"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        check.stdin.take().unwrap().write_all(&answer.body).await.unwrap();
        assert!(check.wait().await.unwrap().success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zip_has_only_bols_of_the_caller_and_a_broken_one_looks_broken() {
    let app = App::start().await;
    let (acme, rival, office) = (app.acme().await, app.rival().await, app.office().await);
    let picked = acme.get("/bols/download.zip?number=prt-2025-0001").await;
    assert_eq!(picked.unzipped().keys().collect::<Vec<_>>(), ["PRT-2025-0001.pdf", "SHA256SUMS", "index.csv"]);
    for path in [
        "/bols/download.zip?number=PRT-2025-0001",
        "/bols/download.zip?number=PRT-2025-0003&number=PRT-2025-0001",
        "/bols/download.zip?number=PRT-1999-0001",
    ] {
        assert_eq!(rival.get(path).await.status, 404, "{path}");
    }
    let denied = app.events().await.only(Action::AccessDenied);
    let mut denied = denied.list(|event| event.bol());
    denied.sort_unstable();
    denied.dedup();
    assert_eq!(denied, ["PRT-1999-0001", World::ACME_BOL]);
    for asked in ["x".repeat(4000), "PRT-2025-0001%00".into(), "50%25".into(), "<b>".into()] {
        let mark = app.events().await.mark();
        assert_eq!(acme.get(&format!("/bols/download.zip?number={asked}")).await.status, 404, "{asked}");
        let refused = app.events().await.since(mark).single(Action::AccessDenied);
        assert_eq!((refused.bol(), refused.detail("asked").chars().count() <= 100), ("-", true), "{refused:?}");
    }
    assert_eq!(app.auditor().await.get("/bols/download.zip").await.status, 403);
    assert_eq!(app.stranger().get("/bols/download.zip").await.status, 303);
    assert_eq!(acme.get("/bols/download.zip?q=nothing-is-like-this").await.status, 422);
    assert_eq!(acme.get("/bols/download.zip?from=yesterday").await.status, 422);
    assert_eq!(office.get("/bols/download.zip").await.unzipped().len(), 4 + 2);
    let void = office.get("/bols/download.zip?status=void").await.unzipped();
    assert!(void.contains_key("PRT-2025-0002.pdf") && void.len() == 3);
    // The ZIP names the missing PDF and has the others.
    std::fs::remove_file(app.media("bols/2025/PRT-2025-0003.pdf")).unwrap();
    let files = office.get("/bols/download.zip").await.unzipped();
    assert!(
        !files.contains_key("PRT-2025-0003.pdf")
            && text(&files, "index.csv").contains("the file is missing from the storage")
    );
    let failed = app.events().await.with(Outcome::Failed).single(Action::BolsZipped);
    assert_eq!(failed.bol(), World::RIVAL_BOL);
}

/// The storage becomes unavailable during the download.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_zip_is_not_a_valid_zip() {
    let mut app = App::on_s3(&[]).await;
    let acme = app.acme().await;
    drop(app.s3.take());
    let answer = acme.request(reqwest::Method::GET, "/bols/download.zip").send().await.unwrap();
    assert_eq!(answer.status(), 200, "it had begun");
    assert!(answer.bytes().await.is_err(), "and the connection breaks");
    assert_eq!(acme.get(&format!("/bols/{}", World::ACME_BOL)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_unread_zips_of_one_customer_keep_no_other_from_theirs() {
    let mut app = App::start().await;
    app.create_large_documents(40).await;
    let second = app.second().await;
    let begin = async |actor: &Actor, url: &str| {
        let answer = actor.at(url).request(reqwest::Method::GET, "/bols/download.zip").send().await.unwrap();
        (answer.status().as_u16(), answer)
    };
    let mut unread = Vec::new();
    for (email, running) in [(World::ACME, 3), (World::COLLEAGUE, 3)] {
        let actor = app.user(email).await;
        for n in 0..8 {
            let (status, answer) = begin(&actor, if n % 2 == 0 { &app.url } else { &second }).await;
            assert_eq!(status, if n < running { 200 } else { 429 }, "{email}, ZIP {n}");
            unread.push(answer);
        }
    }
    // The company has six running now.
    app.new_user("third@acme.example").role("customer").create().await;
    let (acme, third) = (app.world.acme, app.user_id("third@acme.example").await);
    app.sql(&format!("INSERT INTO memberships (user_id, customer_id) VALUES ({third}, {acme})")).await;
    let refused = app.user("third@acme.example").await.get("/bols/download.zip").await;
    assert_eq!((refused.status, refused.one("h1")), (429, "Too many at once".into()));
    assert_eq!(refused.header("retry-after"), "30");
    for url in [&app.url, &second] {
        assert!(app.rival().await.at(url).get("/bols/download.zip").await.unzipped().contains_key("PRT-2025-0003.pdf"));
        assert_eq!(app.office().await.at(url).get("/bols/download.zip?number=PRT-2025-0001").await.status, 200);
    }
    // Slots of an instance that has crashed are free again after some time.
    drop(unread);
    app.clock.advance(chrono::TimeDelta::seconds(91));
    assert_eq!(begin(&app.acme().await, &second).await.0, 200);
}
