//! Uploads: every file gets an outcome, and hostile files do no harm.

use std::collections::BTreeMap;

use reqwest::Method;
use reqwest::multipart::{Form, Part};

use crate::office::new_bol::download;
use crate::support::scan::paper;
use crate::support::{Action, Actor, Answer, App, Outcome, PASSWORD, World, raw};

/// Uploads files as the page does, with the fields first, and returns the JSON answer.
pub async fn send(actor: &Actor, fields: &[(&str, &str)], files: &[(&str, Vec<u8>)]) -> Answer {
    let mut form = Form::new();
    for (name, value) in fields {
        form = form.text((*name).to_owned(), (*value).to_owned());
    }
    for (name, bytes) in files {
        form = form.part("files", Part::bytes(bytes.clone()).file_name((*name).to_owned()));
    }
    let request = actor.request(Method::POST, "/office/upload").header("accept", "application/json");
    Answer::of(request.multipart(form)).await
}

/// The outcomes in the order of the files, such as `stored PRT-2025-0001`.
pub fn outcomes(answer: &Answer) -> Vec<String> {
    let list = answer.json();
    let list = list.as_array().unwrap_or_else(|| panic!("{}", answer.text()));
    list.iter()
        .map(|receipt| {
            let number = receipt["bolNumber"].as_str().unwrap_or_default();
            format!("{} {number}", receipt["outcome"].as_str().unwrap()).trim_end().to_owned()
        })
        .collect()
}

pub fn reason(answer: &Answer, index: usize) -> String {
    answer.json()[index]["reason"].as_str().unwrap().to_owned()
}

pub async fn one(actor: &Actor, fields: &[(&str, &str)], name: &str, bytes: &[u8]) -> Answer {
    send(actor, fields, &[(name, bytes.to_vec())]).await
}

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
    ("html-in-disguise.pdf", "rejected", "isn't a PDF"),
    ("opens-with-javascript.pdf", "rejected", "script"),
    ("scan0001.pdf", "stored PRT-2025-0004", "signed"),
    ("text-names-another-number.pdf", "stored PRT-2025-0003", "other"),
    ("truncated.pdf", "rejected", "end of the file is missing"),
];

