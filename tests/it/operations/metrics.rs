//! `GET /metrics` on `METRICS_ADDR`, and the files for Prometheus and Grafana.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use primetrade::documents::sweep;
use reqwest::Method;

use crate::support::scan::paper;
use crate::support::{
    Answer, App, Scrape, World, execute, http_client, migrated_database, primetrade, promtool, with_variables,
};

fn file(path: &str) -> String {
    std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Logs in rightly and wrongly, lists, downloads, uploads, and sweeps.
async fn use_everything(app: &App) {
    let acme = app.acme().await;
    let wrong = [("email", World::ACME), ("password", "not the right one")];
    assert_eq!(app.stranger().post("/login", &wrong).await.status, 422);
    assert_eq!(acme.get("/bols").await.status, 200);
    assert_eq!(acme.get(&format!("/bols/{}", World::ACME_BOL)).await.status, 200);
    assert_eq!(acme.get(&format!("/bols/{}/download", World::ACME_BOL)).await.status, 303);
    assert_eq!(acme.get("/bols/PRT-2025-0999").await.status, 404);
    let office = app.office().await;
    let sent = office
        .upload_all(&[("kind", "other")], &[("quarterly.pdf", paper("quarterly")), ("x.pdf", b"x".to_vec())])
        .await;
    assert_eq!(sent.outcomes(), ["needs_review", "rejected"]);
    assert_eq!(office.get("/api/bols?status=void").await.status, 200);
    let metrics = app.metrics.as_ref().map(|(metrics, _)| metrics);
    sweep::run(&app.db(), &app.storage().await, &app.clock, metrics).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_counts_what_happened() {
    let (app, _smtp) = App::with_metrics().await;
    use_everything(&app).await;
    app.sealed().await;
    let scrape = app.scrape().await;
    for (series, value) in [
        (r#"primetrade_http_requests_total{route="/bols",method="GET",status="200"}"#, 1.0),
        (r#"primetrade_http_requests_total{route="/bols/{number}",method="GET",status="200"}"#, 1.0),
        (r#"primetrade_http_requests_total{route="/bols/{number}",method="GET",status="404"}"#, 1.0),
        (r#"primetrade_http_requests_total{route="/bols/{number}/download",method="GET",status="303"}"#, 1.0),
        (r#"primetrade_http_requests_total{route="/login",method="POST",status="422"}"#, 1.0),
        (r#"primetrade_http_request_duration_seconds_count{route="/bols/{number}",method="GET"}"#, 2.0),
        (r#"primetrade_logins_total{method="password",outcome="success"}"#, 2.0),
        (r#"primetrade_logins_total{method="password",outcome="refused"}"#, 1.0),
        (r#"primetrade_uploads_total{outcome="needs_review"}"#, 1.0),
        (r#"primetrade_uploads_total{outcome="rejected"}"#, 1.0),
        (r#"primetrade_uploads_total{outcome="put_off"}"#, 0.0),
        (r#"primetrade_statement_duration_seconds_count{query="view_bol"}"#, 2.0),
        (r#"primetrade_statement_duration_seconds_count{query="record_link"}"#, 1.0),
        (r#"primetrade_statement_duration_seconds_count{query="commit_link"}"#, 1.0),
        (r#"primetrade_statement_duration_seconds_count{query="list_bols"}"#, 2.0),
        (r#"primetrade_statement_duration_seconds_count{query="count_bols"}"#, 1.0),
        (r#"primetrade_sweeper_runs_total{outcome="success"}"#, 1.0),
        (r#"primetrade_examiner_running"#, 0.0),
        (r#"primetrade_examiner_waiting"#, 0.0),
        (r#"primetrade_database_up"#, 1.0),
        (r#"primetrade_seal_unsealed_events"#, 0.0),
        (r#"primetrade_seal_oldest_unsealed_age_seconds"#, 0.0),
        (r#"primetrade_pool_connections_max{pool="requests"}"#, 4.0),
    ] {
        assert_eq!(scrape.value(series), Some(value), "{series} in\n{}", scrape.text);
    }
    let at_least_one = [
        r#"primetrade_storage_call_duration_seconds_count{operation="head",outcome="ok"}"#,
        r#"primetrade_storage_call_duration_seconds_count{operation="put",outcome="ok"}"#,
        r#"primetrade_examiner_duration_seconds_count{task="examine"}"#,
        r#"primetrade_statement_duration_seconds_count{query="SELECT users"}"#,
        r#"primetrade_statement_duration_seconds_count{query="INSERT audit_events"}"#,
        r#"primetrade_statement_duration_seconds_count{query="enter_scope"}"#,
        r#"primetrade_pool_wait_duration_seconds_count{pool="requests"}"#,
        r#"primetrade_pool_wait_duration_seconds_count{pool="background"}"#,
        "process_resident_memory_bytes",
        "process_start_time_seconds",
    ];
    for series in at_least_one {
        assert!(scrape.value(series).is_some_and(|value| value >= 1.0), "{series} in\n{}", scrape.text);
    }
}

/// A client that is not ours reads it, and finds units, and nothing that names a user, a document or an address.
#[tokio::test(flavor = "multi_thread")]
async fn prometheus_own_parser_reads_the_scrape() {
    let (app, _smtp) = App::with_metrics().await;
    use_everything(&app).await;
    let scrape = app.scrape().await;
    for secret in
        ["example", "PRT-2025", "quarterly", ".pdf\"", "ACME", "127.0.0.1", "Mozilla", &app.url["http://".len()..]]
    {
        assert!(!scrape.text.contains(secret), "{secret} in\n{}", scrape.text);
    }
    let Some(families) = scrape.parsed_by_python().await else { return };
    let families = families.as_array().unwrap();
    assert!(families.len() > 30, "{families:?}");
    for family in families {
        let (name, kind) = (family["name"].as_str().unwrap(), family["type"].as_str().unwrap());
        assert!(name.starts_with("primetrade_") || name.starts_with("process_"), "{name}");
        assert!(!family["help"].as_str().unwrap().is_empty() && kind != "unknown", "{name}");
        let is_histogram = kind == "histogram";
        assert_eq!(is_histogram, name.ends_with("_duration_seconds"), "{name}");
        let unit = ["seconds", "bytes"].into_iter().find(|unit| name.ends_with(&format!("_{unit}")));
        assert_eq!(family["unit"].as_str().unwrap(), unit.unwrap_or_default(), "{name}");
    }
    let build = families.iter().find(|family| family["name"] == "primetrade_build").unwrap();
    assert_eq!(build["samples"][0]["labels"]["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_paths_and_methods_add_no_series() {
    let (app, _smtp) = App::with_metrics().await;
    let stranger = app.stranger();
    let send = async |method: &str, path: &str| {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        Answer::of(stranger.request(method, path)).await.status
    };
    let send_all = async |n: usize| {
        for path in ["", "bols/", "static/", "files/", "nothing/", "%22%7D%0A/", "bols/%00"] {
            assert!(send("GET", &format!("/{path}x{n}")).await < 500, "{path}");
        }
        send(&format!("BREW{n}"), &format!("/nothing/{n}")).await;
    };
    // One request of each kind makes the series that all others of its kind share.
    send_all(0).await;
    let requests = |scrape: &Scrape| {
        let series = scrape.series().into_iter().filter(|series| series.starts_with("primetrade_http_"));
        series.map(ToOwned::to_owned).collect::<BTreeSet<_>>()
    };
    let before = requests(&app.scrape().await);
    for n in 1..40 {
        send_all(n).await;
    }
    assert_eq!(requests(&app.scrape().await), before);
    assert!(before.iter().any(|series| series.contains(r#"route="none",method="other""#)), "{before:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_listener_answers_nothing_else() {
    let (app, _smtp) = App::with_metrics().await;
    let client = http_client();
    let base = app.metrics_url().strip_suffix("/metrics").unwrap();
    for (method, path) in [
        (Method::GET, "/"),
        (Method::GET, "/login"),
        (Method::GET, "/healthz"),
        (Method::GET, "/metrics/"),
        (Method::GET, "/metrics/x"),
        (Method::GET, "//metrics"),
        (Method::POST, "/metrics"),
        (Method::HEAD, "/metrics"),
        (Method::OPTIONS, "/metrics"),
        (Method::from_bytes(b"BREW").unwrap(), "/metrics"),
    ] {
        let answer = client.request(method.clone(), format!("{base}{path}")).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{method} {path}");
        assert!(answer.bytes().await.unwrap().is_empty(), "{method} {path}");
    }
    assert_eq!(app.stranger().get("/metrics").await.status, 404, "the portal's own address has no metrics");
    // An address that is taken, as an operator sees it.
    let taken = base.strip_prefix("http://").unwrap();
    let environment = with_variables(app.environment().to_vec(), &[("METRICS_ADDR", taken)]);
    let refused = primetrade(&environment, &["serve"], "").await;
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains(&format!("METRICS_ADDR: can't listen on {taken}: ")), "{said}");
    let environment = with_variables(app.environment().to_vec(), &[("METRICS_ADDR", "9464")]);
    let refused = primetrade(&environment, &["serve"], "").await;
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(said.trim(), "METRICS_ADDR: found \"9464\", allowed is HOST:PORT such as 127.0.0.1:9464");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_without_the_database_has_no_stale_values() {
    let (app, _smtp) = App::with_metrics().await;
    assert_eq!(app.scrape().await.value("primetrade_database_up"), Some(1.0));
    let name = app.rows("SELECT current_database()").await.remove(0);
    let other = migrated_database().await;
    execute(&other, &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await;
    let end = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname = '{name}'"
    );
    execute(&other, &end).await;
    let begun = std::time::Instant::now();
    let scrape = app.scrape().await;
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    assert_eq!(scrape.value("primetrade_database_up"), Some(0.0));
    let of_database = |name: &&str| name.starts_with("primetrade_seal_") || name.starts_with("primetrade_outbox_");
    assert_eq!(scrape.names().into_iter().filter(of_database).count(), 0);
    assert!(scrape.value("process_start_time_seconds").is_some());
    execute(&other, &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await;
    assert_eq!(app.scrape().await.value("primetrade_database_up"), Some(1.0));
}

/// A database that is there and slow doesn't hold up the scrape.
#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_waits_two_seconds_for_the_database_and_shows_what_waits() {
    use diesel_async::SimpleAsyncConnection;
    let (app, smtp) = App::with_metrics().await;
    app.sealed().await;
    drop(smtp);
    app.stranger().post("/password-reset", &[("email", World::ACME)]).await;
    app.insert_webhooks().await;
    app.clock.advance(TimeDelta::minutes(2));
    let mut open = primetrade::db::connect(&app.database).await.unwrap();
    // An open transaction holds up the seals of all later events.
    open.batch_execute("BEGIN; SELECT pg_current_xact_id()").await.unwrap();
    app.acme().await;
    let scrape = app.scrape().await;
    let value = |name: &str| scrape.value(name).unwrap();
    assert!(value("primetrade_seal_unsealed_events") >= 1.0, "{}", scrape.text);
    assert!((0.0..60.0).contains(&value("primetrade_seal_oldest_unsealed_age_seconds")), "{}", scrape.text);
    assert!(value("primetrade_outbox_emails") >= 1.0, "{}", scrape.text);
    assert!(value("primetrade_outbox_oldest_email_age_seconds") >= 120.0, "{}", scrape.text);
    // One of the two is off, and what waits for it counts for nothing.
    assert_eq!((value("primetrade_webhook_messages"), value("primetrade_webhook_failing_webhooks")), (1.0, 1.0));
    assert!(value("primetrade_webhook_oldest_message_age_seconds") >= 100.0, "{}", scrape.text);
    open.batch_execute("LOCK TABLE mails IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let begun = std::time::Instant::now();
    let scrape = app.scrape().await;
    assert!((1.5..5.0).contains(&begun.elapsed().as_secs_f64()), "{:?}", begun.elapsed());
    assert_eq!(scrape.value("primetrade_database_up"), Some(0.0));
    open.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(app.scrape().await.value("primetrade_database_up"), Some(1.0));
}

/// The names of metrics in a text.
fn metric_names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| ["primetrade_", "process_"].iter().any(|prefix| word.starts_with(prefix))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_of_alerts_dashboard_and_docs_exist() {
    let (app, _smtp) = App::with_metrics().await;
    use_everything(&app).await;
    app.sql("ALTER TABLE bols RENAME COLUMN lot TO lot_").await;
    assert_eq!(app.acme().await.get("/bols").await.status, 500, "a statement fails");
    let scrape = app.scrape().await;
    let exist = scrape.names();
    for path in ["deploy/prometheus/alerts.yml", "deploy/prometheus/alerts_test.yml", "deploy/grafana/primetrade.json"]
    {
        let text = file(path);
        let named = metric_names(&text);
        assert!(named.len() > 10, "{path} names only {named:?}");
        let unknown: Vec<_> = named.difference(&exist).collect();
        assert!(unknown.is_empty(), "{path} names metrics that no scrape has: {unknown:?}");
    }
    let page = file("docs/operations.md");
    let table = page.split_once("### Every metric").expect("docs/operations.md: a heading \"Every metric\"").1;
    let table = table.split("\n#").next().unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let documented: BTreeSet<String> = rows.map(ToOwned::to_owned).collect();
    assert_eq!(documented, scrape.documented_names(), "docs/operations.md, \"Every metric\"");
}

/// The rules say what they should, and every expression of the dashboard is one.
#[test]
fn the_alert_rules_and_the_dashboard_pass_promtool() {
    let Some(promtool) = promtool() else { return };
    let run = |arguments: &[&str]| {
        let output = std::process::Command::new(&promtool)
            .args(arguments)
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus"))
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
        assert!(output.status.success(), "{arguments:?}: {said}");
    };
    run(&["check", "rules", "alerts.yml"]);
    run(&["test", "rules", "alerts_test.yml"]);
    let dashboard: serde_json::Value = serde_json::from_str(&file("deploy/grafana/primetrade.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let rules: Vec<_> = targets
        .enumerate()
        .map(|(n, target)| {
            let expr = target["expr"].as_str().unwrap().replace("$__rate_interval", "5m").replace("$job", "primetrade");
            serde_json::json!({"record": format!("panel:{n}"), "expr": expr})
        })
        .collect();
    assert!(rules.len() > 30);
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("dashboard.yml");
    // YAML contains JSON.
    std::fs::write(&path, serde_json::json!({"groups": [{"name": "dashboard", "rules": rules}]}).to_string()).unwrap();
    run(&["check", "rules", path.to_str().unwrap()]);
}
