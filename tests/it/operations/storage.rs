//! `primetrade storage …`: setting up and checking the bucket. Also how the portal behaves when the bucket answers
//! with errors.

use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::Value;

use crate::support::scan::paper;
use crate::support::{
    Action, App, BUCKET, Fault, Ministack, Outcome, Proxy, S3Server, World, http_client, run, with_variables,
};

/// The line of a check with its advice.
fn line(stdout: &str, check: &str) -> String {
    let lines: Vec<&str> = stdout.lines().collect();
    let is_it = |line: &&str| line.get(6..).is_some_and(|rest| rest.starts_with(&format!("{check} ")));
    let at = lines.iter().position(is_it).unwrap_or_else(|| panic!("no {check} in {stdout}"));
    let advice = lines.get(at + 1).filter(|next| next.starts_with("      ->")).unwrap_or(&"");
    format!("{} {advice}", lines[at]).trim_end().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_bucket_passes_every_check() {
    let s3 = S3Server::start().await;
    let (code, stdout, stderr) = run(&s3.environment(), &["storage", "check"]).await;
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    for check in [
        "variables",
        "credentials",
        "bucket",
        "put",
        "put again",
        "get",
        "link",
        "expired link",
        "without a link",
        "delete",
    ] {
        assert!(line(&stdout, check).starts_with("ok "), "{check}: {stdout}");
    }
    assert!(!stdout.contains("FAIL"));
    assert!(std::fs::read_dir(s3.path_of("storage-check")).map_or(0, Iterator::count) == 0, "nothing is left");
    let (code, stdout, _) = run(&s3.environment(), &["storage", "check", "--json"]).await;
    let lines: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, lines[0]["check"].as_str(), lines[0]["result"].as_str()), (0, Some("variables"), Some("ok")));
    // Without a bucket the command checks the folder.
    let (code, stdout, _) = run(&vec![], &["storage", "check"]).await;
    assert!(code == 0 && line(&stdout, "folder").starts_with("ok"), "{stdout}");
    // It also checks a bucket that is configured but not used, and says so.
    let off = with_variables(s3.environment(), &[("USE_S3", "False")]);
    let (code, stdout, _) = run(&off, &["storage", "check"]).await;
    assert!(code == 0 && line(&stdout, "variables").contains("until USE_S3=True"), "{stdout}");
}

/// The settings that people get wrong, with the answers of a real server.
#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_setting_is_named_with_what_to_do() {
    let s3 = S3Server::start().await;
    let good = with_variables(s3.environment(), &[("AWS_EC2_METADATA_DISABLED", "true")]);
    for (changes, check, word, advice) in [
        (
            &[("AWS_STORAGE_BUCKET_NAME", "another-bucket")][..],
            "bucket",
            "the bucket doesn't exist",
            "AWS_STORAGE_BUCKET_NAME",
        ),
        (
            &[("AWS_SECRET_ACCESS_KEY", "not-the-one-that-belongs-here")],
            "bucket",
            "secret doesn't belong",
            "AWS_SECRET_ACCESS_KEY",
        ),
        (
            &[("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")],
            "credentials",
            "no credentials",
            "AWS_ACCESS_KEY_ID",
        ),
        (&[("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")], "bucket", "doesn't answer", "AWS_ENDPOINT_URL_S3"),
    ] {
        let (code, stdout, stderr) = run(&with_variables(good.clone(), changes), &["storage", "check"]).await;
        let found = line(&stdout, check);
        assert_eq!(code, 1, "{stdout}");
        assert!(found.starts_with("FAIL") && found.contains(word) && found.contains(advice), "{changes:?}: {stdout}");
        assert!(stderr.contains("failed"));
    }
}

