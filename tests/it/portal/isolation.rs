//! Promise 1: a customer sees only its own BOLs. The queries and the database policies are tested alone, then every route.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use primetrade::db::scope::{self, Scope};
use primetrade::db::{self, Database};

use crate::support::{Action, Actor, Answer, App, Outcome, World};

#[derive(QueryableByName)]
struct Owned {
    #[diesel(sql_type = Nullable<BigInt>)]
    customer_id: Option<i64>,
}

#[derive(QueryableByName, Debug)]
struct Word {
    #[diesel(sql_type = Text)]
    word: String,
}

async fn owners(db: &Database, scope: &Scope, table: &str) -> Vec<Option<i64>> {
    let sql = format!("SELECT * FROM {table}");
    let found = scope::read(db, scope, async |mut connection: &AsyncPgConnection| {
        sql_query(&sql).load::<Owned>(&mut connection).await
    });
    found.await.unwrap().into_iter().map(|row| row.customer_id).collect()
}

fn companies(ids: &[i64]) -> Scope {
    Scope::Companies { user_id: 1, ids: ids.to_vec(), acting_as: "customer" }
}

/// The database policies alone, with a query that has no filter.
#[tokio::test(flavor = "multi_thread")]
async fn an_unfiltered_select_returns_only_the_customers_rows() {
    let app = App::start().await;
    let db = Database::new(&app.database, 2);
    let (acme, rival) = (app.world.acme, app.world.rival);
    for (table, of_acme, of_rival) in [("bols", 3, 1), ("documents", 5, 1)] {
        let only = |id, count| vec![Some(id); count];
        assert_eq!(owners(&db, &companies(&[acme]), table).await, only(acme, of_acme), "{table}");
        assert_eq!(owners(&db, &companies(&[rival]), table).await, only(rival, of_rival), "{table}");
        assert_eq!(owners(&db, &companies(&[acme, rival]), table).await.len(), of_acme + of_rival, "{table}");
        assert!(owners(&db, &companies(&[]), table).await.is_empty(), "{table}");
        assert!(owners(&db, &companies(&[0, -1, i64::MAX]), table).await.is_empty(), "{table}");
    }
    // Pending documents are invisible.
    app.sql("UPDATE documents SET state = 'pending', stored_at = NULL WHERE kind = 'scale-ticket'").await;
    assert_eq!(owners(&db, &companies(&[acme]), "documents").await.len(), 4);
}

