//! Fetches of files in local storage: how the server records them, and who may see them.

use std::time::Duration;

use chrono::TimeDelta;
use primetrade::storage::{LocalStore, Presentation, Storage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Action, Answer, App, Fetch, Outcome, World, raw};

#[tokio::test(flavor = "multi_thread")]
async fn local_files_record_their_own_fetches() {
    let app = App::start().await;
    let acme = app.acme().await;
    let redirect = acme.link_to(World::ACME_BOL).await;
    let (url, request) = (redirect.header("location").to_owned(), redirect.header("x-request-id").to_owned());
    assert!(url.contains(&format!("&request={request}&")), "{url}");
    let stranger = app.stranger();
    let file = stranger.get(&url).await;
    let size = file.body.len();
    let by_request = |bytes, status| Fetch::matched("request", bytes, status);
    assert_eq!(app.fetches_once_recorded(1).await, [by_request(size, 200)]);
    Answer::of(stranger.request(reqwest::Method::GET, &url).header("range", "bytes=0-7")).await;
    assert_eq!(app.fetches_once_recorded(2).await[1], by_request(8, 206));
    let tag = file.header("etag");
    let same = Answer::of(stranger.request(reqwest::Method::GET, &url).header("if-none-match", tag)).await;
    assert_eq!((same.status, app.fetches_once_recorded(3).await[2].clone()), (304, by_request(0, 304)));
    Answer::of(stranger.request(reqwest::Method::GET, &url).header("range", "bytes=9999-")).await;
    assert_eq!(app.fetches_once_recorded(4).await[3], by_request(0, 416));
    // An altered link matches no event. An expired one still does.
    assert_eq!(stranger.get(&url.replace(&request, &"0".repeat(32))).await.status, 403);
    app.clock.advance(TimeDelta::seconds(400));
    assert_eq!(stranger.get(&url).await.status, 403);
    assert_eq!(app.fetches_once_recorded(5).await[4..], [by_request(0, 403)]);
    let events = app.events().await;
    let issued = events.single(Action::BolDownloaded).id.to_string();
    let fetched = events.only(Action::LinkFetched).with(Outcome::Success);
    assert!(!fetched.is_empty());
    for event in fetched.iter() {
        assert_eq!((event.request_id.as_deref(), event.host().as_str()), (Some(&*request), "127.0.0.1"));
        assert_eq!((event.user_agent.as_deref(), event.key()), (Some(""), World::ACME_BOL_KEY));
        let (source, shown, link) = (event.detail("source"), event.detail("size"), event.detail("link"));
        assert_eq!((source.as_str(), shown, &link), ("local", size.to_string(), &issued));
    }
    // The file is missing by now.
    let again = acme.link_to(World::ACME_BOL).await.header("location").to_owned();
    std::fs::remove_file(app.media(World::ACME_BOL_KEY)).unwrap();
    assert_eq!(stranger.get(&again).await.status, 503);
    assert_eq!(app.fetches_once_recorded(6).await[5], by_request(0, 503));
    let page = acme.get(&format!("/bols/{}", World::ACME_BOL)).await;
    let shown = page.all("table[aria-labelledby=history] tbody td:nth-child(3)");
    assert!(
        shown.contains(&format!("Downloaded: 8 bytes of {size} bytes"))
            && shown.contains(&"Not downloaded: the link was refused".into()),
        "{shown:?}"
    );
    let kept = format!("{:?}", app.events().await);
    let signature = url.split("signature=").nth(1).unwrap();
    assert!(signature.len() == 64 && !kept.contains(signature) && !kept.contains("signature="));
}