/// The S3 server of the tests doesn't give these answers, so the proxy gives them in Amazon's words.
#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_of_amazon_is_named_with_what_to_do() {
    let s3 = S3Server::start().await;
    let good = with_variables(s3.environment(), &[("AWS_EC2_METADATA_DISABLED", "true")]);
    let proxy = Proxy::before(s3.address).await;
    let through = with_variables(good, &[("AWS_ENDPOINT_URL_S3", &format!("http://{}", proxy.address))]);
    for (fault, check, word, advice) in [
        (Fault::Says(403, "AccessDenied", "Access Denied"), "bucket", "access denied", "storage policy"),
        (
            Fault::Says(
                400,
                "AuthorizationHeaderMalformed",
                "The authorization header is malformed; the region 'us-east-2' is wrong",
            ),
            "bucket",
            "another region",
            "AWS_S3_REGION_NAME",
        ),
        (Fault::Says(403, "InvalidAccessKeyId", "The key does not exist"), "bucket", "access key is unknown", "IAM"),
        (
            Fault::Says(400, "ExpiredToken", "The provided token has expired."),
            "bucket",
            "have expired",
            "AWS_SESSION_TOKEN",
        ),
        (Fault::Says(403, "RequestTimeTooSkewed", "The difference is too large"), "bucket", "clocks differ", "NTP"),
        (Fault::Clock(-3600), "clock", "ahead of", "NTP"),
        (Fault::Clock(300), "clock", "behind", "NTP"),
    ] {
        proxy.always(Some(fault));
        let (code, stdout, _) = run(&through, &["storage", "check"]).await;
        let found = line(&stdout, check);
        let is_warning = matches!(fault, Fault::Clock(300));
        assert_eq!(code, i32::from(!is_warning), "{fault:?}: {stdout}");
        assert!(found.starts_with(if is_warning { "warn" } else { "FAIL" }), "{fault:?}: {stdout}");
        assert!(found.contains(word) && found.contains(advice), "{fault:?}: {stdout}");
    }
    proxy.always(Some(Fault::Truncated));
    let (code, stdout, _) = run(&through, &["storage", "check"]).await;
    assert!(code == 1 && line(&stdout, "bucket").starts_with("FAIL"), "{stdout}");
}

/// Other S3 servers know fewer parameters and settings than Amazon's.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_treats_links_differently_is_found() {
    let s3 = S3Server::start().await;
    let proxy = Proxy::before(s3.address).await;
    let through = with_variables(s3.environment(), &[("AWS_ENDPOINT_URL_S3", &format!("http://{}", proxy.address))]);
    let (code, stdout, _) = run(&through, &["storage", "check"]).await;
    assert!(code == 0 && line(&stdout, "link's name").starts_with("ok"), "{stdout}");
    proxy.always(Some(Fault::NamesIgnored));
    let (code, stdout, _) = run(&through, &["storage", "check"]).await;
    let found = line(&stdout, "link's name");
    assert!(code == 0 && found.starts_with("warn") && found.contains("response-content-disposition"), "{stdout}");
    proxy.always(Some(Fault::Strict));
    let (code, stdout, _) = run(&through, &["storage", "check"]).await;
    let found = line(&stdout, "link");
    assert!(code == 1 && found.starts_with("FAIL") && found.contains("Unknown parameter: x-request"), "{stdout}");
    // What a server doesn't offer has advice of its own.
    assert!(!stdout.contains("nothing to do"), "{stdout}");
    let versioning = line(&stdout, "versioning");
    assert!(versioning.starts_with("ok") || versioning.contains("->"), "{stdout}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_set_up_once_and_stays() {
    let Some(server) = Ministack::start().await else { return };
    let environment = server.environment();
    let (code, stdout, _) = run(&environment, &["storage", "setup", "--dry-run"]).await;
    assert!(code == 0 && stdout.contains("change  bucket") && stdout.contains("Nothing was changed"), "{stdout}");
    let (code, stdout, stderr) = run(&environment, &["storage", "setup"]).await;
    assert!(code == 2 && stderr.contains("--yes") && !stdout.contains("done"), "nobody is there to agree: {stdout}");
    let (code, _, _) = run(&environment, &["storage", "check"]).await;
    assert_eq!(code, 1, "it isn't there yet");
    let (code, stdout, _) = run(&environment, &["storage", "setup", "--yes"]).await;
    assert_eq!(code, 0, "{stdout}");
    for setting in ["bucket", "public access", "ACLs", "versioning", "encryption", "bucket policy"] {
        assert!(stdout.contains(&format!("done    {setting}")), "{setting}: {stdout}");
    }
    let (code, stdout, _) = run(&environment, &["storage", "setup", "--yes"]).await;
    assert!(code == 0 && stdout.contains("Nothing was changed") && !stdout.contains("done"), "{stdout}");
    let archive = ["storage", "setup", "--yes", "--archive-after", "12"];
    let (_, stdout, _) = run(&environment, &archive).await;
    assert_eq!(stdout.matches("done").count(), 1, "{stdout}");
    assert!(stdout.contains("GLACIER_IR"));
    let (_, stdout, _) = run(&environment, &archive).await;
    assert!(stdout.contains("Nothing was changed"), "{stdout}");
    let (code, stdout, _) = run(&environment, &["storage", "check"]).await;
    assert_eq!(code, 0, "{stdout}");
    for (setting, found) in [
        ("versioning", "Enabled"),
        ("encryption", "AES256"),
        ("public access", "4 of four"),
        ("bucket policy", "300 s"),
    ] {
        let line = line(&stdout, setting);
        assert!(line.starts_with("ok") && line.contains(found), "{line}");
    }
    // Links that would outlive the bucket's limit are found and corrected.
    let longer = with_variables(environment.clone(), &[("DOWNLOAD_URL_TTL_SECONDS", "3600")]);
    let (code, stdout, _) = run(&longer, &["storage", "check"]).await;
    assert!(code == 1 && line(&stdout, "bucket policy").contains("after 300 s"), "{stdout}");
    let (_, stdout, _) = run(&longer, &["storage", "setup", "--yes"]).await;
    assert_eq!(stdout.matches("done").count(), 1, "{stdout}");
    // The settings as the server reports them.
    let http = http_client();
    let ask = async |what: &str| {
        let url = format!("http://{}/{BUCKET}?{what}", server.address);
        http.get(url).send().await.unwrap().text().await.unwrap()
    };
    let policy: Value = serde_json::from_str(&ask("policy").await).unwrap();
    let policy = policy.to_string();
    assert!(
        policy.contains("\"aws:SecureTransport\":\"false\"") && policy.contains("\"s3:signatureAge\":\"3600000\""),
        "{policy}"
    );
    assert!(ask("publicAccessBlock").await.matches(">true<").count() == 4);
    assert!(ask("versioning").await.contains("<Status>Enabled</Status>"));
    assert!(ask("encryption").await.contains("AES256"));
    assert!(ask("ownershipControls").await.contains("BucketOwnerEnforced"));
}

