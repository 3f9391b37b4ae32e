//! The command line: exit codes, messages, and what scripts read.

use std::collections::BTreeMap;

use primetrade::db;
use rustix::process::Signal;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support::{
    Actor, App, BolRow, CustomerRow, DocumentRow, PASSWORD, Program, World, fresh_database, migrated_database,
    primetrade, rows, secret_key,
};

fn environment(pairs: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_configuration_is_reported_all_at_once_with_exit_code_2() {
    let output = primetrade(
        &environment(&[
            ("DATABASE_URL", "mysql://user:pass-word@host/x"),
            ("PORT", "eighty"),
            ("USE_S3", "true"),
            ("DOWNLOAD_URL_TTL_SECONDS", "604801"),
            ("SECRET_KEY", "short-and-secret"),
        ]),
        &["serve"],
        "",
    )
    .await;
    assert_eq!(output.status.code(), Some(2));
    let lines: Vec<String> = text(&output.stderr).lines().map(Into::into).collect();
    for name in ["DATABASE_URL", "PORT", "AWS_STORAGE_BUCKET_NAME", "DOWNLOAD_URL_TTL_SECONDS", "SECRET_KEY"] {
        assert_eq!(lines.iter().filter(|line| line.starts_with(&format!("{name}: "))).count(), 1, "{name}: {lines:?}");
    }
    assert_eq!(lines.len(), 5);
    assert!(!text(&output.stderr).contains("pass-word") && !text(&output.stderr).contains("short-and-secret"));
    assert!(output.stdout.is_empty());
    for arguments in [&["serve", "--nonsense"][..], &["no-such-command"], &["seed", "--customers", "0"], &[]] {
        assert_eq!(primetrade(&[], arguments, "").await.status.code(), Some(2), "{arguments:?}");
    }
    for command in ["serve", "demo", "migrate", "seed", "user", "customer"] {
        let help = primetrade(&[], &[command, "--help"], "").await;
        assert!(help.status.success() && text(&help.stdout).contains("Usage: primetrade"), "{command}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dotenv_file_is_read_and_the_environment_wins() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join(".env"), "PORT=wrong\nDATABASE_URL=\"postgres://u:p@h/d\"\n# a remark\n")
        .unwrap();
    let program = Program::start(folder.path(), &environment(&[("SECRET_KEY", &secret_key())]), &["serve"]);
    let (code, stderr) = program.end().await;
    assert_eq!(code, Some(2));
    assert_eq!(stderr.trim(), "PORT: found \"wrong\", allowed is a whole number from 0 to 65535");
    std::fs::write(folder.path().join(".env"), "PORT=wrong\nthis is = not a line\n\"").unwrap();
    let (code, _) = Program::start(folder.path(), &[], &["serve"]).end().await;
    assert_eq!(code, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_refuses_a_schema_that_migrate_has_not_updated() {
    let url = fresh_database().await;
    let environment = environment(&[("DATABASE_URL", url.as_str()), ("SECRET_KEY", &secret_key()), ("PORT", "0")]);
    let refused = primetrade(&environment, &["serve"], "").await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("run: primetrade migrate"), "{}", text(&refused.stderr));
    let left = rows(&url, "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace").await;
    assert!(left.is_empty(), "the database may be another program's: {left:?}");
    let first = primetrade(&environment, &["migrate"], "").await;
    assert!(first.status.success() && text(&first.stdout).lines().count() >= 5, "{}", text(&first.stdout));
    let second = primetrade(&environment, &["migrate"], "").await;
    assert_eq!(text(&second.stdout).trim(), "nothing to apply: the database is up to date");
    let away = primetrade(
        &[("DATABASE_URL", "postgres://nobody:pass-word@127.0.0.1:1/x".into()), ("SECRET_KEY", secret_key())],
        &["serve"],
        "",
    )
    .await;
    assert_eq!(away.status.code(), Some(1));
    assert!(text(&away.stderr).contains("DATABASE_URL") && !text(&away.stderr).contains("pass-word"));
}

#[tokio::test(flavor = "multi_thread")]
async fn customers_and_users_are_created_listed_disabled_and_enabled() {
    let app = App::start().await;
    let run = async |arguments: &[&str], input: &str| {
        let output = primetrade(app.environment(), arguments, input).await;
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    };
    assert_eq!(run(&["customer", "create", "--code", "FORGE", "--name", "Forge & Söhne"], "").await.0, 0);
    assert_eq!(run(&["customer", "create", "--code", "FORGE", "--name", "Again"], "").await.0, 1);
    assert_eq!(run(&["customer", "create", "--code", "forge", "--name", "Small"], "").await.0, 2);
    assert_eq!(run(&["customer", "create", "--code", "NONAME", "--name", " "], "").await.0, 2);
    let (_, list, _) = run(&["customer", "list"], "").await;
    assert!(list.contains("FORGE             Forge & Söhne"), "{list}");
    let json: serde_json::Value = serde_json::from_str(&run(&["customer", "list", "--json"], "").await.1).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 3);

    let create = [
        "user",
        "create",
        "--email",
        "Smith@Forge.example",
        "--name",
        "Smith",
        "--role",
        "customer",
        "--customer",
        "FORGE",
        "--password-stdin",
    ];
    assert_eq!(run(&create, "short\n").await.0, 2);
    assert_eq!(run(&create, "passwordpassword\n").await.0, 2);
    assert_eq!(run(&create, "a hammer and two tongs\n").await.0, 0);
    assert_eq!(run(&create, "a hammer and two tongs\n").await.0, 1, "there already");
    let actor = app.stranger().log_in("smith@forge.example", "a hammer and two tongs").await;
    for (arguments, code) in [
        (&["user", "create", "--email", "x@y.example", "--name", "X", "--role", "customer"][..], 2),
        (&["user", "create", "--email", "x@y.example", "--name", "X", "--role", "office", "--customer", "FORGE"], 2),
        (&["user", "create", "--email", "x@y.example", "--name", "X", "--role", "customer", "--customer", "NONE"], 1),
        (&["user", "create", "--email", "not an address", "--name", "X", "--role", "office"], 2),
        (&["user", "create", "--email", "x@y.example", "--name", "X", "--role", "root"], 2),
        (&["user", "disable", "nobody@nowhere.example"], 1),
    ] {
        assert_eq!(run(arguments, "").await.0, code, "{arguments:?}");
    }
    assert_eq!(run(&["user", "disable", "SMITH@forge.example"], "").await.0, 0);
    assert_eq!(actor.get("/bols").await.status, 303, "out at once");
    assert_eq!(run(&["user", "enable", "smith@forge.example"], "").await.0, 0);
    assert_eq!(actor.get("/bols").await.status, 303, "its old session stays ended");
    app.stranger().log_in("smith@forge.example", "a hammer and two tongs").await;
    let (_, users, _) = run(&["user", "list"], "").await;
    assert!(
        users
            .lines()
            .any(|line| line.starts_with("Smith@forge.example") && line.contains("active") && line.ends_with("FORGE")),
        "{users}"
    );
    let users: serde_json::Value = serde_json::from_str(&run(&["user", "list", "--json"], "").await.1).unwrap();
    assert!(users.as_array().unwrap().iter().any(|user| user["state"] == "no password yet"));
    let events = app.events().await.filter(|event| event.email() == "command line");
    assert_eq!(events.actions(), ["CUSTOMER_CREATED", "USER_INVITED", "USER_DISABLED", "USER_ENABLED"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn seed_is_the_same_every_time_and_goes_into_an_empty_database_only() {
    let mut seen = Vec::new();
    for _ in 0..2 {
        let url = migrated_database().await;
        let media = TempDir::new().unwrap();
        let environment =
            environment(&[("DATABASE_URL", url.as_str()), ("MEDIA_ROOT", media.path().to_str().unwrap())]);
        let output = primetrade(&environment, &["seed", "--customers", "3", "--bols", "25", "--json"], "").await;
        assert!(output.status.success(), "{}", text(&output.stderr));
        let logins: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        for login in logins["logins"].as_array().unwrap() {
            for field in ["role", "email", "password", "customers"] {
                assert!(!login[field].is_null(), "{login}");
            }
        }
        let mut connection = db::connect(&url).await.unwrap();
        assert_eq!(CustomerRow::all(&mut connection).await.len(), 3);
        let bols = BolRow::all(&mut connection).await;
        let documents = DocumentRow::all(&mut connection).await;
        assert_eq!(bols.len(), 25);
        let waiting = documents.iter().filter(|document| document.bol_id.is_none()).count();
        assert!((11..=12).contains(&waiting), "{waiting} documents in the inbox");
        for document in &documents {
            let bytes = std::fs::read(media.path().join(&document.object_key)).unwrap();
            assert_eq!((bytes.len() as i64, &*Sha256::digest(&bytes)), (document.size_bytes, &*document.sha256));
        }
        let bols = bols.into_iter().map(|bol| (bol.number, bol.customer_name, bol.net_lb, bol.truck_number));
        let sums: BTreeMap<_, _> =
            documents.into_iter().map(|document| (document.object_key, document.sha256)).collect();
        seen.push((output.stdout, bols.collect::<Vec<_>>(), sums));
        let again = primetrade(&environment, &["seed"], "").await;
        assert_eq!((again.status.code(), text(&again.stderr).contains("already has BOLs")), (Some(1), true));
        crate::support::execute(&url, "TRUNCATE bols CASCADE").await;
        let again = primetrade(&environment, &["seed"], "").await;
        assert_eq!((again.status.code(), text(&again.stderr).contains("already has users")), (Some(1), true));
    }
    assert_eq!(seen[0], seen[1]);
}

/// Dated back, and yet nothing that a verification has to excuse.
#[tokio::test(flavor = "multi_thread")]
async fn the_seeded_log_has_a_year_of_events_and_passes_every_verification() {
    let url = migrated_database().await;
    let media = TempDir::new().unwrap();
    let (key, root) = (secret_key(), media.path().to_str().unwrap());
    let environment_of =
        |url: &str| environment(&[("DATABASE_URL", url), ("MEDIA_ROOT", root), ("SECRET_KEY", key.as_ref())]);
    let environment = environment_of(url.as_str());
    let seeded = primetrade(&environment, &["seed", "--customers", "3", "--bols", "60"], "").await;
    assert!(text(&seeded.stderr).contains("events of the access log"), "{}", text(&seeded.stderr));
    let verify = async || {
        let verified = primetrade(&environment, &["audit", "verify", "--strict"], "").await;
        let said = format!("{}{}", text(&verified.stdout), text(&verified.stderr));
        assert!(verified.status.success() && !said.contains("earlier"), "{said}");
        said
    };
    let first = verify().await;
    assert!(first.contains("0 sealed, "), "{first}");
    // Each run seals all events at its end, and the next one verifies the seals. An open transaction of another test holds up
    // the newest seals, because all tests share a cluster.
    let mut said = verify().await;
    for _ in 0..20 {
        if said.contains(" sealed, 0 waiting") {
            break;
        }
        said = verify().await;
    }
    assert!(said.contains(" sealed, 0 waiting"), "{said}");
    let exported = primetrade(&environment, &["audit", "export", "--format", "jsonl"], "").await;
    let lines: Vec<serde_json::Value> =
        text(&exported.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let samples: Vec<_> = lines.iter().filter(|event| event["detail"]["sample"] == true).collect();
    let month = |event: &&serde_json::Value| event["occurred_at"].as_str().unwrap()[..7].to_owned();
    let months: std::collections::BTreeSet<_> = samples.iter().map(month).collect();
    assert!(samples.len() > 200 && months.len() >= 12, "{} events in {months:?}", samples.len());
    let downloads = samples.iter().filter(|event| event["action"] == "BOL_DOWNLOADED");
    assert!(downloads.clone().count() > 10 && downloads.clone().all(|event| event["sha256"].is_string()));
    // A log that has events gets none that are older.
    let url = migrated_database().await;
    crate::support::execute(&url, "INSERT INTO audit_events (action, outcome) VALUES ('X', 'success')").await;
    let seeded = primetrade(&environment_of(url.as_str()), &["seed", "--customers", "3", "--bols", "60"], "").await;
    assert!(text(&seeded.stderr).contains("it got no sample history"), "{}", text(&seeded.stderr));
}

/// Two processes on one database: log in on one, log out on the other, and a clean stop by SIGTERM.
#[tokio::test(flavor = "multi_thread")]
async fn two_servers_share_sessions_and_stop_cleanly() {
    let app = App::start().await;
    let folder = TempDir::new().unwrap();
    let mut one = Program::start(folder.path(), app.environment(), &["serve"]);
    let mut two = Program::start(folder.path(), app.environment(), &["serve"]);
    let (first, second) = (one.address().await, two.address().await);
    let here = Actor::new(&first).log_in(World::ACME, PASSWORD).await;
    let there = here.at(&second);
    assert_eq!(there.get("/bols").await.status, 200);
    let link = there.get(&format!("/bols/{}/download", World::ACME_BOL)).await;
    assert_eq!(here.get(link.header("location")).await.status, 200);
    there.post("/logout", &[]).await;
    assert_eq!(here.get("/bols").await.status, 303);
    for (program, signal) in [(one, Signal::TERM), (two, Signal::INT)] {
        program.signal(signal);
        let (code, log) = program.end().await;
        assert_eq!(code, Some(0), "{log}");
        assert!(!log.contains("before every fetch is recorded"), "waited in vain for fetches to record:\n{log}");
        // One line for each request, without secrets.
        assert!(log.contains("path=\"/bols\"") || log.contains("path=/bols"), "{log}");
        for secret in ["signature", PASSWORD, "sessionid", &secret_key()[..16]] {
            assert!(!log.contains(secret), "{secret} in\n{log}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn running_requests_finish_when_the_server_stops() {
    let app = App::start().await;
    let folder = TempDir::new().unwrap();
    let mut program = Program::start(folder.path(), app.environment(), &["serve"]);
    let actor = Actor::new(&program.address().await).log_in(World::ACME, PASSWORD).await;
    // A failed login takes a second, which is enough time to stop the server during it.
    let slow = tokio::spawn(async move {
        actor.post("/login", &[("email", World::ACME), ("password", "not my password at all")]).await.status
    });
    tokio::time::sleep(std::time::Duration::from_millis(400)).await;
    program.signal(Signal::TERM);
    assert_eq!(slow.await.unwrap(), 422);
    assert_eq!(program.end().await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn json_logs_have_one_line_for_each_request() {
    let app = App::start().await;
    let folder = TempDir::new().unwrap();
    let mut environment = app.environment().to_vec();
    environment.push(("LOG_FORMAT", "json".into()));
    let mut program = Program::start(folder.path(), &environment, &["serve"]);
    let actor = Actor::new(&program.address().await);
    let id = actor.get("/login?next=/secret-query").await.header("x-request-id").to_owned();
    program.signal(Signal::TERM);
    let (_, log) = program.end().await;
    let lines: Vec<serde_json::Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let request: Vec<_> = lines.iter().filter(|line| line["request_id"] == id.as_str()).collect();
    assert_eq!(request.len(), 1, "{log}");
    assert_eq!((request[0]["path"].as_str(), request[0]["status"].as_i64()), (Some("/login"), Some(200)));
    assert!(!log.contains("secret-query"));
}