/// A customer's transaction can't enter another scope, whatever SQL it runs.
#[tokio::test(flavor = "multi_thread")]
async fn the_customers_role_cannot_widen_its_scope() {
    let app = App::start().await;
    let (acme, rival) = (app.world.acme, app.world.rival);
    let mut connection = db::connect(&app.database).await.unwrap();
    let enter = format!("BEGIN; SELECT portal_enter(1, 'customer', '{{{rival}}}'); SET LOCAL ROLE portal_customer");
    let words = async |connection: &mut AsyncPgConnection, sql: &str| {
        let found = sql_query(sql).load::<Word>(connection).await.unwrap();
        found.into_iter().map(|row| row.word).collect::<Vec<_>>()
    };
    const NUMBERS: &str = "SELECT number AS word FROM bols";
    connection.batch_execute(&enter).await.unwrap();
    assert_eq!(words(&mut connection, NUMBERS).await, [World::RIVAL_BOL]);
    let earlier = words(&mut connection, "SELECT current_setting('portal.scope') AS word").await.remove(0);
    let (code, scope) = earlier.split_at(64);
    assert_eq!(scope, format!("1;customer;{rival}"));
    for setting in [
        format!("portal.customer_ids = '{acme}'"),
        format!("portal.scope = '{code}1;customer;{rival},{acme}'"),
        format!("portal.scope = '{code}1;customer;{acme}'"),
        format!("portal.scope = '1;customer;{acme}'"),
        "portal.scope = ''".to_owned(),
    ] {
        connection.batch_execute(&format!("SET LOCAL {setting}")).await.unwrap();
        let seen = words(&mut connection, NUMBERS).await;
        assert!(seen.is_empty() || seen == [World::RIVAL_BOL], "{setting}: {seen:?}");
    }
    // A scope that was valid earlier, on the same connection.
    connection.batch_execute("ROLLBACK").await.unwrap();
    connection.batch_execute(&format!("{enter}; SET LOCAL portal.scope = '{earlier}'")).await.unwrap();
    assert!(words(&mut connection, NUMBERS).await.is_empty(), "replayed");
    // The function that searches as the owner looks only within the scope, whichever companies it is asked for.
    let search = |companies: String| {
        format!("SELECT unnest(portal_matching('{{%prt%}}', '{{}}', '{{}}', '{{}}', {companies}, 99))::text AS word")
    };
    for companies in [format!("'{{{acme}}}'"), "NULL".into(), format!("'{{{acme},{rival}}}'")] {
        assert!(words(&mut connection, &search(companies)).await.is_empty(), "no valid scope");
    }
    connection.batch_execute("ROLLBACK").await.unwrap();
    connection.batch_execute(&enter).await.unwrap();
    let own = words(&mut connection, "SELECT id::text AS word FROM bols").await;
    assert_eq!(words(&mut connection, &search(format!("'{{{acme},{rival}}}'"))).await, own);
    for companies in [format!("'{{{acme}}}'"), "NULL".into()] {
        assert!(words(&mut connection, &search(companies)).await.is_empty(), "another company's");
    }
    for refused in [
        format!("SELECT bols_matching('{{}}', '{{}}', '{{}}', '{{void}}', '{{{acme}}}', 99)"),
        format!("SELECT portal_enter(1, 'customer', '{{{acme}}}')"),
        "SELECT portal_scope_mac('1;customer;1')".to_owned(),
        "SELECT key FROM scope_key".to_owned(),
    ] {
        connection.batch_execute("SAVEPOINT one").await.unwrap();
        let error = connection.batch_execute(&refused).await.unwrap_err().to_string();
        assert!(error.contains("permission denied"), "{refused}: {error}");
        connection.batch_execute("ROLLBACK TO one").await.unwrap();
    }
}

/// The other tables and statements of the customer's role.
#[tokio::test(flavor = "multi_thread")]
async fn the_customers_role_can_read_little_and_change_nothing() {
    let app = App::start().await;
    app.acme().await.get(&format!("/bols/{}", World::ACME_BOL)).await;
    app.rival().await.get(&format!("/bols/{}", World::RIVAL_BOL)).await;
    let db = Database::new(&app.database, 2);
    let scope = companies(&[app.world.rival]);
    let run = async |sql: &str| {
        scope::record(&db, &scope, async |mut connection: &AsyncPgConnection| {
            sql_query(sql).execute(&mut connection).await
        })
        .await
        .map_err(|error| error.to_string())
    };
    for sql in [
        "UPDATE bols SET product = 'x'",
        "DELETE FROM bols",
        "INSERT INTO bols (number) VALUES ('x')",
        "UPDATE documents SET customer_id = 1",
        "DELETE FROM documents",
        "UPDATE audit_events SET action = 'X'",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
        "SELECT * FROM users",
        "SELECT * FROM sessions",
        "SELECT * FROM memberships",
        "SELECT * FROM tokens",
        "SELECT * FROM login_throttles",
        "SELECT address FROM customers",
        "SELECT ip FROM audit_events",
        "SELECT * FROM audit_events_other",
        "INSERT INTO audit_events (id, action, outcome) VALUES (1, 'X', 'success')",
        "CREATE TABLE mine (a int)",
        "CREATE TEMP TABLE bol_opens (user_id bigint)",
    ] {
        let error = run(sql).await.expect_err(sql);
        assert!(error.contains("permission denied"), "{sql}: {error}");
    }
    // The role can't record events of other users or of other customers' BOLs.
    for (user, role, customer) in
        [(2, "customer", app.world.rival), (1, "office", app.world.rival), (1, "customer", app.world.acme)]
    {
        let sql = format!(
            "INSERT INTO audit_events (action, outcome, user_id, user_role, customer_id) VALUES ('X', 'success', {user}, '{role}', {customer})"
        );
        let error = run(&sql).await.expect_err(&sql);
        assert!(error.contains("row-level security"), "{error}");
    }
    let words = async |sql: &str| {
        let found = scope::read(&db, &scope, async |mut connection: &AsyncPgConnection| {
            sql_query(sql).load::<Word>(&mut connection).await
        });
        found.await.unwrap().into_iter().map(|row| row.word).collect::<Vec<_>>()
    };
    assert_eq!(words("SELECT code AS word FROM customers").await, ["RIVAL"]);
    assert_eq!(words("SELECT DISTINCT user_email AS word FROM audit_events").await, [World::RIVAL]);
    // The role ends with the transaction. The next one on the same connection belongs to the owner again.
    let owner = owners(&Database::new(&app.database, 1), &Scope::All, "bols").await;
    assert_eq!(owner.len(), 5);
}

