//! Uploads: every file gets an outcome, and is stored once.

use std::time::Duration;

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use tokio::time::Instant;

use crate::support::scan::paper;
use crate::support::{Action, Actor, Answer, App, Fault, Outcome, Proxy, S3Server, World, with_variables};

fn sample(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/samples/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Each sample file, its outcome and a word of the reason.
const SAMPLES: [(&str, &str, &str); 9] = [
    // PRT-2025-0002 is void in this world.
    ("PRT-2025-0002.pdf", "needs_review", "void"),
    ("PRT-2025-0005_signed.pdf", "stored PRT-2025-0005", "signed"),
    ("empty.pdf", "rejected", "empty"),
    ("encrypted.pdf", "rejected", "password"),
    ("html-in-disguise.pdf", "rejected", "is not a PDF"),
    ("opens-with-javascript.pdf", "needs_review", "contains scripts"),
    ("scan0001.pdf", "stored PRT-2025-0004", "signed"),
    ("text-names-another-number.pdf", "stored PRT-2025-0003", "other"),
    ("truncated.pdf", "rejected", "end of the file is missing"),
];

async fn send_samples(office: &Actor) -> Answer {
    let files: Vec<(&str, Vec<u8>)> = SAMPLES.iter().map(|(name, ..)| (*name, sample(name))).collect();
    let answer = office.upload_all(&[("kind", "")], &files).await;
    assert_eq!(answer.status, 200);
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sample_is_stored_rejected_or_kept_for_review() {
    let app = App::start().await;
    let answer = send_samples(&app.office().await).await;
    assert_eq!(answer.outcomes(), SAMPLES.map(|(_, outcome, _)| outcome), "{}", answer.text());
    for (index, (name, _, word)) in SAMPLES.iter().enumerate() {
        assert!(answer.reason(index).contains(word), "{name}: {}", answer.reason(index));
        assert_eq!(answer.json()[index]["fileName"], *name);
    }
    let (uploads, bols) = (app.uploads().await, app.bols().await);
    let stored = uploads.iter().filter_map(|document| {
        let bol = bols.iter().find(|bol| Some(bol.id) == document.bol_id)?;
        assert_eq!((document.version, document.stored_by.as_str(), document.state.as_str()), (1, "Somebody", "stored"));
        Some((bol.number.as_str(), document.kind.as_str(), document.object_key.as_str(), document.arrived_as.as_str()))
    });
    let signed = "bols/2025/PRT-2025-0005.signed-bol.v1.pdf";
    let scanned = "bols/2025/PRT-2025-0004.signed-bol.v1.pdf";
    let other = "bols/2025/PRT-2025-0003.other.v1.pdf";
    assert_eq!(
        stored.collect::<Vec<_>>(),
        [
            (World::ACME_BARE, "signed-bol", signed, "PRT-2025-0005_signed.pdf"),
            (World::LOOSE_BOL, "signed-bol", scanned, "scan0001.pdf"),
            (World::RIVAL_BOL, "other", other, "text-names-another-number.pdf"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_for_the_customer_of_its_bol_and_for_the_office_while_it_waits() {
    let app = App::start().await;
    let office = app.office().await;
    let answer = send_samples(&office).await;
    let id = answer.document_id(1);
    assert_eq!(
        app.acme().await.download(&format!("/documents/{id}/download")).await,
        sample("PRT-2025-0005_signed.pdf")
    );
    assert_eq!(app.rival().await.get(&format!("/documents/{id}/download")).await.status, 404);
    let waiting = answer.document_id(0);
    assert_eq!(app.acme().await.get(&format!("/documents/{waiting}/download")).await.status, 404);
    assert_eq!(office.download(&format!("/documents/{waiting}/download")).await, sample("PRT-2025-0002.pdf"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_files_again_are_duplicates_and_every_file_is_recorded() {
    let app = App::start().await;
    let office = app.office().await;
    send_samples(&office).await;
    let before = app.documents().await.len();
    let again = send_samples(&office).await;
    let expected = SAMPLES.map(|(_, outcome, _)| match outcome.split_once(' ') {
        Some((_, number)) => format!("duplicate {number}"),
        None if outcome == "needs_review" => "duplicate".into(),
        None => outcome.to_owned(),
    });
    assert_eq!(again.outcomes(), expected);
    assert_eq!(app.documents().await.len(), before);

    let events = app.events().await.filter(|event| event.action.starts_with("DOCUMENT"));
    let rejected = events.only(Action::DocumentRejected).with(Outcome::Failed);
    let uploaded = events.only(Action::DocumentUploaded).with(Outcome::Success);
    assert_eq!((rejected.len(), uploaded.len(), events.len()), (8, 5, 13));
    let signed = uploaded.filter(|event| event.bol() == World::ACME_BARE);
    assert_eq!(
        signed.list(|event| (event.customer(), event.kind(), event.file(), event.detail("file"))),
        [("ACME", "signed-bol", "PRT-2025-0005.signed-bol.v1.pdf", "PRT-2025-0005_signed.pdf".to_owned())]
    );
    assert!(!signed[0].sha256.as_ref().unwrap().is_empty());
    let found = serde_json::json!({"text": ["PRT-2025-0005"], "file name": ["PRT-2025-0005"]});
    assert_eq!(signed[0].detail["found"], found);
}

/// A browser without JavaScript gets a redirect to the page with the outcomes, which a reload shows again.
#[tokio::test(flavor = "multi_thread")]
async fn the_form_works_without_script() {
    let app = App::start().await;
    let office = app.office().await;
    let page = office.get("/office/upload").await;
    let batch = page.attributes("input[name=batch]", "value").concat();
    assert!(!batch.is_empty());
    let form = Form::new()
        .text("batch", batch.clone())
        .text("kind", "scale-ticket")
        .text("customer", "")
        .part("mapping", Part::bytes(Vec::new()).file_name(""))
        .part("files", Part::bytes(paper("PRT-2025-0005 ticket")).file_name("a.pdf"))
        .part("files", Part::bytes(paper("nothing")).file_name("<b>.pdf"))
        .part("files", Part::bytes(b"GIF89a".to_vec()).file_name("c.pdf"));
    let answer = Answer::of(office.request(Method::POST, "/office/upload").multipart(form)).await;
    assert_eq!((answer.status, answer.header("location")), (303, &*format!("/office/upload?batch={batch}")));
    let shown = office.get(answer.header("location")).await;
    let text = shown.all("main").concat();
    for expected in ["PRT-2025-0005", "a.pdf", "<b>.pdf", "c.pdf", "is not a PDF", "No BOL number"] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    // Another clerk doesn't see the outcomes. An empty form is a mistake.
    let other = app.user(World::ADMIN).await.get(&format!("/office/upload?batch={batch}")).await;
    assert!(!other.text().contains("c.pdf"));
    let empty = Form::new().text("kind", "").part("files", Part::bytes(Vec::new()).file_name(""));
    let answer = Answer::of(office.request(Method::POST, "/office/upload").multipart(empty)).await;
    assert_eq!(answer.status, 422);
    assert!(answer.text().contains("Choose at least one file"));
    let nothing = office.upload_all(&[("kind", "")], &[]).await;
    assert_eq!((nothing.status, nothing.header("content-type")), (422, "application/problem+json"));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_office_may_upload() {
    let app = App::start().await;
    let file = paper("PRT-2025-0005");
    for (actor, status) in [(app.acme().await, 403), (app.auditor().await, 403), (app.stranger(), 401)] {
        assert_eq!(actor.upload(&[], "PRT-2025-0005.pdf", &file).await.status, status);
    }
    assert_eq!(app.uploads().await.len(), 0);
    assert_eq!(app.stranger().get("/office/upload").await.status, 303);
    assert_eq!(app.user(World::ADMIN).await.upload(&[], "PRT-2025-0005.pdf", &file).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_over_the_limit_is_rejected_and_the_others_are_stored() {
    let app = App::start_with(&[("MAX_UPLOAD_MB", "1")]).await;
    let office = app.office().await;
    // 413 for a single file; in a batch the other files still arrive.
    let large = [b"%PDF-1.7\n".to_vec(), vec![b' '; 1_100_000]].concat();
    let answer = office.upload(&[("kind", "other")], "large.pdf", &large).await;
    assert_eq!((answer.status, answer.outcomes()), (413, vec!["rejected".to_owned()]));
    assert!(answer.reason(0).contains("larger than 1 MB"));
    let fine = paper("PRT-2025-0005 fine");
    let answer = office.upload_all(&[("kind", "other")], &[("large.pdf", large.clone()), ("fine.pdf", fine)]).await;
    assert_eq!((answer.status, answer.outcomes()), (200, vec!["rejected".into(), "stored PRT-2025-0005".into()]));
}

/// Fields may follow their files. The files wait for their kind.
#[tokio::test(flavor = "multi_thread")]
async fn fields_may_come_last() {
    let app = App::start().await;
    let office = app.office().await;
    let form = Form::new()
        .part("files", Part::bytes(paper("PRT-2025-0005 a")).file_name("a.pdf"))
        .part("files", Part::bytes(paper("PRT-2025-0005 b")).file_name("b.pdf"))
        .text("kind", "packing-list");
    let request = office.request(Method::POST, "/office/upload").header("accept", "application/json");
    let answer = Answer::of(request.multipart(form)).await;
    assert_eq!(answer.outcomes(), ["stored PRT-2025-0005"; 2]);
    let uploads = app.uploads().await;
    assert!(!uploads.is_empty() && uploads.iter().all(|document| document.kind == "packing-list"), "{uploads:?}");
}

/// Files that arrived completely have an outcome, and the answer says where the form ended.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_form_keeps_the_files_it_sent() {
    let app = App::start().await;
    let office = app.office().await;
    let part = |name: &[u8], bytes: &[u8]| {
        let head =
            [b"--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"", name, b"\"\r\n\r\n"].concat();
        [&head[..], bytes, b"\r\n"].concat()
    };
    let post = |body: Vec<u8>| {
        let request = office.request(Method::POST, "/office/upload").header("accept", "application/json");
        Answer::of(request.header("content-type", "multipart/form-data; boundary=b").body(body))
    };
    // Without a kind, the first file waits when an invalid name arrives.
    let body =
        [part(b"PRT-2025-0005.pdf", &paper("held")), part(b"caf\xe9.pdf", &paper("never read")), b"--b--\r\n".to_vec()];
    let answer = post(body.concat()).await;
    assert_eq!((answer.status, answer.outcomes()), (400, vec!["stored PRT-2025-0005".into(), "rejected".into()]));
    assert!(answer.reason(1).contains("was interrupted"));
    // A customer that arrives too late is reported.
    let late = b"--b\r\nContent-Disposition: form-data; name=\"customer\"\r\n\r\nRIVAL\r\n--b--\r\n".to_vec();
    let kind = b"--b\r\nContent-Disposition: form-data; name=\"kind\"\r\n\r\nother\r\n".to_vec();
    let answer = post([kind, part(b"PRT-2025-0005.pdf", &paper("another")), late].concat()).await;
    assert_eq!((answer.status, answer.outcomes()), (422, vec!["stored PRT-2025-0005".into(), "rejected".into()]));
    // An oversized list is rejected like any other file.
    let answer = office
        .upload_all(&[("kind", "other")], &[("list.csv", vec![b'x'; 5_000_000]), ("PRT-2025-0005.pdf", paper("third"))])
        .await;
    assert_eq!(answer.outcomes(), ["rejected", "stored PRT-2025-0005"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_hangs_costs_half_a_minute_once_and_loses_nothing() {
    let s3 = S3Server::start().await;
    let proxy = Proxy::before(s3.address).await;
    let through = with_variables(s3.environment(), &[("AWS_ENDPOINT_URL_S3", &format!("http://{}", proxy.address))]);
    let app = App::on(through).await;
    let office = app.office().await;
    let files: Vec<(String, Vec<u8>)> =
        (1..=4).map(|n| (format!("paper {n}.pdf"), paper(&format!("Paper {n} without a number")))).collect();
    let files: Vec<(&str, Vec<u8>)> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    proxy.always(Some(Fault::Late(Duration::from_secs(600))));
    let begun = Instant::now();
    let answer = office.upload_all(&[("kind", "")], &files).await;
    let took = begun.elapsed();
    println!("answered after {took:?}");
    assert!(took < Duration::from_secs(35), "{took:?}");
    assert_eq!((answer.status, answer.outcomes()), (503, vec!["rejected".to_owned(); 4]));
    for (index, (name, _)) in files.iter().enumerate() {
        assert_eq!(answer.json()[index]["fileName"], *name);
        let reason = answer.reason(index);
        assert!(reason.contains("not") && reason.contains("Upload it again"), "{reason}");
    }
    assert!(app.uploads().await.iter().all(|document| !document.is_stored()));
    proxy.always(None);
    let again = office.upload_all(&[("kind", "")], &files).await;
    assert_eq!((again.status, again.outcomes()), (200, vec!["needs_review".to_owned(); 4]), "{}", again.text());
}
