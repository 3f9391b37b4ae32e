//! Migrations, constraints and triggers.

use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use primetrade::db::{self, Database, DbResult, migrations};

use crate::support::{App, World, execute, fresh_database, migrated_database, rows};

/// Everything in the database: tables, columns, indexes, constraints, functions, triggers, policies, grants.
const INVENTORY: &str = "
    SELECT 'column ' || table_name || '.' || column_name || ' ' || data_type || ' ' || coalesce(column_default, '') AS it
        FROM information_schema.columns WHERE table_schema = 'public' AND table_name !~ '^audit_events_[0-9]'
    UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename !~ '^audit_events_[0-9]'
    UNION ALL SELECT 'constraint ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text !~ '^audit_events_[0-9]'
    UNION ALL SELECT 'function ' || proname || ' ' || md5(prosrc) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
    UNION ALL SELECT 'trigger ' || tgname || ' ' || tgrelid::regclass FROM pg_trigger WHERE NOT tgisinternal
        AND tgrelid::regclass::text !~ '^audit_events_[0-9]'
    UNION ALL SELECT 'policy ' || policyname || ' ' || coalesce(qual, '') FROM pg_policies
    UNION ALL SELECT 'grant ' || grantee || ' ' || table_name || ' ' || privilege_type FROM information_schema.role_table_grants
        WHERE table_schema = 'public' AND grantee = 'portal_customer'
    ORDER BY 1";