/// The queries alone, without the database policies.
#[tokio::test(flavor = "multi_thread")]
async fn the_queries_filter_without_the_database_policies() {
    let app = App::start().await;
    app.sql(
        "ALTER TABLE bols DISABLE ROW LEVEL SECURITY; ALTER TABLE documents DISABLE ROW LEVEL SECURITY;
         ALTER TABLE audit_events DISABLE ROW LEVEL SECURITY; ALTER TABLE bol_opens DISABLE ROW LEVEL SECURITY;
         ALTER TABLE customers DISABLE ROW LEVEL SECURITY",
    )
    .await;
    let rival = app.rival().await;
    sees_nothing(&app, &rival, 404).await;
    assert_eq!(rival.get(&format!("/bols/{}", World::RIVAL_BOL)).await.status, 200);
}

/// Every path of the routing table with every id of the victim.
pub fn paths(app: &App) -> Vec<String> {
    let routes = include_str!("../../../src/web/routes.rs");
    let table: Vec<&str> = routes.split('"').skip(1).step_by(2).filter(|path| path.starts_with('/')).collect();
    assert!(table.contains(&"/bols/{number}/download") && table.contains(&"/documents/{id}/download"), "{table:?}");
    let mut paths = Vec::new();
    for template in table {
        expand(app, template, &mut paths);
    }
    let searches =
        ["q=sesame", "q=PRT-2025-0001", "status=void", "status=unassigned", "kind=signed-bol", "sort=number"];
    let lists = ["/bols", "/api/bols", "/api/v1/bols"];
    paths.extend(lists.iter().flat_map(|list| searches.iter().map(move |query| format!("{list}?{query}"))));
    paths.push("/documents/1/download?inline=1".into());
    paths
}