/// A link to an archived object would fail. The portal requests its restoration instead, once, and records that. The
/// test server knows storage classes but can't restore, so the proxy does.
#[tokio::test(flavor = "multi_thread")]
async fn an_archived_document_is_restored_instead_of_linked() {
    let Some(server) = Ministack::start().await else { return };
    let proxy = Proxy::before(server.address).await;
    let through =
        with_variables(server.environment(), &[("AWS_ENDPOINT_URL_S3", &format!("http://{}", proxy.address))]);
    assert_eq!(run(&through, &["storage", "setup", "--yes"]).await.0, 0);
    let app = App::on(through).await;
    let acme = app.acme().await;
    let url = format!("http://{}/{BUCKET}/bols/2025/PRT-2025-0001.v2.pdf", server.address);
    let http = http_client();
    let bytes = http.get(&url).send().await.unwrap().bytes().await.unwrap();
    let put = http.put(&url).header("x-amz-storage-class", "GLACIER").body(bytes).send().await.unwrap();
    assert!(put.status().is_success());
    let path = format!("/bols/{}/download", World::ACME_BOL);
    for _ in 0..2 {
        let answer = acme.get(&path).await;
        assert_eq!((answer.status, answer.one("h1")), (503, "This document is being restored".into()));
        assert_eq!((answer.header("location"), answer.header("retry-after")), ("", "14400"));
    }
    let id = app.bol(World::ACME_BOL).await.id;
    let api = acme.get(&format!("/api/bol/{id}/download/")).await;
    assert_eq!((api.status, api.header("content-type")), (503, "application/problem+json"));
    let events = app.events().await;
    let requested = events.single(Action::DocumentRestoreRequested);
    assert_eq!((requested.bol(), requested.key()), (World::ACME_BOL, "bols/2025/PRT-2025-0001.v2.pdf"));
    assert!(events.any_of(&[Action::DocumentRestored, Action::BolDownloaded]).is_empty(), "{events:?}");
    let other = acme.get(&format!("/documents/{}/download", app.world.acme_documents[0])).await;
    assert_eq!(other.status, 303, "the others are as ever");
    proxy.restore.store(2, Ordering::SeqCst);
    assert_eq!(acme.get(&path).await.status, 303);
    // A failed request for restoration is recorded too.
    proxy.restore.store(0, Ordering::SeqCst);
    // The next requests are not those of a checkpoint: the server publishes one a minute.
    app.published().await;
    proxy.next(&[Fault::None, Fault::Says(403, "AccessDenied", "Access Denied")]);
    let answer = acme.get(&path).await;
    assert_eq!((answer.status, answer.header("location")), (503, ""));
    let failed = app.events().await.with(Outcome::Failed);
    assert_eq!(failed.len(), 1);
    let requested = failed.single(Action::DocumentRestoreRequested);
    assert!(requested.detail("reason").contains("AccessDenied"), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_lives_no_longer_than_its_credentials() {
    let soon = (primetrade::clock::Clock::system().now() + TimeDelta::seconds(90)).to_rfc3339();
    let app = App::on_s3(&[("AWS_CREDENTIAL_EXPIRATION", &soon)]).await;
    let id = app.bol(World::ACME_BOL).await.id;
    let answer = app.acme().await.get(&format!("/api/bol/{id}/download/")).await.json();
    let life = answer["expiresIn"].as_u64().unwrap();
    assert!((1..=90).contains(&life), "{answer}");
    assert!(answer["downloadUrl"].as_str().unwrap().contains(&format!("X-Amz-Expires={life}&")));
    let past = (primetrade::clock::Clock::system().now() + TimeDelta::seconds(4)).to_rfc3339();
    let app = App::on_s3(&[("AWS_CREDENTIAL_EXPIRATION", &past)]).await;
    let acme = app.acme().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let answer = acme.get(&format!("/bols/{}/download", World::ACME_BOL)).await;
    assert_eq!((answer.status, answer.header("location")), (503, ""));
}

/// With slow, busy and broken connections an upload is stored completely and once, or reported.
#[tokio::test(flavor = "multi_thread")]
async fn an_unreliable_connection_to_the_bucket_loses_nothing() {
    let s3 = S3Server::start().await;
    let proxy = Proxy::before(s3.address).await;
    let through = with_variables(s3.environment(), &[("AWS_ENDPOINT_URL_S3", &format!("http://{}", proxy.address))]);
    let app = App::on(through).await;
    let (office, acme) = (app.office().await, app.acme().await);
    let slow_down = Fault::Says(503, "SlowDown", "Please reduce your request rate.");
    for (name, faults) in [
        ("busy", &[slow_down, slow_down][..]),
        ("lost", &[Fault::Lost]),
        ("answer lost", &[Fault::AnswerLost]),
        ("late", &[Fault::Late(Duration::from_millis(1500))]),
        ("broken", &[Fault::Says(500, "InternalError", "We encountered an internal error."), Fault::Truncated]),
    ] {
        proxy.next(faults);
        let file = paper(name);
        let answer = office.upload(&[("kind", "other")], "PRT-2025-0005.pdf", &file).await;
        assert_eq!(answer.outcomes(), ["stored PRT-2025-0005"], "{name}: {}", answer.text());
        let id = answer.document_id(0);
        proxy.next(faults);
        let link = acme.get(&format!("/documents/{id}/download")).await;
        // After two attempts of the HEAD there is a link or a clear message.
        assert!([303, 503].contains(&link.status), "{name}: {}", link.status);
        proxy.next(&[Fault::None; 0]);
        assert_eq!(acme.download(&format!("/documents/{id}/download")).await, file, "{name}");
    }
    let stored = app.documents_of_kind("other").await;
    assert_eq!(stored.len(), 5);
    assert!(
        stored.iter().all(|document| !document.object_key.contains("again")),
        "the lost answer left no second object: {stored:?}"
    );
    // A permanent failure is reported, keeps nothing, and the same file succeeds later.
    proxy.always(Some(slow_down));
    let answer = office.upload(&[("kind", "other")], "PRT-2025-0005.pdf", &paper("never")).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(acme.get(&format!("/bols/{}/download", World::ACME_BOL)).await.status, 503);
    proxy.always(None);
    let answer = office.upload(&[("kind", "other")], "PRT-2025-0005.pdf", &paper("never")).await;
    assert_eq!(answer.outcomes(), ["stored PRT-2025-0005"], "{}", answer.text());
    assert!(proxy.requests.load(Ordering::SeqCst) > 20);
    let (code, stdout, _) = app.reconcile(&["--read"]).await;
    assert_eq!(code, 0, "{stdout}");
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_name_the_bucket_and_no_more_than_is_needed() {
    let environment = vec![("AWS_STORAGE_BUCKET_NAME", "some-bucket".to_owned())];
    let (code, stdout, _) = run(&environment, &["storage", "policy"]).await;
    let policy: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, policy["Version"].as_str()), (0, Some("2012-10-17")));
    assert!(stdout.contains("arn:aws:s3:::some-bucket/bols/*") && !stdout.contains("s3:*"));
    assert!(run(&environment, &["storage", "policy", "--setup"]).await.1.contains("s3:PutBucketPolicy"));
    let (code, _, stderr) = run(&vec![], &["storage", "policy"]).await;
    assert!(code == 2 && stderr.contains("AWS_STORAGE_BUCKET_NAME"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_storage_page_computes_cost_from_the_prices() {
    let app = App::start().await;
    app.sql("UPDATE documents SET created_at = now() - interval '40 days' WHERE kind = 'bol'").await;
    let acme = app.acme().await;
    for _ in 0..3 {
        acme.get(&format!("/bols/{}/download", World::ACME_BOL)).await;
    }
    let admin = app.user(World::ADMIN).await;
    let page = admin.get("/office/storage").await;
    assert_eq!((page.status, page.all(".glance .figure").remove(0)), (200, "7".into()));
    let cells = page.all("[aria-labelledby=months] tbody td");
    let months = cells.len() / 8;
    assert!((2..=3).contains(&months), "{cells:?}");
    let uploads: Vec<&str> = cells.iter().skip(1).step_by(8).map(String::as_str).collect();
    assert!(uploads[0].starts_with("Uploads 2") && uploads[months - 1].starts_with("Uploads 5"), "{uploads:?}");
    assert!(cells[2].starts_with("Links issued 3"), "{cells:?}");
    assert_eq!(page.all("svg.chart rect").len(), months);
    assert_eq!(page.attributes("#put_thousand", "value"), ["0.005"]);
    // A past day is counted once, from the first day of the first month to the day before yesterday.
    let days = "SELECT min(day) = date_trunc('month', now() AT TIME ZONE 'UTC' - interval '40 days'), max(day) = (now() AT TIME ZONE 'UTC')::date - 2, \
                count(*) = max(day) - min(day) + 1, sum(uploads) FROM storage_days";
    assert_eq!(app.rows(days).await, ["true|true|true|5"]);
    app.sql("UPDATE storage_days SET uploads = uploads + 1 WHERE day = (SELECT min(day) FROM storage_days)").await;
    let again = admin.get("/office/storage").await;
    assert_eq!((again.status, again.all(".glance .figure").remove(0)), (200, "8".into()), "kept, not counted again");
    app.sql("UPDATE storage_days SET uploads = uploads - 1 WHERE day = (SELECT min(day) FROM storage_days)").await;
    let form = [("storage_gb_month", "1000"), ("put_thousand", "1000"), ("get_thousand", "0"), ("egress_gb", "0")];
    assert_eq!(admin.post("/office/storage/prices", &form).await.header("location"), "/office/storage?done=prices");
    let page = admin.get("/office/storage").await;
    // Two uploads at one dollar each, and some bytes.
    assert!(page.all(".glance .figure")[1].starts_with("$2.0"), "{:?}", page.all(".glance .figure"));
    assert!(
        app.events()
            .await
            .only(Action::SettingsChanged)
            .iter()
            .any(|event| event.after("put_thousand") == "1000000000")
    );
    let wrong = [("storage_gb_month", "cheap"), ("put_thousand", "1"), ("get_thousand", "-1"), ("egress_gb", "0.09")];
    let answer = admin.post("/office/storage/prices", &wrong).await;
    assert_eq!((answer.status, answer.attributes("#storage_gb_month", "value")), (422, vec!["cheap".to_owned()]));
    assert_eq!(answer.all(".error").len(), 2);
    for email in [World::ACME, World::OFFICE, World::AUDITOR] {
        let other = app.user(email).await;
        assert_eq!(other.get("/office/storage").await.status, 403, "{email}");
        assert_eq!(other.post("/office/storage/prices", &form).await.status, 403, "{email}");
    }
}