/// Links of a version that didn't put the request into them.
#[tokio::test(flavor = "multi_thread")]
async fn links_of_the_previous_version_work_until_they_expire() {
    let app = App::start().await;
    let secret = app.config().secret_key.unwrap();
    let store = Storage::from(LocalStore::new(app.media("").as_path(), &secret, app.url.clone()));
    let presentation = Presentation { file_name: "PRT-2025-0001.pdf".into(), ..Presentation::default() };
    let (url, _) = store
        .link(&World::ACME_BOL_KEY.parse().unwrap(), &presentation, app.clock.now(), Duration::from_secs(60))
        .await
        .unwrap();
    assert!(!url.as_str().contains("request"));
    assert_eq!(app.stranger().get(url.as_str()).await.status, 200);
    let fetch = app.fetches_once_recorded(1).await.remove(0);
    assert!(fetch.matched.as_ref().unwrap_err().starts_with("the link doesn't state"), "{fetch:?}");
    let expected = Fetch::unmatched("ACME", World::ACME_BOL, "", fetch.bytes, fetch.status);
    assert_eq!(Fetch { matched: expected.matched.clone(), ..fetch }, expected);
    assert_eq!(app.stranger().get(&url.as_str().replace("&signature", "&request=&signature")).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_download_is_recorded_with_fewer_bytes() {
    let app = App::start().await;
    const SIZE: usize = 40_000_000;
    std::fs::write(app.media(World::ACME_BOL_KEY), vec![b'x'; SIZE]).unwrap();
    app.sql(&format!("UPDATE documents SET size_bytes = {SIZE} WHERE object_key = '{}'", World::ACME_BOL_KEY)).await;
    let acme = app.acme().await;
    let url = acme.link_to(World::ACME_BOL).await.header("location").to_owned();
    let path = url.strip_prefix(&app.url).unwrap();
    let mut socket = tokio::net::TcpStream::connect(app.url.strip_prefix("http://").unwrap()).await.unwrap();
    socket
        .write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nuser-agent: breaks off\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut piece = vec![0; 100_000];
    socket.read_exact(&mut piece).await.unwrap();
    drop(socket);
    app.fetches_once_recorded(1).await;
    let fetched = app.events().await.single(Action::LinkFetched);
    let (bytes, agent): (usize, _) = (fetched.detail("bytes").parse().unwrap(), fetched.user_agent.unwrap());
    assert!((90_000..SIZE).contains(&bytes) && agent == "breaks off", "{bytes} {agent}");
    let shown = acme.get(&format!("/bols/{}", World::ACME_BOL)).await;
    assert!(shown.text().contains("of 40.0 MB"), "{}", shown.text());
    assert_eq!(app.stranger().get(&url).await.body.len(), SIZE);
    let whole = app.fetches_once_recorded(2).await.remove(1);
    assert_eq!((whole.bytes, whole.status), (SIZE, 200));
}

/// The database policies: no other company can read a fetch, whatever it queries.
#[tokio::test(flavor = "multi_thread")]
async fn only_its_own_company_sees_a_fetch() {
    let app = App::start().await;
    for actor in [app.acme().await, app.office().await] {
        let url = actor.link_to(World::ACME_BOL).await.header("location").to_owned();
        app.stranger().get(&url).await;
    }
    app.fetches_once_recorded(2).await;
    let (acme, rival) = (app.world.acme, app.world.rival);
    for (ids, seen) in [(acme.to_string(), 1), (rival.to_string(), 0), (String::new(), 0)] {
        let mut found = 0;
        for event in app.events().await.only(Action::LinkFetched).iter() {
            let (id, at) = (event.id, event.occurred_at.to_rfc3339());
            let facts = app
                .rows(&format!(
                    "WITH scope AS MATERIALIZED (SELECT portal_enter(1, 'customer', '{{{ids}}}'), set_config('role', 'portal_customer', true)) \
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
        assert_eq!(history.iter().filter(|line| line.contains("Downloaded")).count(), seen, "{history:?}");
    }
}

/// Requests a path over and over on a connection of its own.
async fn hammer(app: &App, path: &str, until: tokio::time::Instant) -> usize {
    let mut count = 0;
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    while tokio::time::Instant::now() < until {
        let first = raw(app, request.as_bytes()).await;
        assert!(first.starts_with("HTTP/1.1 403"), "{first}");
        count += 1;
    }
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_an_expired_link_is_one_event_and_costs_others_nothing() {
    let mut app = App::start().await;
    let acme = app.acme().await;
    let expired = acme.link_to(World::ACME_BOL).await.header("location").to_owned();
    app.clock.advance(TimeDelta::seconds(400));
    let good = acme.link_to(World::ACME_BOL).await.header("location").to_owned();
    let path = expired.strip_prefix(&app.url).unwrap();
    let until = tokio::time::Instant::now() + Duration::from_secs(4);
    let flood = futures_util::future::join_all((0..12).map(|_| hammer(&app, path, until)));
    let downloads = async {
        let stranger = app.stranger();
        let mut slowest = Duration::ZERO;
        for _ in 0..20 {
            let five = (0..5).map(|_| stranger.get(&good));
            assert!(futures_util::future::join_all(five).await.iter().all(|file| file.status == 200));
            let asked = tokio::time::Instant::now();
            assert_eq!(acme.get("/bols").await.status, 200);
            slowest = slowest.max(asked.elapsed());
        }
        slowest
    };
    let (requests, slowest) = tokio::join!(flood, downloads);
    println!("{} refusals, slowest page {slowest:?}", requests.iter().sum::<usize>());
    assert!(requests.iter().sum::<usize>() > 100 && slowest < Duration::from_secs(3), "{requests:?} {slowest:?}");
    let fetched = app.fetches_once_recorded(101).await;
    assert_eq!(fetched.iter().filter(|fetch| fetch.status == 200).count(), 100);
    assert_eq!(fetched.iter().filter(|fetch| fetch.status == 403).count(), 1, "one a minute");
    // Another instance knows that refusal. After a minute, either records the next one.
    let second = app.second().await;
    assert_eq!(app.stranger().get(&format!("{second}{path}")).await.status, 403);
    app.clock.advance(TimeDelta::seconds(61));
    for server in [&second, &app.url] {
        assert_eq!(app.stranger().get(&format!("{server}{path}")).await.status, 403);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let refused = app.fetches_once_recorded(102).await.into_iter().filter(|fetch| fetch.status == 403);
    assert_eq!(refused.count(), 2);
}

/// A fetch waits in the queue until the database can take it.
#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_is_recorded_once_the_log_takes_events_again() {
    let app = App::start().await;
    let url = app.acme().await.link_to(World::ACME_BOL).await.header("location").to_owned();
    app.sql(
        "REVOKE INSERT ON audit_events FROM primetrade, portal_server; REVOKE ALL ON audit_events FROM portal_customer",
    )
    .await;
    assert_eq!(app.stranger().get(&url).await.status, 200);
    assert_eq!(app.fetches().await.len(), 0);
    app.sql("GRANT INSERT ON audit_events TO primetrade, portal_server").await;
    assert_eq!(app.fetches_once_recorded(1).await.len(), 1);
}