/// Expands the first parameter with each of its values, then the next one.
fn expand(app: &App, template: &str, paths: &mut Vec<String>) {
    let Some((before, rest)) = template.split_once('{') else {
        paths.push(template.to_owned());
        return;
    };
    let (parameter, after) = rest.split_once('}').unwrap();
    let all = |values: &[&str]| values.iter().map(ToString::to_string).collect::<Vec<_>>();
    let values: Vec<String> = match (parameter, before) {
        ("number", _) => all(&[World::ACME_BOL, World::ACME_VOID, World::ACME_BARE, World::LOOSE_BOL]),
        ("kind", _) => all(&["bol", "signed-bol"]),
        ("id", "/api/v1/inbox/") => vec![app.world.loose_document.to_string(), "1".into()],
        ("id", "/documents/" | "/api/v1/documents/") => {
            app.world.acme_documents.iter().chain([&app.world.loose_document]).map(ToString::to_string).collect()
        }
        ("id", "/api/bol/") => all(&["1", "2", "4", "5"]),
        ("id", before) if before.starts_with("/office/") || before.starts_with("/people/") => all(&["1"]),
        ("token" | "delivery", _) => all(&["1"]),
        ("id", "/audit/events/" | "/account/passkeys/") => all(&["1"]),
        ("code", "/office/customers/") => all(&["ACME"]),
        ("change", before) if before.starts_with("/office/customers/") => {
            all(&["active", "ship-tos", "ship-to", "addresses", "address"])
        }
        ("change", before) if before.contains("/webhooks/") => all(&["key", "remove"]),
        ("change", _) => all(&["invite", "disable", "enable", "name", "join", "leave", "admin"]),
        other => panic!("a new kind of route: say which ids of the victim's it takes: {other:?}"),
    };
    for value in values {
        expand(app, &format!("{before}{value}{after}"), paths);
    }
}