async fn send_samples(office: &Actor) -> Answer {
    let files: Vec<(&str, Vec<u8>)> = SAMPLES.iter().map(|(name, ..)| (*name, sample(name))).collect();
    let answer = send(office, &[("kind", "")], &files).await;
    assert_eq!(answer.status, 200);
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sample_is_stored_rejected_or_kept_for_review() {
    let app = App::start().await;
    let answer = send_samples(&app.office().await).await;
    assert_eq!(outcomes(&answer), SAMPLES.map(|(_, outcome, _)| outcome), "{}", answer.text());
    for (index, (name, _, word)) in SAMPLES.iter().enumerate() {
        assert!(reason(&answer, index).contains(word), "{name}: {}", reason(&answer, index));
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
    let id = answer.json()[1]["documentId"].as_i64().unwrap();
    assert_eq!(
        download(&app.acme().await, &format!("/documents/{id}/download")).await,
        sample("PRT-2025-0005_signed.pdf")
    );
    assert_eq!(app.rival().await.get(&format!("/documents/{id}/download")).await.status, 404);
    let waiting = answer.json()[0]["documentId"].as_i64().unwrap();
    assert_eq!(app.acme().await.get(&format!("/documents/{waiting}/download")).await.status, 404);
    assert_eq!(download(&office, &format!("/documents/{waiting}/download")).await, sample("PRT-2025-0002.pdf"));
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
    assert_eq!(outcomes(&again), expected);
    assert_eq!(app.documents().await.len(), before);

    let events = app.events().await.filter(|event| event.action.starts_with("DOCUMENT"));
    let rejected = events.only(Action::DocumentRejected).with(Outcome::Failed);
    let uploaded = events.only(Action::DocumentUploaded).with(Outcome::Success);
    assert_eq!((rejected.len(), uploaded.len(), events.len()), (10, 4, 14));
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
    for expected in ["PRT-2025-0005", "a.pdf", "<b>.pdf", "c.pdf", "isn't a PDF", "No BOL number"] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    // Another clerk doesn't see the outcomes. An empty form is a mistake.
    let other = app.user(World::ADMIN).await.get(&format!("/office/upload?batch={batch}")).await;
    assert!(!other.text().contains("c.pdf"));
    let empty = Form::new().text("kind", "").part("files", Part::bytes(Vec::new()).file_name(""));
    let answer = Answer::of(office.request(Method::POST, "/office/upload").multipart(empty)).await;
    assert_eq!(answer.status, 422);
    assert!(answer.text().contains("Choose at least one file"));
    let nothing = send(&office, &[("kind", "")], &[]).await;
    assert_eq!((nothing.status, nothing.header("content-type")), (422, "application/problem+json"));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_office_may_upload() {
    let app = App::start().await;
    let file = paper("PRT-2025-0005");
    for (actor, status) in [(app.acme().await, 403), (app.auditor().await, 403), (app.stranger(), 401)] {
        assert_eq!(one(&actor, &[], "PRT-2025-0005.pdf", &file).await.status, status);
    }
    assert_eq!(app.uploads().await.len(), 0);
    assert_eq!(app.stranger().get("/office/upload").await.status, 303);
    assert_eq!(one(&app.user(World::ADMIN).await, &[], "PRT-2025-0005.pdf", &file).await.status, 200);
}

/// A file name is only a label. It leads to no other path, and breaks no header and no page.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_file_names_are_only_labels() {
    let app = App::start().await;
    let office = app.office().await;
    let long = format!("{}.pdf", "n".repeat(10_000));
    let names = BTreeMap::from([
        ("../../../etc/x.pdf", "x.pdf"),
        ("..\\..\\boot.pdf", "boot.pdf"),
        ("say \"yes\".pdf", "say \"yes\".pdf"),
        ("a%0D%0ASet-Cookie: x=1.pdf", "a Set-Cookie: x=1.pdf"),
        ("invoice\u{202e}fdp.exe", "invoicefdp.exe"),
        ("<script>alert(1)<!script>.pdf", "<script>alert(1)<!script>.pdf"),
        ("Überweisung 日本.pdf", "Überweisung 日本.pdf"),
        (&*long, "nnnnnnnn"),
        ("'; DROP TABLE bols; --.pdf", "'; DROP TABLE bols; --.pdf"),
    ]);
    for (index, (sent, shown)) in names.iter().enumerate() {
        let answer =
            one(&office, &[("kind", "other"), ("batch", "names")], sent, &paper(&format!("paper {index}"))).await;
        assert_eq!(outcomes(&answer), ["needs_review"], "{sent}: {}", answer.text());
        let name = answer.json()[0]["fileName"].as_str().unwrap().to_owned();
        assert!(name.starts_with(shown) && name.chars().count() <= 180, "{name}");
        let id = answer.json()[0]["documentId"].as_i64().unwrap();
        let link = office.get(&format!("/documents/{id}/download")).await;
        let file = office.get(link.header("location")).await;
        assert_eq!(file.status, 200, "{name}");
        assert!(file.header("content-disposition").contains(".pdf\""), "{name}");
        assert!(file.headers.get("set-cookie").is_none());
    }
    for page in ["/office/inbox", "/office/upload?batch=names"] {
        let page = office.get(page).await;
        assert!(!page.text().contains("<script>alert") && page.text().contains("&#60;script&#62;"));
    }
    let keys = app
        .rows("SELECT DISTINCT object_key ~ '^inbox/[0-9]{4}/[0-9a-f]{64}[.]pdf$' FROM documents WHERE bol_id IS NULL")
        .await;
    assert_eq!(keys, ["true"]);
    // NUL and raw line ends make the header invalid.
    for name in ["a\0.pdf", "a\r\nX: y.pdf"] {
        let body = format!(
            "--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{name}\"\r\n\r\n%PDF-\r\n--b--\r\n"
        );
        let request = office
            .request(Method::POST, "/office/upload")
            .header("content-type", "multipart/form-data; boundary=b")
            .header("accept", "application/json")
            .body(body);
        let answer = Answer::of(request).await;
        assert!(answer.status == 400 || outcomes(&answer) == ["rejected"], "{}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_over_the_limit_is_rejected_and_the_others_are_stored() {
    let app = App::start_with(&[("MAX_UPLOAD_MB", "1")]).await;
    let office = app.office().await;
    // 413 for a single file; in a batch the other files still arrive.
    let large = [b"%PDF-1.7\n".to_vec(), vec![b' '; 1_100_000]].concat();
    let answer = one(&office, &[("kind", "other")], "large.pdf", &large).await;
    assert_eq!((answer.status, outcomes(&answer)), (413, vec!["rejected".to_owned()]));
    assert!(reason(&answer, 0).contains("larger than 1 MB"));
    let fine = paper("PRT-2025-0005 fine");
    let answer = send(&office, &[("kind", "other")], &[("large.pdf", large.clone()), ("fine.pdf", fine)]).await;
    assert_eq!((answer.status, outcomes(&answer)), (200, vec!["rejected".into(), "stored PRT-2025-0005".into()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_bodies_get_a_400_413_415_or_422() {
    let app = App::start_with(&[("MAX_UPLOAD_MB", "1")]).await;
    let office = app.office().await;
    let post = |kind: &'static str, body: Vec<u8>| {
        let request = office.request(Method::POST, "/office/upload").header("accept", "application/json");
        Answer::of(request.header("content-type", kind).body(body))
    };
    for (kind, body) in [
        ("text/plain", b"hello".to_vec()),
        ("multipart/form-data", b"--b--".to_vec()),
        ("multipart/form-data; boundary=b", b"no boundary".to_vec()),
        (
            "multipart/form-data; boundary=b",
            b"--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"x.pdf\"\r\n\r\n%PDF-".to_vec(),
        ),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\n%PDF-\r\n--b--\r\n".to_vec()),
    ] {
        let shown = String::from_utf8_lossy(&body).into_owned();
        let answer = post(kind, body).await;
        assert_eq!((answer.status, answer.header("content-type")), (400, "application/problem+json"), "{shown}");
    }
    // Too many parts, and a compressed body.
    let part = b"--b\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\nx\r\n".repeat(5_001);
    assert_eq!(post("multipart/form-data; boundary=b", [part, b"--b--\r\n".to_vec()].concat()).await.status, 413);
    let request = office.request(Method::POST, "/office/upload").header("content-encoding", "gzip");
    assert_eq!(Answer::of(request.body(vec![0x1f, 0x8b, 8, 0])).await.status, 415);
    assert_eq!(
        post(
            "multipart/form-data; boundary=b",
            b"--b\r\nContent-Disposition: form-data; name=\"kind\"\r\n\r\nphoto\r\n--b--\r\n".to_vec()
        )
        .await
        .status,
        422
    );
    assert!(
        raw(
            &app,
            b"POST /office/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        .await
        .contains("400")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_only_claim_to_be_a_pdf_are_rejected_and_the_server_lives() {
    let app = App::start_with(&[("MAX_UPLOAD_MB", "1")]).await;
    let office = app.office().await;
    let bomb = deflate_bomb();
    for (name, bytes) in [
        ("page.pdf", b"<!doctype html><script>alert(1)</script>".to_vec()),
        ("picture.pdf", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>".to_vec()),
        ("both.pdf", [b"GIF89a ".to_vec(), paper("PRT-2025-0005")].concat()),
        ("behind.pdf", [paper("PRT-2025-0005"), vec![b'P'; 2_000]].concat()),
        ("header.pdf", b"%PDF-1.7\n%%EOF startxref".to_vec()),
        ("loop.pdf", b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[2 0 R]/Count 1>>endobj\ntrailer<</Root 1 0 R>>\nstartxref\n0\n%%EOF".to_vec()),
        ("deep.pdf", format!("%PDF-1.7\n1 0 obj{}endobj\ntrailer<</Root 1 0 R>>\nstartxref\n0\n%%EOF", "[".repeat(200_000)).into_bytes()),
    ] {
        let answer = one(&office, &[("kind", "other")], name, &bytes).await;
        assert_eq!(outcomes(&answer), ["rejected"], "{name}: {}", answer.text());
    }
    let answer = one(&office, &[("kind", "other")], "bomb.pdf", &bomb).await;
    assert!(["rejected", "needs_review"].contains(&&*outcomes(&answer)[0]), "{}", answer.text());
    assert_eq!(office.get("/healthz").await.status, 200);
}

/// A page of a few kilobytes that expands to twenty megabytes of operators.
fn deflate_bomb() -> Vec<u8> {
    use std::io::Write;
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    let piece = b"0 0 m 9 9 l S ".repeat(75_000);
    for _ in 0..20 {
        packed.write_all(&piece).unwrap();
    }
    let packed = packed.finish().unwrap();
    assert!(packed.len() < 100_000, "{}", packed.len());
    let head = format!(
        "%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n\
         3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R>>endobj\n\
         4 0 obj<</Length {}/Filter/FlateDecode>>stream\n",
        packed.len()
    );
    [head.as_bytes(), &packed, b"\nendstream endobj\ntrailer<</Root 1 0 R>>\nstartxref\n0\n%%EOF\n"].concat()
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
    assert_eq!(outcomes(&answer), ["stored PRT-2025-0005"; 2]);
    let kinds = app.rows("SELECT DISTINCT kind FROM documents WHERE arrived_as <> ''").await;
    assert_eq!(kinds, ["packing-list"]);
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
    assert_eq!((answer.status, outcomes(&answer)), (400, vec!["stored PRT-2025-0005".into(), "rejected".into()]));
    assert!(reason(&answer, 1).contains("was interrupted"));
    // A customer that arrives too late is reported.
    let late = b"--b\r\nContent-Disposition: form-data; name=\"customer\"\r\n\r\nRIVAL\r\n--b--\r\n".to_vec();
    let kind = b"--b\r\nContent-Disposition: form-data; name=\"kind\"\r\n\r\nother\r\n".to_vec();
    let answer = post([kind, part(b"PRT-2025-0005.pdf", &paper("another")), late].concat()).await;
    assert_eq!((answer.status, outcomes(&answer)), (422, vec!["stored PRT-2025-0005".into(), "rejected".into()]));
    // An oversized list is rejected like any other file.
    let answer = send(
        &office,
        &[("kind", "other")],
        &[("list.csv", vec![b'x'; 5_000_000]), ("PRT-2025-0005.pdf", paper("third"))],
    )
    .await;
    assert_eq!(outcomes(&answer), ["rejected", "stored PRT-2025-0005"]);
}

/// One PDF reader ignores a script that another one runs.
#[tokio::test(flavor = "multi_thread")]
async fn scripts_anywhere_in_a_pdf_are_found() {
    let app = App::start().await;
    let office = app.office().await;
    // Maps every byte to a character, and back.
    let honest: String = paper("PRT-2025-0005").into_iter().map(char::from).collect();
    let bytes_of = |text: String| text.chars().map(|c| c as u8).collect::<Vec<u8>>();
    assert!(honest.contains("/Type /Catalog"));
    for hidden in [
        "/Type /Catalog /OpenAction << /S /JavaScript /JS (app.alert(1)) >>",
        "/Type /Catalog /OpenAction << /X foo /S/Java#53cript/J#53(app.alert(1)) >>",
        "/Type /Catalog /OpenAction << /S /URI /URI (https://evil.example) >>",
        "/Type /Catalog /OpenAction << /S /GoTo /Next [<< /S /Launch /F (cmd.exe) >>] >>",
        "/Type /Catalog /AA << /WC << /S /SubmitForm >> >>",
        "/Type /Catalog /AcroForm << /XFA (x) >>",
        "/Type /Catalog /Names << /JavaScript << /Names [] >> >>",
    ] {
        let bytes = bytes_of(honest.replacen("/Type /Catalog", hidden, 1));
        let answer = one(&office, &[("kind", "other")], "PRT-2025-0005.pdf", &bytes).await;
        assert_eq!(outcomes(&answer), ["rejected"], "{hidden}");
        assert!(reason(&answer, 0).contains("script"), "{hidden}: {}", reason(&answer, 0));
    }
    let place = honest.replacen("/Type /Catalog", "/Type /Catalog /OpenAction [3 0 R /Fit]", 1);
    let place = bytes_of(place);
    assert_eq!(
        outcomes(&one(&office, &[("kind", "other")], "PRT-2025-0005.pdf", &place).await),
        ["stored PRT-2025-0005"]
    );
}

/// The server ends an upload of one byte a second. Other requests continue.
#[tokio::test(flavor = "multi_thread")]
async fn slow_uploads_are_ended() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let app = App::start().await;
    let answer = app.stranger().post("/login", &[("email", World::OFFICE), ("password", PASSWORD)]).await;
    let cookies = answer.headers.get_all("set-cookie").iter();
    let cookies: Vec<&str> = cookies.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap()).collect();
    let mut socket = tokio::net::TcpStream::connect(app.url.strip_prefix("http://").unwrap()).await.unwrap();
    let head = format!(
        "POST /office/upload HTTP/1.1\r\nHost: x\r\nCookie: {}\r\nContent-Type: multipart/form-data; boundary=b\r\n\
         Content-Length: 100000\r\n\r\n--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"x.pdf\"\r\n\r\n%PDF-",
        cookies.join("; ")
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let started = std::time::Instant::now();
    let (mut answers, mut sends) = socket.into_split();
    let dripping = tokio::spawn(async move {
        while sends.write_all(b"x").await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    });
    let mut answer = vec![0; 1024];
    let read = tokio::time::timeout(std::time::Duration::from_secs(60), answers.read(&mut answer)).await;
    let read = read.expect("it is ended").unwrap();
    dripping.abort();
    assert!(answer[..read].starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer[..read]));
    assert!(started.elapsed().as_secs() >= 25, "not before its time");
    assert_eq!(app.uploads().await.len(), 0);
}