#[tokio::test(flavor = "multi_thread")]
async fn migrations_go_down_and_up_again_to_the_same_schema() {
    let url = fresh_database().await;
    let names = migrations::apply(&url).await.unwrap();
    assert!(names.len() >= 5, "{names:?}");
    assert!(migrations::apply(&url).await.unwrap().is_empty(), "twice does nothing");
    let before = rows(&url, INVENTORY).await;
    assert!(before.len() > 100, "{}", before.len());
    assert_eq!(migrations::revert_all(&url).await.unwrap(), names.len());
    let left = rows(&url, &format!("SELECT it FROM ({INVENTORY}) i WHERE it NOT LIKE '%diesel%'")).await;
    assert!(left.is_empty(), "{left:?}");
    migrations::apply(&url).await.unwrap();
    assert_eq!(rows(&url, INVENTORY).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_migrate_at_once_take_turns() {
    let url = fresh_database().await;
    let at_once = (0..4).map(|_| {
        let url = url.clone();
        tokio::spawn(async move { migrations::apply(&url).await.map_err(|error| error.to_string()) })
    });
    let applied: usize =
        futures_util::future::join_all(at_once).await.into_iter().map(|done| done.unwrap().unwrap().len()).sum();
    assert_eq!(applied, rows(&url, "SELECT version FROM __diesel_schema_migrations").await.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn constraints_refuse_impossible_rows() {
    let url = migrated_database().await;
    execute(&url, "INSERT INTO customers (code, name) VALUES ('ACME', 'Acme')").await;
    let bol = |columns: &str, values: &str| {
        format!(
            "INSERT INTO bols (number, number_year, number_seq, bol_date, product, {columns}) VALUES ('PRT-2025-0001', 2025, 1, '2025-01-01', 'x', {values})"
        )
    };
    for (sql, constraint) in [
        (bol("net_lb", "0"), "bols_net_positive"),
        (bol("net_lb, gross_lb, tare_lb", "10, 30, 21"), "bols_net_is_gross_less_tare"),
        (bol("net_lb, gross_lb", "10, 30"), "bols_net_is_gross_less_tare"),
        (bol("net_lb, tare_lb", "10, 30"), "bols_net_is_gross_less_tare"),
        (bol("net_lb, carrier_scac", "10, 'abcd'"), "bols_scac_format"),
        (bol("net_lb, freight_terms", "10, 'free'"), "bols_freight_terms_known"),
        (bol("net_lb, voided_at", "10, now()"), "bols_void_has_reason"),
        ("INSERT INTO customers (code, name) VALUES ('acme', 'Acme')".into(), "customers_code_format"),
        ("INSERT INTO customers (code, name) VALUES ('ACME', 'Acme')".into(), "customers_code_unique"),
        ("INSERT INTO users (email, name, role) VALUES ('a b', 'x', 'office')".into(), "users_email_format"),
        ("INSERT INTO users (email, name, role) VALUES ('a@b', 'x', 'root')".into(), "users_role_known"),
        (
            "INSERT INTO users (email, name, role) VALUES ('a@b', 'x', 'office'), ('A@B', 'x', 'office')".into(),
            "users_email_unique",
        ),
    ] {
        let mut connection = db::connect(&url).await.unwrap();
        let error = connection.batch_execute(&sql).await.expect_err(&sql).to_string();
        assert!(error.contains(constraint), "{sql}: {error}");
    }
}

/// One transaction assigns the BOL while another one stores its document.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_stored_while_its_bol_is_assigned_gets_the_new_customer() {
    let app = App::start().await;
    let bol = app.bol(World::ACME_BARE).await.id;
    let insert = |kind: &str| {
        format!(
            "INSERT INTO documents (bol_id, kind, version, object_key, file_name, sha256, size_bytes, state, stored_at)
             VALUES ({bol}, '{kind}', 1, 'x/{kind}', 'x.pdf', sha256('x'), 1, 'stored', now())"
        )
    };
    let mut one = db::connect(&app.database).await.unwrap();
    let assign = format!("BEGIN; UPDATE bols SET customer_id = {} WHERE id = {bol}", app.world.rival);
    one.batch_execute(&assign).await.unwrap();
    let (url, sql) = (app.database.clone(), insert("invoice"));
    let other = tokio::spawn(async move { db::connect(&url).await.unwrap().batch_execute(&sql).await });
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    one.batch_execute("COMMIT").await.unwrap();
    other.await.unwrap().unwrap();
    let invoices = app.documents_of_kind("invoice").await;
    let customers: Vec<_> = invoices.iter().map(|document| document.customer_id).collect();
    assert_eq!(customers, [Some(app.world.rival)]);

    // Two documents stored at once keep both kinds.
    one.batch_execute(&format!("BEGIN; {}", insert("packing-list"))).await.unwrap();
    let (url, sql) = (app.database.clone(), insert("signed-bol"));
    let other = tokio::spawn(async move { db::connect(&url).await.unwrap().batch_execute(&sql).await });
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    one.batch_execute("COMMIT").await.unwrap();
    other.await.unwrap().unwrap();
    let kinds = app.bol(World::ACME_BARE).await.document_kinds;
    assert_eq!(kinds, ["invoice", "packing-list", "signed-bol"]);
}

/// The role itself limits the time of statements, without any setting of the connection.
#[tokio::test(flavor = "multi_thread")]
async fn statements_are_bounded_by_the_role() {
    let url = migrated_database().await;
    let limits = "SELECT current_setting('statement_timeout'), current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout')";
    assert_eq!(rows(&url, limits).await, ["15s|5s|30s"]);
}

/// Assigning a BOL always moves its documents, and the old customer loses both at once.
#[tokio::test(flavor = "multi_thread")]
async fn documents_follow_their_bol() {
    let app = App::start().await;
    let (acme, rival) = (app.acme().await, app.rival().await);
    let document = format!("/documents/{}/download", app.world.acme_documents[2]);
    assert_eq!((acme.get(&document).await.status, rival.get(&document).await.status), (303, 404));
    app.sql(&format!("UPDATE bols SET customer_id = {} WHERE number = '{}'", app.world.rival, World::ACME_BOL)).await;
    assert_eq!((acme.get(&document).await.status, rival.get(&document).await.status), (404, 303));
    assert_eq!(acme.get(&format!("/bols/{}", World::ACME_BOL)).await.status, 404);
    app.sql(&format!("UPDATE bols SET customer_id = NULL WHERE number = '{}'", World::ACME_BOL)).await;
    assert_eq!((acme.get(&document).await.status, rival.get(&document).await.status), (404, 404));
    // A document can't have another customer than its BOL.
    app.sql(&format!("UPDATE documents SET customer_id = {} WHERE kind = 'signed-bol'", app.world.rival)).await;
    let signed = app.documents_of_kind("signed-bol").await;
    assert_eq!(signed.iter().map(|document| document.customer_id).collect::<Vec<_>>(), [None]);
}

/// The server answers 503 when the database is busy or away, and 500 when a query is wrong.
#[tokio::test(flavor = "multi_thread")]
async fn a_busy_database_is_not_a_wrong_query() {
    let url = migrated_database().await;
    let db = Database::new(&url, 2);
    let mut other = db::connect(&url).await.unwrap();
    other.batch_execute("BEGIN; LOCK TABLE products").await.unwrap();
    for (statements, is_unreachable) in [
        ("SET LOCAL statement_timeout = '50ms'; SELECT pg_sleep(5)", true),
        ("SET LOCAL lock_timeout = '50ms'; LOCK TABLE products", true),
        ("SELECT pg_terminate_backend(pg_backend_pid())", true),
        ("SET TRANSACTION READ ONLY; CREATE TABLE notes (note text)", true),
        ("SELECT no_such_column FROM bols", false),
        ("INSERT INTO products (name) VALUES ('')", false),
        ("SELECT assert_document_within(0, NULL)", false),
    ] {
        if statements.starts_with("INSERT") {
            other.batch_execute("ROLLBACK").await.unwrap();
        }
        let failed = db.transaction(async |connection: &mut AsyncPgConnection| -> DbResult<()> {
            Ok(connection.batch_execute(statements).await?)
        });
        let error = failed.await.unwrap_err();
        assert_eq!(error.is_unreachable(), is_unreachable, "{statements}: {error}");
    }
}

/// A refusal of the domain rolls back what was written before it.
#[tokio::test(flavor = "multi_thread")]
async fn an_error_rolls_the_transaction_back() {
    let url = migrated_database().await;
    let db = Database::new(&url, 1);
    let refused = db.transaction(async |connection: &mut AsyncPgConnection| -> DbResult<()> {
        connection.batch_execute("INSERT INTO products (name) VALUES ('Coil')").await?;
        Err(db::DbError::Unreachable("refused".into()))
    });
    assert!(refused.await.is_err());
    assert!(rows(&url, "SELECT name FROM products").await.is_empty());
}