/// Expects no word of ACME in any answer, and `status` where the path names an object.
async fn sees_nothing(app: &App, actor: &Actor, status: u16) {
    for path in paths(app) {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE"] {
            if path == "/logout" || path.starts_with("/account/sessions") {
                continue;
            }
            let answer = Answer::of(actor.request(method.parse().unwrap(), &path)).await;
            let whole = format!("{:?}{}", answer.headers, answer.text());
            // The search box may repeat the query.
            let whole = whole.replace("value=\"sesame\"", "").replace("q=sesame", "").replace("q%3Dsesame", "");
            assert!(!whole.contains("sesame") && !whole.contains("/files/"), "{method} {path}: {whole}");
            assert!(answer.status < 500, "{method} {path}: {}", answer.status);
            let names_an_object = path.contains("PRT-2025-000") && !path.contains('?')
                || path.contains("/documents/")
                || path.contains("/api/bol/") && path != "/api/bol/";
            if method == "GET" && names_an_object {
                let status = if path.starts_with("/office/") { 403 } else { status };
                // Some paths accept only POST, and lead to the page of the form, or have none.
                let is_for_posting = path.starts_with("/office/documents/")
                    && answer.header("location") == "/office/inbox"
                    || path.starts_with("/api/v1/") && path.split('/').count() > 5 && answer.status == 405;
                assert!(answer.status == status || is_for_posting, "{path}: {}", answer.status);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rival_gets_nothing_on_any_route() {
    let app = App::start().await;
    app.insert_webhooks().await;
    sees_nothing(&app, &app.rival().await, 404).await;
}

/// An auditor may see the list, but no document.
#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_gets_no_document_on_any_route() {
    let app = App::start().await;
    let auditor = app.auditor().await;
    for path in paths(&app) {
        let answer = auditor.get(&path).await;
        let list = path.split('?').next().unwrap();
        let is_list = ["/bols", "/api/bols", "/api/v1/bols"].contains(&list);
        if path.contains("/documents/")
            || path.contains("/api/bol/")
            || path.contains("/bols/") && path != "/bols/export"
            || path.starts_with("/office/")
        {
            // The path of a form leads to its page, which the auditor doesn't get either.
            let page = answer.header("location").to_owned();
            let is_refused = answer.status == 403 || answer.status == 405;
            let leads_to_list = page == "/bols" && ["/bols/read", "/office/bols/assign/undo"].contains(&&*path);
            assert!(is_refused || leads_to_list || auditor.get(&page).await.status == 403, "{path}");
        }
        let whole = format!("{:?}{}", answer.headers, answer.text());
        assert!(is_list || !whole.contains("sesame"), "{path}");
        let is_log = path == "/api/v1/log/events";
        assert!(is_log || !whole.contains("/files/") && !whole.contains("/download"), "{path}");
    }
    let list = auditor.get("/bols").await;
    assert_eq!(list.all("tbody tr").len(), 5);
    for link in list.attributes("tbody a", "href") {
        assert!(link.starts_with("/audit?number="), "{link} would be refused");
    }
    assert!(app.events().await.only(Action::AccessDenied).len() > 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_asked_to_log_in_everywhere() {
    let app = App::start().await;
    let stranger = app.stranger();
    for path in paths(&app) {
        let answer = stranger.get(&path).await;
        assert!(!answer.text().contains("sesame"), "{path}");
        if answer.status == 405 {
            // The path accepts only forms, from permitted users.
            assert!(
                path.starts_with("/office/")
                    || path.starts_with("/api/bol")
                    || path.starts_with("/api/v1/")
                    || path.starts_with("/account/")
                    || path.starts_with("/people/")
                    || path == "/see-as/end"
                    || path == "/bols/read"
                    || path == "/logout",
                "{path}"
            );
        } else if path == "/api/openapi.json" {
            assert_eq!(answer.status, 200, "what the API can do is no secret");
        } else if path.starts_with("/api/") {
            assert_eq!((answer.status, answer.header("content-type")), (401, "application/problem+json"), "{path}");
        } else if path.starts_with("/bols")
            || path.starts_with("/documents")
            || path.starts_with("/office")
            || path.starts_with("/people")
            || path == "/account"
        {
            assert_eq!(answer.status, 303, "{path}");
            assert!(answer.header("location").starts_with("/login?next=%2F"), "{path}");
        }
    }
}

/// The same bytes, headers and status for another customer's BOL and for a missing one, as HTML and as JSON.
#[tokio::test(flavor = "multi_thread")]
async fn a_rival_gets_the_same_404_as_for_a_missing_bol() {
    let app = App::start().await;
    let rival = app.rival().await;
    let theirs = app.world.acme_documents[0].to_string();
    for (yours, nobodys) in [
        (format!("/bols/{}", World::ACME_BOL), "/bols/PRT-2025-0999".to_owned()),
        (format!("/bols/{}/download", World::ACME_BOL), "/bols/PRT-2025-0999/download".into()),
        (format!("/bols/{}/download", World::LOOSE_BOL), "/bols/nonsense/download".into()),
        (format!("/documents/{theirs}/download"), "/documents/999999/download".into()),
        (format!("/documents/{theirs}/download?inline=1"), "/documents/x/download?inline=1".into()),
        ("/api/bol/1/download/".into(), "/api/bol/999999/download/".into()),
        ("/api/bol/4/download/".into(), "/api/bol/%00/download/".into()),
    ] {
        let (one, other) = (rival.get(&yours).await, rival.get(&nobodys).await);
        assert_eq!((one.status, other.status), (404, 404), "{yours} {nobodys}");
        assert_eq!(one.text(), other.text(), "{yours} {nobodys}");
        let shown = |answer: &Answer| {
            let mut headers: Vec<String> = answer
                .headers
                .iter()
                .filter(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()))
                .map(|(name, value)| format!("{name}: {value:?}"))
                .collect();
            headers.sort();
            headers
        };
        assert_eq!(shown(&one), shown(&other), "{yours} {nobodys}");
    }
    // Both attempts are recorded in the same way.
    let denied = app.events().await.with(Outcome::Denied);
    assert!(!denied.is_empty());
    assert!(denied.iter().all(|event| event.action == "ACCESS_DENIED" && event.customer_id.is_none()), "{denied:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_of_two_companies_sees_both_and_no_more() {
    let app = App::start().await;
    let broker = app.user(World::BROKER).await;
    let list = broker.get("/bols").await;
    assert_eq!(list.all("tbody .number"), ["PRT-2025-0005", "PRT-2025-0003", "PRT-2025-0002", "PRT-2025-0001"]);
    assert_eq!(broker.get(&format!("/bols/{}", World::LOOSE_BOL)).await.status, 404);
}
