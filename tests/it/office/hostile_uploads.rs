//! Hostile and malformed uploads, which do no harm.

use std::collections::BTreeMap;

use reqwest::Method;

use crate::support::scan::paper;
use crate::support::{Answer, App, PASSWORD, World, raw};

/// Whether a key has a year and a SHA-256, and nothing of the file's name.
fn is_inbox_key(key: &str) -> bool {
    let rest = key.strip_prefix("inbox/").and_then(|rest| rest.strip_suffix(".pdf")).unwrap_or_default();
    let (year, sum) = rest.split_once('/').unwrap_or_default();
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit()) && sum.len() == 64 && sum.bytes().all(is_hex)
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
            office.upload(&[("kind", "other"), ("batch", "names")], sent, &paper(&format!("paper {index}"))).await;
        assert_eq!(answer.outcomes(), ["needs_review"], "{sent}: {}", answer.text());
        let name = answer.json()[0]["fileName"].as_str().unwrap().to_owned();
        assert!(name.starts_with(shown) && name.chars().count() <= 180, "{name}");
        let id = answer.document_id(0);
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
    let mut waiting = app.documents().await;
    waiting.retain(|document| document.bol_id.is_none());
    assert!(!waiting.is_empty() && waiting.iter().all(|document| is_inbox_key(&document.object_key)), "{waiting:?}");
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
        assert!(answer.status == 400 || answer.outcomes() == ["rejected"], "{}", answer.text());
    }
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
        ("header.pdf", b"%PDF-1.7\n%%EOF startxref".to_vec()),
        ("loop.pdf", b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[2 0 R]/Count 1>>endobj\ntrailer<</Root 1 0 R>>\nstartxref\n0\n%%EOF".to_vec()),
        ("deep.pdf", format!("%PDF-1.7\n1 0 obj{}endobj\ntrailer<</Root 1 0 R>>\nstartxref\n0\n%%EOF", "[".repeat(200_000)).into_bytes()),
    ] {
        let answer = office.upload(&[("kind", "other")], name, &bytes).await;
        assert_eq!(answer.outcomes(), ["rejected"], "{name}: {}", answer.text());
    }
    // Viewers open these, so a clerk decides.
    for (bytes, reason) in [
        ([b"GIF89a ".to_vec(), paper("PRT-2025-0005")].concat(), "begins with another kind of file"),
        ([paper("PRT-2025-0005"), vec![b'P'; 2_000]].concat(), "has other data behind its end"),
    ] {
        let answer = office.upload(&[("kind", "other")], "PRT-2025-0005.pdf", &bytes).await;
        assert_eq!(answer.outcomes(), ["needs_review"], "{}", answer.text());
        assert!(answer.reason(0).contains(reason), "{}", answer.reason(0));
    }
    let answer = office.upload(&[("kind", "other")], "bomb.pdf", &bomb).await;
    assert!(["rejected", "needs_review"].contains(&&*answer.outcomes()[0]), "{}", answer.text());
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
        let answer = office.upload(&[("kind", "other")], "PRT-2025-0005.pdf", &bytes).await;
        assert_eq!(answer.outcomes(), ["needs_review"], "{hidden}");
        assert!(answer.reason(0).contains("contains scripts"), "{hidden}: {}", answer.reason(0));
    }
    let place = honest.replacen("/Type /Catalog", "/Type /Catalog /OpenAction [3 0 R /Fit]", 1);
    let place = bytes_of(place);
    assert_eq!(
        office.upload(&[("kind", "other")], "PRT-2025-0005.pdf", &place).await.outcomes(),
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
