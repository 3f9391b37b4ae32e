//! Fetches of files in local storage: how the server records them, and who may see them.

use std::time::Duration;

use chrono::TimeDelta;
use primetrade::storage::{LocalStore, Presentation, Storage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::audit::access_log_import::{Fetch, KEY, download, fetches};
use crate::support::{Answer, App, World};

#[tokio::test(flavor = "multi_thread")]
async fn local_files_record_their_own_fetches() {
    let app = App::start().await;
    let acme = app.acme().await;
    let redirect = download(&acme).await;
    let (url, request) = (redirect.header("location").to_owned(), redirect.header("x-request-id").to_owned());
    assert!(url.contains(&format!("&request={request}&")), "{url}");
    let stranger = app.stranger();
    let file = stranger.get(&url).await;
    let size = file.body.len();
    let by_request = |bytes, status| Fetch::matched("request", bytes, status);
    assert_eq!(fetches(&app, 1).await, [by_request(size, 200)]);
    Answer::of(stranger.request(reqwest::Method::GET, &url).header("range", "bytes=0-7")).await;
    assert_eq!(fetches(&app, 2).await[1], by_request(8, 206));
    let tag = file.header("etag");
    let same = Answer::of(stranger.request(reqwest::Method::GET, &url).header("if-none-match", tag)).await;
    assert_eq!((same.status, fetches(&app, 3).await[2].clone()), (304, by_request(0, 304)));
    Answer::of(stranger.request(reqwest::Method::GET, &url).header("range", "bytes=9999-")).await;
    assert_eq!(fetches(&app, 4).await[3], by_request(0, 416));
    // An altered link matches no event. An expired one still does.
    assert_eq!(stranger.get(&url.replace(&request, &"0".repeat(32))).await.status, 403);
    app.clock.advance(TimeDelta::seconds(400));
    assert_eq!(stranger.get(&url).await.status, 403);
    assert_eq!(fetches(&app, 5).await[4..], [by_request(0, 403)]);
    let facts = app
        .rows(&format!("SELECT DISTINCT request_id = '{request}', host(ip), user_agent, object_key, detail->>'source', detail->>'size', \
               detail->>'link' = (SELECT id::text FROM audit_events WHERE action = 'BOL_DOWNLOADED') FROM audit_events WHERE action = 'LINK_FETCHED' AND outcome = 'success'"))
        .await;
    assert_eq!(facts, [format!("true|127.0.0.1||{KEY}|local|{size}|true")]);
    // The file is missing by now.
    let again = download(&acme).await.header("location").to_owned();
    std::fs::remove_file(app.media(KEY)).unwrap();
    assert_eq!(stranger.get(&again).await.status, 503);
    assert_eq!(fetches(&app, 6).await[5], by_request(0, 503));
    let page = acme.get(&format!("/bols/{}", World::ACME_BOL)).await;
    let shown = page.all("table[aria-labelledby=history] tbody td:nth-child(3)");
    assert!(
        shown.contains(&format!("Fetched: 8 bytes of {size} bytes"))
            && shown.contains(&"Not fetched: the link was refused".into()),
        "{shown:?}"
    );
    let kept = app.rows("SELECT e::text FROM audit_events e").await.join("\n");
    let signature = url.split("signature=").nth(1).unwrap();
    assert!(signature.len() == 64 && !kept.contains(signature) && !kept.contains("signature="));
}

/// Links of a version that didn't put the request into them.
#[tokio::test(flavor = "multi_thread")]
async fn links_of_the_previous_version_work_until_they_expire() {
    let app = App::start().await;
    let secret = app.config().secret_key.unwrap();
    let store = Storage::Local(LocalStore::new(app.media("").as_path(), &secret, app.url.clone()));
    let presentation = Presentation { file_name: "PRT-2025-0001.pdf".into(), ..Presentation::default() };
    let (url, _) =
        store.link(&KEY.parse().unwrap(), &presentation, app.clock.now(), Duration::from_secs(60)).await.unwrap();
    assert!(!url.as_str().contains("request"));
    assert_eq!(app.stranger().get(url.as_str()).await.status, 200);
    let fetch = fetches(&app, 1).await.remove(0);
    assert!(fetch.matched.as_ref().unwrap_err().starts_with("the link doesn't state"), "{fetch:?}");
    let expected = Fetch::unmatched("ACME", World::ACME_BOL, "", fetch.bytes, fetch.status);
    assert_eq!(Fetch { matched: expected.matched.clone(), ..fetch }, expected);
    assert_eq!(app.stranger().get(&url.as_str().replace("&signature", "&request=&signature")).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_download_is_recorded_with_fewer_bytes() {
    let app = App::start().await;
    const SIZE: usize = 40_000_000;
    std::fs::write(app.media(KEY), vec![b'x'; SIZE]).unwrap();
    app.sql(&format!("UPDATE documents SET size_bytes = {SIZE} WHERE object_key = '{KEY}'")).await;
    let acme = app.acme().await;
    let url = download(&acme).await.header("location").to_owned();
    let path = url.strip_prefix(&app.url).unwrap();
    let mut socket = tokio::net::TcpStream::connect(app.url.strip_prefix("http://").unwrap()).await.unwrap();
    socket
        .write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nuser-agent: breaks off\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut piece = vec![0; 100_000];
    socket.read_exact(&mut piece).await.unwrap();
    drop(socket);
    fetches(&app, 1).await;
    let bytes = app.rows("SELECT detail->>'bytes', user_agent FROM audit_events WHERE action = 'LINK_FETCHED'").await;
    let (bytes, agent) = bytes[0].split_once('|').unwrap();
    let bytes: usize = bytes.parse().unwrap();
    assert!((90_000..SIZE).contains(&bytes) && agent == "breaks off", "{bytes} {agent}");
    let shown = acme.get(&format!("/bols/{}", World::ACME_BOL)).await;
    assert!(shown.text().contains("of 40.0 MB"), "{}", shown.text());
    assert_eq!(app.stranger().get(&url).await.body.len(), SIZE);
    let whole = fetches(&app, 2).await.remove(1);
    assert_eq!((whole.bytes, whole.status), (SIZE, 200));
}

/// The database policies: no other company can read a fetch, whatever it queries.
#[tokio::test(flavor = "multi_thread")]
async fn only_its_own_company_sees_a_fetch() {
    let app = App::start().await;
    for actor in [app.acme().await, app.office().await] {
        let url = download(&actor).await.header("location").to_owned();
        app.stranger().get(&url).await;
    }
    fetches(&app, 2).await;
    let (acme, rival) = (app.world.acme, app.world.rival);
    for (ids, seen) in [(acme.to_string(), 1), (rival.to_string(), 0), (String::new(), 0)] {
        let events = app.rows("SELECT id, occurred_at FROM audit_events WHERE action = 'LINK_FETCHED'").await;
        let mut found = 0;
        for event in &events {
            let (id, at) = event.split_once('|').unwrap();
            let facts = app
                .rows(&format!(
                    "WITH scope AS MATERIALIZED (SELECT set_config('role', 'portal_customer', false), set_config('portal.customer_ids', '{ids}', false)) \
                     SELECT coalesce(link_fetch({id}, '{at}')::text, 'nothing') FROM scope"
                ))
                .await;
            found += usize::from(facts[0] != "nothing");
        }
        assert_eq!(found, seen, "as {ids}");
    }
    for (actor, seen) in [(app.acme().await, 1), (app.office().await, 2)] {
        let page = actor.get(&format!("/bols/{}", World::ACME_BOL)).await;
        let history = page.all("table[aria-labelledby=history] tbody tr");
        assert_eq!(history.iter().filter(|line| line.contains("Fetched")).count(), seen, "{history:?}");
    }
}
