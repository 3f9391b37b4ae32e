//! Every answer over HTTP: headers, cross-site requests, errors, assets, limits.

use std::io::Read as _;
use std::time::Duration;

use crate::support::{Action, Answer, App, PASSWORD, World, execute, migrated_database, raw};

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_carries_the_security_headers() {
    let app = App::start().await;
    let (acme, auditor, stranger) = (app.acme().await, app.auditor().await, app.stranger());
    let bol = format!("/bols/{}", World::ACME_BOL);
    for (actor, path, status) in [
        (&stranger, "/login", 200),
        (&stranger, "/bols", 303),
        (&stranger, "/nothing/here", 404),
        (&stranger, "/api/bols", 401),
        (&stranger, "/healthz", 200),
        (&acme, "/bols", 200),
        (&acme, "/account", 200),
        (&acme, bol.as_str(), 200),
        (&acme, "/bols/PRT-2025-0999", 404),
        (&acme, "/bols?from=x", 422),
        (&auditor, bol.as_str(), 403),
    ] {
        let answer = actor.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin", "{path}");
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin", "{path}");
        assert!(answer.header("permissions-policy").contains("camera=()"), "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("x-request-id").len(), 32, "{path}");
        assert_eq!(answer.header("strict-transport-security"), "", "not without https");
        assert!(!answer.text().contains("style=") && answer.all("script:not([src])").is_empty(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_pages_with_a_reference_and_nothing_else() {
    let app = App::start().await;
    let acme = app.acme().await;
    let refused = app.auditor().await.get(&format!("/bols/{}", World::ACME_BOL)).await;
    assert_eq!(refused.one(".reference span"), refused.header("x-request-id"));
    app.sql("ALTER TABLE bols RENAME COLUMN lot TO lot_").await;
    let broken = acme.get("/bols").await;
    assert_eq!((broken.status, broken.one("h1")), (500, "Something went wrong".into()));
    assert_eq!(broken.one(".reference span"), broken.header("x-request-id"));
    let api = acme.get("/api/bols").await;
    assert_eq!((api.status, api.header("content-type")), (500, "application/problem+json"));
    assert_eq!(api.json()["requestId"], api.header("x-request-id"));
    for answer in [&broken, &api] {
        assert!(!answer.text().contains("lot") && !answer.text().contains("column"), "{}", answer.text());
    }
    let wrong_method = acme.request(reqwest::Method::DELETE, "/bols");
    assert_eq!(Answer::of(wrong_method).await.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_database_is_a_503_and_ends_no_session() {
    let app = App::start().await;
    let acme = app.acme().await;
    let name = app.rows("SELECT current_database()").await.remove(0);
    let other = migrated_database().await;
    let away = async |away: bool| {
        // Sent from another database, because this one is being closed.
        execute(&other, &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {}", !away)).await;
        if away {
            execute(
                &other,
                &format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname = '{name}'"),
            )
            .await;
        }
    };
    away(true).await;
    for path in ["/bols", "/api/bols", "/login", "/bols/PRT-2025-0001/download"] {
        let answer = acme.get(path).await;
        assert_eq!(answer.status, 503, "{path}");
        assert_ne!(answer.header("retry-after"), "", "{path}");
    }
    let login = app.stranger().post("/login", &[("email", World::ACME), ("password", PASSWORD)]).await;
    assert_eq!(login.status, 503);
    assert_eq!((app.stranger().get("/healthz").await.status, app.stranger().get("/readyz").await.status), (200, 503));
    away(false).await;
    assert_eq!(acme.get("/bols").await.status, 200, "the session is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_other_sites_change_nothing() {
    let app = App::start().await;
    let acme = app.acme().await;
    let post = async |headers: &[(&'static str, &str)]| {
        let mut request = acme.request(reqwest::Method::POST, "/logout");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::of(request).await
    };
    for headers in [
        [("sec-fetch-site", "cross-site"), ("x", "")],
        [("sec-fetch-site", "same-site"), ("x", "")],
        [("origin", "https://evil.example"), ("x", "")],
        [("origin", "null"), ("x", "")],
        [("origin", &app.url), ("sec-fetch-site", "cross-site")],
    ] {
        let answer = post(&headers).await;
        assert_eq!(
            (answer.status, answer.one("h1")),
            (403, "The request came from another site".into()),
            "{headers:?}"
        );
        assert_eq!(acme.get("/bols").await.status, 200);
    }
    assert_eq!(post(&[("origin", &app.url)]).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_another_address_says_which_one_is_the_portals() {
    let app = App::start_with(&[("PUBLIC_URL", "https://portal.example.com")]).await;
    let log_in = async |headers: &[(&'static str, &str)]| {
        let mut request = app.stranger().request(reqwest::Method::POST, "/login");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::of(request.form(&[("email", World::ACME), ("password", PASSWORD)])).await
    };
    // A browser on plain http, where it sends no Sec-Fetch-Site; one on this machine; one behind another name.
    for headers in [
        &[("origin", app.url.as_str())][..],
        &[("origin", app.url.as_str()), ("sec-fetch-site", "same-origin")],
        &[("origin", "https://bol.example.net"), ("sec-fetch-site", "same-origin")],
    ] {
        let answer = log_in(headers).await;
        assert_eq!((answer.status, answer.one("h1")), (403, "This is not the portal’s address".into()), "{headers:?}");
        assert!(answer.one(".lede").contains("https://portal.example.com"), "{headers:?}");
    }
    let elsewhere = log_in(&[("origin", "https://evil.example"), ("host", "portal.example.com")]).await;
    assert_eq!(elsewhere.one("h1"), "The request came from another site");
    let public = [("origin", "https://portal.example.com"), ("sec-fetch-site", "same-origin")];
    assert_eq!(log_in(&public).await.status, 303);
    assert!(app.events().await.only(Action::LoginSucceeded).len() == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn assets_are_hashed_compressed_and_kept_for_ever() {
    let app = App::start().await;
    let stranger = app.stranger();
    let page = stranger.get("/login").await;
    let css = page.attributes("link[rel=stylesheet]", "href").remove(0);
    assert!(css.starts_with("/static/app.") && css.len() > "/static/app.css".len(), "{css}");
    let plain = Answer::of(stranger.request(reqwest::Method::GET, &css).header("accept-encoding", "identity")).await;
    assert_eq!((plain.status, plain.header("content-type")), (200, "text/css; charset=utf-8"));
    assert_eq!(plain.header("cache-control"), "public, max-age=31536000, immutable");
    let small = Answer::of(stranger.request(reqwest::Method::HEAD, &css).header("accept-encoding", "br, gzip")).await;
    assert_eq!(small.header("content-encoding"), "gzip");
    let length: usize = small.header("content-length").parse().unwrap();
    assert!(length * 2 < plain.body.len(), "{length} of {}", plain.body.len());
    let again = stranger.request(reqwest::Method::GET, &css).header("if-none-match", plain.header("etag"));
    assert_eq!(Answer::of(again).await.status, 304);
    for missing in [
        "/static/",
        "/static/app.0000000000000000.css",
        "/static/../Cargo.toml",
        "/static/%2e%2e/Cargo.toml",
        "/static/a%00",
    ] {
        assert_eq!(stranger.get(missing).await.status, 404, "{missing}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_json_are_compressed_for_clients_that_take_it() {
    let app = App::start().await;
    let acme = app.acme().await;
    let get = async |path: &str, accepted: &str| {
        Answer::of(acme.request(reqwest::Method::GET, path).header("accept-encoding", accepted)).await
    };
    // Twice: a worker keeps its compressor.
    for path in ["/bols", "/api/bols", "/bols", "/api/bols"] {
        let (gzipped, plain) = (get(path, "br, gzip").await, get(path, "identity").await);
        assert_eq!((gzipped.status, gzipped.header("content-encoding")), (plain.status, "gzip"), "{path}");
        assert_eq!(gzipped.header("content-type"), plain.header("content-type"), "{path}");
        assert!(gzipped.headers.get_all("vary").iter().any(|value| value == "accept-encoding"), "{path}");
        assert_eq!(gzipped.header("content-length"), gzipped.body.len().to_string(), "{path}");
        let mut unpacked = String::new();
        flate2::read::GzDecoder::new(&gzipped.body[..]).read_to_string(&mut unpacked).unwrap();
        let (whole, has_name) = (plain.text(), unpacked.contains(World::ACME_BOL));
        assert_eq!((unpacked.len(), has_name), (whole.len(), whole.contains(World::ACME_BOL)), "{path}");
        assert!(gzipped.body.len() < whole.len(), "{path}");
        assert_eq!(plain.header("content-encoding"), "", "{path}");
    }
    // Other encodings and streams are left to actix.
    assert_eq!(get("/bols", "deflate").await.header("content-encoding"), "deflate");
    assert_eq!(get("/bols/export?format=csv", "gzip").await.header("content-encoding"), "gzip");
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_oversized_and_slow_requests_are_refused() {
    let app = App::start().await;
    let huge = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "a".repeat(300_000));
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(200));
    for (bytes, what) in
        [(huge.as_bytes(), "header bytes"), (many.as_bytes(), "header count"), (b"nonsense\r\n\r\n", "no HTTP")]
    {
        let answer = raw(&app, bytes).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{what}: {answer}");
    }
    let both = b"POST /login HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n";
    assert!(raw(&app, both).await.starts_with("HTTP/1.1 4"), "two lengths");
    let started = std::time::Instant::now();
    assert!(raw(&app, b"GET / HTTP/1.1\r\nhost: x\r\n").await.starts_with("HTTP/1.1 408"), "headers that don't end");
    assert!(started.elapsed() < Duration::from_secs(15));
    let form = "POST /login HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 100\r\n\r\nemail=";
    assert!(raw(&app, form.as_bytes()).await.starts_with("HTTP/1.1 408"), "a body that doesn't end");
    let json =
        app.stranger().request(reqwest::Method::POST, "/login").body("{}").header("content-type", "application/json");
    assert_eq!(Answer::of(json).await.status, 400);
}

/// A client that resets its connection can't change anything without a recorded address.
#[tokio::test(flavor = "multi_thread")]
async fn an_aborted_request_leaves_no_unrecorded_change() {
    let app = App::start().await;
    let address = app.url.strip_prefix("http://").unwrap().to_owned();
    for _ in 0..40 {
        let address = address.clone();
        tokio::task::spawn_blocking(move || {
            use std::io::Write;
            let socket = std::net::TcpStream::connect(address).unwrap();
            rustix::net::sockopt::set_socket_linger(&socket, Some(Duration::ZERO)).unwrap();
            let body = "email=buyer%40acme.example&password=a+guess+of+fifteen";
            let request = format!("POST /login HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            (&socket).write_all(request.as_bytes()).unwrap();
        })
        .await
        .unwrap();
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(app.count("audit_events WHERE ip IS NULL").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_plain_http_leads_to_https() {
    let app = App::start_with(&[("PUBLIC_URL", "https://portal.example.com"), ("TRUSTED_PROXIES", "127.0.0.1")]).await;
    let ask = async |proto: &str| {
        let request = app.stranger().request(reqwest::Method::GET, "/bols?q=1").header("x-forwarded-proto", proto);
        Answer::of(request.header("host", "evil.example")).await
    };
    let plain = ask("http").await;
    assert_eq!((plain.status, plain.header("location")), (308, "https://portal.example.com/bols?q=1"));
    assert_eq!(ask("https").await.header("location"), "/login?next=%2Fbols%3Fq%3D1");
    assert_eq!(app.stranger().get("/healthz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn back_shows_nothing_after_logging_out_and_pages_are_not_cached() {
    let app = App::start().await;
    let acme = app.acme().await;
    assert_eq!(acme.get("/").await.header("location"), "/bols");
    assert_eq!(acme.get("/login").await.header("location"), "/", "logged in already");
    assert_eq!(acme.get("/bols").await.header("cache-control"), "no-store");
    acme.post("/logout", &[]).await;
    assert_eq!(acme.get("/").await.header("location"), "/login");
    assert_eq!(acme.post("/logout", &[]).await.status, 303, "twice does no harm");
}

#[tokio::test(flavor = "multi_thread")]
async fn monitors_may_ask_by_head() {
    let app = App::start().await;
    for path in ["/healthz", "/readyz"] {
        let answer = Answer::of(app.stranger().request(reqwest::Method::HEAD, path)).await;
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_who_find_a_weakness_learn_whom_to_tell() {
    let app = App::start().await;
    let (office, stranger) = (app.office().await, app.stranger());
    let (file, settings) = ("/.well-known/security.txt", "/office/settings/security");
    assert_eq!(stranger.get(file).await.status, 404, "nothing is set yet");
    app.save_terminal_address().await;
    let text = stranger.get(file).await.text();
    assert!(text.starts_with("Contact: mailto:shipping@terminal.example\nExpires: "), "{text}");
    let expires = text.lines().find_map(|line| line.strip_prefix("Expires: ")).unwrap();
    let days = (chrono::DateTime::parse_from_rfc3339(expires).unwrap().to_utc() - app.clock.now()).num_days();
    assert!((30..365).contains(&days), "{text}");
    for (typed, contact) in [
        (" security@terminal.example ", "Contact: mailto:security@terminal.example\n"),
        ("https://terminal.example/security", "Contact: https://terminal.example/security\n"),
    ] {
        let form = [("security_contact", typed)];
        office.expect_saved(settings, &form, "/office/settings?done=security").await;
        assert!(stranger.get(file).await.text().starts_with(contact), "{typed}");
    }
    for typed in ["call us", "http://terminal.example", "https://", "a@b.example\nContact: mailto:e@evil.example"] {
        let message = "Enter an email address, or the address of a page that begins with https://.";
        office.expect_refused(settings, &[("security_contact", typed)], "security_contact", message).await;
    }
    assert_eq!(app.events().await.only(Action::SettingsChanged).len(), 2);
}
