//! Access ends when it is taken away, also in the middle of a long request.

use std::time::Duration;

use reqwest::{Method, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Action, Actor, App, EventRow, Outcome, PASSWORD, World};

/// Begins a ZIP and reads nothing after its head.
async fn begin_zip(reader: &Actor) -> Response {
    let answer = reader.request(Method::GET, "/bols/download.zip").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer
}

/// Reads a response to its end, which must be an error, and returns what arrived.
async fn read_broken(mut answer: Response) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => all.extend_from_slice(&chunk),
            Ok(None) => panic!("it looks whole"),
            Err(_) => return all,
        }
    }
}

/// How many documents are recorded as sent.
async fn zipped(app: &App) -> usize {
    app.events().await.only(Action::BolsZipped).with(Outcome::Success).len()
}

/// Waits until the server waits for the reader.
async fn fill_the_connection(app: &App) {
    let mut before = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(400)).await;
        let now = zipped(app).await;
        if now > 0 && now == before {
            return;
        }
        before = now;
    }
}

/// The access has just been taken away. At most one document was being recorded at that moment.
async fn expect_zip_broken_off(app: &App, answer: Response, reason: &str) {
    let sent = zipped(app).await;
    let all = read_broken(answer).await;
    assert!(zip::ZipArchive::new(std::io::Cursor::new(all)).is_err());
    let is_failed = |event: &EventRow| event.outcome == Outcome::Failed.as_str();
    app.events_until(Action::BolsZipped, |events| events.iter().any(is_failed)).await;
    let events = app.events().await.only(Action::BolsZipped);
    assert!(events.with(Outcome::Success).len() <= sent + 1, "{} after {sent}", events.with(Outcome::Success).len());
    assert!(sent < 40, "the reader was faster than the test");
    let failed = events.with(Outcome::Failed).single(Action::BolsZipped);
    assert_eq!(failed.detail("reason"), format!("access was taken away: {reason}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zip_breaks_off_when_its_reader_loses_a_company_or_the_login() {
    for (email, change, reason) in
        [(World::BROKER, "leave", "a company was taken away"), (World::ACME, "disable", "the login is disabled")]
    {
        let app = App::start().await;
        app.create_large_documents(40).await;
        let answer = begin_zip(&app.user(email).await).await;
        fill_the_connection(&app).await;
        let path = format!("/office/users/{}/{change}", app.user_id(email).await);
        let company = app.world.acme.to_string();
        let changed = app.user(World::ADMIN).await.post(&path, &[("customer_id", &company)]).await;
        assert_eq!(changed.status, 303, "{}", changed.text());
        expect_zip_broken_off(&app, answer, reason).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zip_breaks_off_when_the_session_ends_or_the_view_as_a_customer() {
    let app = App::start().await;
    app.create_large_documents(40).await;
    let acme = app.acme().await;
    let answer = begin_zip(&acme).await;
    fill_the_connection(&app).await;
    assert_eq!(acme.post("/logout", &[]).await.status, 303);
    expect_zip_broken_off(&app, answer, "the session has ended").await;
    let app = App::start().await;
    app.create_large_documents(40).await;
    let office = app.office().await;
    assert_eq!(office.post("/office/customers/ACME/see-as", &[]).await.status, 303);
    let answer = begin_zip(&office).await;
    fill_the_connection(&app).await;
    assert_eq!(office.post("/see-as/end", &[]).await.status, 303);
    expect_zip_broken_off(&app, answer, "viewing as the customer has ended").await;
}

/// The token of a program ends like a session.
#[tokio::test(flavor = "multi_thread")]
async fn a_zip_breaks_off_when_its_token_is_revoked() {
    let app = App::start().await;
    app.create_large_documents(40).await;
    let answer = begin_zip(&app.program(World::ACME).await).await;
    fill_the_connection(&app).await;
    assert_eq!(app.acme().await.post("/account/tokens/1/revoke", &[]).await.status, 303);
    expect_zip_broken_off(&app, answer, "the token was revoked").await;
}

const BOUNDARY: &str = "between-the-files";

fn file(name: &str) -> String {
    let bytes = crate::support::scan::paper(&format!("A paper without a number, called {name}"));
    // Latin-1 keeps every byte of the PDF apart; the test sends the characters as bytes again.
    let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
    let head = format!("content-disposition: form-data; name=\"files\"; filename=\"{name}\"\r\n");
    format!("--{BOUNDARY}\r\n{head}content-type: application/pdf\r\n\r\n{text}\r\n")
}

async fn send(socket: &mut TcpStream, text: &str) {
    let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    socket.write_all(format!("{:x}\r\n", bytes.len()).as_bytes()).await.unwrap();
    socket.write_all(&bytes).await.unwrap();
    socket.write_all(b"\r\n").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_stops_when_its_clerk_is_disabled() {
    let app = App::start().await;
    let login = app.stranger().post("/login", &[("email", World::OFFICE), ("password", PASSWORD)]).await;
    let cookies = login.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
    let cookies: Vec<&str> = cookies.map(|cookie| cookie.split(';').next().unwrap()).collect();
    let mut socket = TcpStream::connect(app.url.strip_prefix("http://").unwrap()).await.unwrap();
    let head = format!(
        "POST /office/upload HTTP/1.1\r\nhost: x\r\ncookie: {}\r\naccept: application/json\r\nconnection: close\r\n\
         content-type: multipart/form-data; boundary={BOUNDARY}\r\ntransfer-encoding: chunked\r\n\r\n",
        cookies.join("; ")
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    send(&mut socket, &format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"kind\"\r\n\r\n\r\n")).await;
    send(&mut socket, &file("first.pdf")).await;
    // The end of a part is known by the boundary after it.
    send(&mut socket, &format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"nothing\"\r\n\r\n\r\n")).await;
    app.events_until(Action::DocumentUploaded, |events| events.len() == 1).await;
    let user = app.user_id(World::OFFICE).await;
    let disabled = app.user(World::ADMIN).await.post(&format!("/office/users/{user}/disable"), &[]).await;
    assert_eq!(disabled.status, 303);
    for name in ["second.pdf", "third.pdf"] {
        send(&mut socket, &file(name)).await;
    }
    send(&mut socket, &format!("--{BOUNDARY}--\r\n")).await;
    socket.write_all(b"0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let read = tokio::time::timeout(Duration::from_secs(30), socket.read_to_string(&mut answer)).await;
    assert!(read.is_ok(), "{answer}");
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(answer.contains("first.pdf") && answer.contains("Your access changed during the upload"), "{answer}");
    assert_eq!(app.uploads().await.len(), 1);
    let rejected = app.events().await.single(Action::DocumentRejected);
    let (file, reason) = (rejected.file(), rejected.detail("reason"));
    assert_eq!((file, reason.as_str()), ("second.pdf", "access was taken away: the login is disabled"));
}
