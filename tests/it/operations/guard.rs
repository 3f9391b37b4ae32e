//! Grants, triggers, rules and policies are compared with what the migrations made, named, and mended.

use std::ffi::OsString;

use diesel_async::SimpleAsyncConnection;
use primetrade::config::DatabaseUrl;
use primetrade::db::guard::{self, Concern};
use primetrade::db::{self};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::{App, Program, database_of, execute, migrated_database, run, with_variables};

async fn differences(url: &DatabaseUrl) -> Vec<(Concern, String)> {
    let mut connection = db::connect(url).await.unwrap();
    let found = guard::differences(&mut connection).await.unwrap();
    found.into_iter().map(|found| (found.concern, found.what)).collect()
}

/// Statements of an owner, what they put at risk, and what is named.
const CHANGES: [(&str, Concern, &str); 23] = [
    ("GRANT DELETE ON audit_events TO CURRENT_USER", Concern::Ledger, "primetrade may DELETE audit_events"),
    ("GRANT ALL ON audit_leaves TO CURRENT_USER", Concern::Ledger, "primetrade may TRUNCATE audit_leaves"),
    (
        "GRANT UPDATE (action) ON audit_events TO CURRENT_USER",
        Concern::Ledger,
        "primetrade may UPDATE (action) audit_events",
    ),
    (
        "GRANT UPDATE (note) ON audit_checkpoints TO PUBLIC",
        Concern::Ledger,
        "PUBLIC may UPDATE (note) audit_checkpoints",
    ),
    ("GRANT INSERT ON audit_events_other TO PUBLIC", Concern::Ledger, "PUBLIC may INSERT audit_events_other"),
    ("GRANT INSERT ON audit_events TO portal_customer", Concern::Ledger, "portal_customer may INSERT audit_events"),
    (
        "ALTER TABLE audit_events DISABLE TRIGGER audit_events_no_change",
        Concern::Ledger,
        "the trigger audit_events_no_change on audit_events is off",
    ),
    (
        "ALTER TABLE audit_events_other DISABLE TRIGGER USER",
        Concern::Ledger,
        "the trigger audit_events_no_truncate on audit_events_other is off",
    ),
    (
        "DROP TRIGGER audit_leaves_no_change ON audit_leaves",
        Concern::Ledger,
        "the trigger audit_leaves_no_change on audit_leaves is missing",
    ),
    (
        "DROP TRIGGER audit_events_no_change ON audit_events; CREATE TRIGGER audit_events_no_change BEFORE DELETE ON audit_events \
         FOR EACH ROW EXECUTE FUNCTION audit_events_are_append_only()",
        Concern::Ledger,
        "the trigger audit_events_no_change on audit_events is not the one of the migrations",
    ),
    (
        "CREATE OR REPLACE FUNCTION audit_events_are_append_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        Concern::Ledger,
        "the function audit_events_are_append_only is not the one of the migrations",
    ),
    (
        "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
         CREATE TRIGGER swallow BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION swallow()",
        Concern::Ledger,
        "audit_events has a trigger that the migrations didn't make: swallow",
    ),
    (
        "CREATE RULE swallow AS ON INSERT TO audit_leaves DO INSTEAD NOTHING",
        Concern::Ledger,
        "audit_leaves has a rule: swallow",
    ),
    ("ALTER TABLE bols DISABLE ROW LEVEL SECURITY", Concern::Isolation, "row security of bols is off"),
    ("DROP POLICY own_documents ON documents", Concern::Isolation, "the policy own_documents on documents is missing"),
    (
        "ALTER POLICY own_bols ON bols USING (true)",
        Concern::Isolation,
        "the policy own_bols on bols is not the one of the migrations",
    ),
    (
        "CREATE POLICY more ON bols USING (true)",
        Concern::Isolation,
        "bols has a policy that the migrations didn't make: more",
    ),
    ("GRANT SELECT ON users TO portal_customer", Concern::Isolation, "portal_customer may SELECT users"),
    ("GRANT SELECT ON sessions TO PUBLIC", Concern::Isolation, "PUBLIC may SELECT sessions"),
    (
        "ALTER TABLE documents DISABLE TRIGGER documents_customer",
        Concern::Isolation,
        "the trigger documents_customer on documents is off",
    ),
    ("GRANT EXECUTE ON FUNCTION portal_enter TO PUBLIC", Concern::Isolation, "PUBLIC may call portal_enter"),
    (
        "CREATE OR REPLACE FUNCTION portal_customer_ids() RETURNS bigint[] LANGUAGE sql STABLE AS 'SELECT ARRAY[1, 2]'",
        Concern::Isolation,
        "the function portal_customer_ids is not the one of the migrations",
    ),
    ("REVOKE SELECT ON documents FROM portal_customer", Concern::Service, "portal_customer may not SELECT documents"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_difference_from_the_migrations_is_named_and_mended() {
    let url = migrated_database().await;
    assert_eq!(differences(&url).await, []);
    for (sql, concern, what) in CHANGES {
        execute(&url, sql).await;
        let found = differences(&url).await;
        assert!(found.contains(&(concern, what.to_owned())), "{sql}: {found:?}");
        let mended = guard::mend(&url).await.unwrap();
        assert!(mended.iter().any(|mended| mended.what == what), "{sql}: {mended:?}");
        assert_eq!(differences(&url).await, [], "{sql}");
        assert!(guard::mend(&url).await.unwrap().is_empty(), "twice does nothing");
    }
}

/// Dumps a database and restores it into one of another owner.
async fn restored(app: &App) -> DatabaseUrl {
    let url = database_of("other_owner").await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("portal.dump").into_os_string();
    let mut output = OsString::from("--file=");
    output.push(&file);
    for (program, arguments) in [
        ("pg_dump", vec!["--format=custom".into(), output, app.database.as_str().into()]),
        ("pg_restore", vec!["--no-owner".into(), format!("--dbname={}", url.as_str()).into(), file]),
    ] {
        let done = tokio::process::Command::new(program).args(arguments).output().await.unwrap();
        assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
    }
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_restored_under_another_owner_is_named_and_mended() {
    let app = App::start().await;
    app.acme().await.get("/bols").await;
    app.sealed().await;
    let url = restored(&app).await;
    let environment =
        with_variables(app.environment().to_vec(), &[("DATABASE_URL", url.as_str()), ("MIGRATE_DATABASE_URL", "")]);
    let verify = ["audit", "verify", "--database-only"];
    let (code, told, _) = run(&environment, &verify).await;
    let named = "first difference: the database differs from what the migrations made: other_owner may DELETE audit_";
    assert!(code == 1 && told.starts_with(named) && told.contains("other_owner may UPDATE audit_events."), "{told}");
    let (code, _, told) = run(&environment, &["serve"]).await;
    assert!(code == 1 && told.contains("the access log is not protected: other_owner may DELETE"), "{told}");

    let (code, told, _) = run(&environment, &["migrate"]).await;
    assert!(code == 0 && told.contains("mended: other_owner may DELETE audit_events\n"), "{told}");
    assert_eq!(differences(&url).await, []);
    let mut owner = db::connect(&url).await.unwrap();
    for change in ["UPDATE audit_events SET action = 'X'", "DELETE FROM audit_events", "TRUNCATE audit_events"] {
        let refused = owner.batch_execute(change).await.unwrap_err().to_string();
        assert!(refused.contains("permission denied for table audit_events"), "{change}: {refused}");
    }
    let (code, told, _) = run(&environment, &verify).await;
    assert!(code == 0 && told.ends_with("everything matches what was sealed\n"), "{told}");
    let folder = TempDir::new().unwrap();
    let mut server = Program::start(folder.path(), &environment, &["serve"]);
    server.address().await;
    server.signal(Signal::TERM);
    assert_eq!(server.end().await.0, Some(0));
}
