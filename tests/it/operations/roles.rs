//! Two database roles: the owner migrates and purges, and a role that owns nothing serves.

use diesel_async::SimpleAsyncConnection;
use primetrade::audit::months;
use primetrade::db::{self, guard};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::{
    App, Environment, Program, database_of, execute, fresh_database, migrated_database, run, secret_key, with_variables,
};

/// What the serving role may not do, and how Postgres refuses it.
const REFUSED: [(&str, &str); 14] = [
    ("DROP TRIGGER audit_events_no_change ON audit_events", "must be owner of relation audit_events"),
    ("ALTER TABLE audit_events DISABLE TRIGGER USER", "must be owner of table audit_events"),
    ("ALTER TABLE audit_leaves DISABLE TRIGGER ALL", "must be owner of table audit_leaves"),
    ("DROP POLICY own_bols ON bols", "must be owner of relation bols"),
    ("ALTER TABLE bols DISABLE ROW LEVEL SECURITY", "must be owner of table bols"),
    ("CREATE RULE swallow AS ON INSERT TO audit_events DO INSTEAD NOTHING", "must be owner of table audit_events"),
    ("UPDATE audit_events SET action = 'X'", "permission denied for table audit_events"),
    ("DELETE FROM audit_events", "permission denied for table audit_events"),
    ("TRUNCATE audit_events", "permission denied for table audit_events"),
    ("DELETE FROM audit_events_other", "permission denied for table audit_events_other"),
    ("UPDATE audit_checkpoints SET note = ''", "permission denied for table audit_checkpoints"),
    (
        "INSERT INTO audit_events (occurred_at, action, outcome) VALUES ('2020-01-01', 'X', 'success')",
        "permission denied for table audit_events",
    ),
    ("SELECT key FROM scope_key", "permission denied for table scope_key"),
    ("CREATE TABLE mine (a int)", "permission denied for schema public"),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_role_that_serves_cannot_change_the_log_or_its_protection() {
    let app = App::start().await;
    let mut server = db::connect(&app.config().database_url.unwrap()).await.unwrap();
    for (sql, told) in REFUSED {
        let refused = server.batch_execute(sql).await.expect_err(sql).to_string();
        assert!(refused.contains(told), "{sql}: {refused}");
    }
    assert!(!guard::is_owner(&mut server).await.unwrap());
    // What it needs of the owner, it gets through a function.
    server.batch_execute("SELECT audit_prepare_months('2031-01-01', 2)").await.unwrap();
    assert!(server.batch_execute("DELETE FROM audit_events_2031_01").await.is_err());
}

/// The partitions of the log, without the default one.
const MONTHS: &str = "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
     WHERE i.inhparent = 'audit_events'::regclass AND c.relname <> 'audit_events_other' ORDER BY 1";

/// Each partition costs whoever looks for an event, so there are no more.
#[tokio::test(flavor = "multi_thread")]
async fn the_role_that_serves_prepares_this_month_and_the_next_two() {
    let app = App::start().await;
    let prepared = app.rows(MONTHS).await;
    assert_eq!(prepared.len(), 3, "{prepared:?}");
    app.sql(&format!("DROP TABLE {}", prepared[1])).await;
    let mut server = db::connect(&app.config().database_url.unwrap()).await.unwrap();
    for _ in 0..2 {
        months::prepare(&mut server).await.unwrap();
        assert_eq!(app.rows(MONTHS).await, prepared);
    }
    // Only the preparation gives up a lock so soon.
    server.batch_execute("DO $$ BEGIN ASSERT current_setting('lock_timeout') <> '300ms'; END $$").await.unwrap();
}

fn environment(owner: &str, server: &str) -> Environment {
    vec![
        ("MIGRATE_DATABASE_URL", owner.to_owned()),
        ("DATABASE_URL", server.to_owned()),
        ("SECRET_KEY", secret_key()),
        ("PORT", "0".to_owned()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn migrate_makes_the_role_that_serves() {
    let owner = fresh_database().await;
    let server = owner.as_str().replace("primetrade@", "portal_of_a_test:pig-iron@");
    let two = environment(owner.as_str(), &server);
    let (code, told, _) = run(&two, &["migrate"]).await;
    assert!(code == 0 && told.ends_with("portal_of_a_test may serve\n"), "{told}");
    assert_eq!(run(&two, &["migrate"]).await.1, "nothing to apply: the database is up to date\n");
    let (code, told, _) = run(&two, &["check"]).await;
    assert!(code == 0 && told.contains("ok    role            portal_of_a_test serves and owns nothing"), "{told}");
    let folder = TempDir::new().unwrap();
    let mut program = Program::start(folder.path(), &two, &["serve"]);
    program.address().await;
    program.signal(Signal::TERM);
    assert_eq!(program.end().await.0, Some(0));
    // Only the owner purges.
    let retention = [("AUDIT_RETENTION_YEARS", "1")];
    let (code, told, _) = run(&with_variables(two.clone(), &retention), &["audit", "purge", "--yes"]).await;
    assert!(code == 0 && told.ends_with("0 events removed, 0 partitions dropped\n"), "{told}");

    // One role stays possible, with a warning.
    let one = environment("", owner.as_str());
    let (code, told, _) = run(&one, &["check"]).await;
    assert!(code == 0 && told.contains("warn  role            primetrade owns the tables"), "{told}");
    // What differs from the migrations is named.
    execute(&owner, "GRANT DELETE ON audit_events TO CURRENT_USER").await;
    let (code, told, _) = run(&one, &["check"]).await;
    assert!(code == 1 && told.contains("FAIL  rights          primetrade may DELETE audit_events"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_names_missing_migrations_and_writes_nothing() {
    let owner = fresh_database().await;
    let (code, told, _) = run(&environment("", owner.as_str()), &["check", "--json"]).await;
    let lines: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!((code, &lines[1]["check"], &lines[1]["result"]), (1, &"migrations".into(), &"fail".into()));
    let tables = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert!(crate::support::rows(&owner, tables).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_without_rights_over_roles_learns_what_a_superuser_has_to_run() {
    let owner = database_of("modest_owner").await;
    let superuser = owner.as_str().replace("modest_owner@", "postgres@").parse().unwrap();
    // Another owner of the cluster has created the portal's roles.
    migrated_database().await;
    execute(&superuser, "ALTER ROLE modest_owner NOCREATEROLE; CREATE ROLE modest_server LOGIN").await;
    let server = owner.as_str().replace("modest_owner@", "modest_server@");
    let two = environment(owner.as_str(), &server);
    for (told, remedy) in [
        ("roles of the portal", "GRANT portal_customer TO modest_owner"),
        ("modest_server of DATABASE_URL can't be set up", "GRANT portal_server TO modest_server"),
        ("no idle_in_transaction_session_timeout", "ALTER ROLE modest_server IN DATABASE"),
    ] {
        let (code, _, error) = run(&two, &["migrate"]).await;
        assert!(code == 1 && error.contains(told) && error.contains(remedy), "{error}");
        let statements = error.split_once("run: ").unwrap().1.split("; then run").next().unwrap();
        execute(&superuser, statements).await;
    }
    let (code, told, error) = run(&two, &["migrate"]).await;
    assert!(code == 0 && told.ends_with("up to date\n"), "{told}{error}");
    assert_eq!(run(&two, &["check"]).await.0, 0);
}
