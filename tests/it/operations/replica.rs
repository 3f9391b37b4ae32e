//! Long reads on a replica: never stale, and from the primary if the replica is behind, away or no standby.

use std::time::Duration;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use primetrade::config::{DatabaseUrl, StorageConfig};
use primetrade::db::replica::PAGE;
use primetrade::db::{Database, DbResult, guard};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::support::{Actor, Environment, PASSWORD, Pair, Program, World, execute, rows, run, secret_key};

/// For what takes its time on a busy machine.
const LONG: Duration = Duration::from_secs(60);

#[derive(QueryableByName)]
struct Read {
    #[diesel(sql_type = Bool)]
    on_replica: bool,
    #[diesel(sql_type = BigInt)]
    notes: i64,
}

/// What a reader sees, and on which server.
async fn read(db: &Database) -> Read {
    let mut connection = db.reader(PAGE).await.get().await.unwrap();
    let select = "SELECT pg_is_in_recovery() AS on_replica, count(*) AS notes FROM notes";
    diesel::sql_query(select).get_result(&mut connection).await.unwrap()
}

async fn write(db: &Database) {
    db.transaction(async |connection: &mut AsyncPgConnection| -> DbResult<()> {
        Ok(connection.batch_execute("INSERT INTO notes VALUES ('x')").await?)
    })
    .await
    .unwrap();
}

/// Waits until the replica serves reads again.
async fn until_served(db: &Database) {
    let since = Instant::now();
    while !read(db).await.on_replica {
        assert!(since.elapsed() < LONG, "the replica serves nothing: {:?}", db.replica_trouble().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_on_the_replica_sees_every_earlier_change_and_moves_to_the_primary_when_it_can_not() {
    let mut pair = Pair::start().await;
    let primary = pair.primary().database("portal").await.unwrap();
    execute(&primary, "CREATE TABLE notes (note text)").await;
    pair.add_standby().await;
    let standby = pair.other().url_as("primetrade", "portal").unwrap();
    let superuser = pair.other().url_as("postgres", "postgres").unwrap();
    let db = Database::new(&primary, 2).with_replica(Some(&standby), 2, None);
    until_served(&db).await;
    let mut served = 0;
    for written in 1..=300 {
        write(&db).await;
        let read = read(&db).await;
        assert_eq!(read.notes, written, "on the replica: {}", read.on_replica);
        served += i32::from(read.on_replica);
    }
    assert!(served > 200, "the replica served {served} of 300 reads");

    // It gets the changes, and doesn't show them yet.
    execute(&superuser, "SELECT pg_wal_replay_pause()").await;
    write(&db).await;
    let since = Instant::now();
    let behind = read(&db).await;
    assert_eq!((behind.on_replica, behind.notes), (false, 301));
    assert!(since.elapsed() >= PAGE && since.elapsed() < LONG, "{:?}", since.elapsed());
    assert_eq!(db.replica_trouble().await.as_deref(), Some("it has not replayed in time what the primary has written"));
    execute(&superuser, "SELECT pg_wal_replay_resume()").await;
    until_served(&db).await;

    // A server that was promoted may have changes of its own.
    let wrong = Database::new(&primary, 2).with_replica(Some(&primary), 2, None);
    assert_eq!(wrong.replica_trouble().await.as_deref(), Some("it is no standby"));
    assert!(!read(&wrong).await.on_replica);
    drop(pair);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_of_another_cluster_or_one_that_is_away_serves_nothing() {
    let (pair, mut other) = (Pair::start().await, Pair::start().await);
    let primary = pair.primary().database("portal").await.unwrap();
    execute(&primary, "CREATE TABLE notes (note text)").await;
    execute(&other.primary().database("portal").await.unwrap(), "CREATE TABLE notes (note text)").await;
    other.add_standby().await;
    let foreign = other.other().url_as("primetrade", "portal").unwrap();
    let db = Database::new(&primary, 2).with_replica(Some(&foreign), 2, None);
    write(&db).await;
    assert_eq!(read(&db).await.notes, 1);
    assert_eq!(db.replica_trouble().await.as_deref(), Some("it belongs to another cluster"));

    // A server that accepts connections and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: DatabaseUrl = format!("postgres://u@{}/portal", silent.local_addr().unwrap()).parse().unwrap();
    let db = Database::new(&primary, 2).with_replica(Some(&url), 2, None);
    let since = Instant::now();
    assert_eq!(read(&db).await.notes, 1);
    let first = since.elapsed();
    assert!(first >= PAGE && first < LONG, "{first:?}");
    for _ in 0..20 {
        assert_eq!(read(&db).await.notes, 1);
    }
    assert!(since.elapsed() < first + 20 * PAGE, "every read waits for a replica that is away: {:?}", since.elapsed());
}

/// A server of the portal, and its environment.
async fn portal(pair: &Pair, media: &TempDir) -> (Program, Environment) {
    let environment = vec![
        ("DATABASE_URL", pair.primary().url_as("primetrade_server", "portal").unwrap().as_str().to_owned()),
        ("DATABASE_REPLICA_URL", pair.other().url_as("primetrade_server", "portal").unwrap().as_str().to_owned()),
        ("SECRET_KEY", secret_key()),
        ("PORT", "0".into()),
        ("RUST_LOG", "primetrade=info".into()),
        ("MEDIA_ROOT", media.path().to_str().unwrap().into()),
        ("MAIL_FOLDER", media.path().join("mail").to_str().unwrap().into()),
    ];
    (Program::start(media.path(), &environment, &["serve"]), environment)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_exports_verifications_and_the_offices_pages_are_read_on_the_replica() {
    let mut pair = Pair::start().await;
    let owner = pair.primary().database("portal").await.unwrap();
    guard::set_up(&owner, &pair.primary().url_as("primetrade_server", "portal").unwrap()).await.unwrap();
    let world = World::fill(&owner).await;
    let media = TempDir::with_prefix("primetrade-media-").unwrap();
    world.store(&StorageConfig::Local { root: media.path().into() }).await;
    pair.add_standby().await;
    let (mut server, environment) = portal(&pair, &media).await;
    let address = server.address().await;
    let _log = server.keep_log();
    let auditor = Actor::new(&address).log_in(World::AUDITOR, PASSWORD).await;
    let admin = Actor::new(&address).log_in(World::ADMIN, PASSWORD).await;
    let superuser = pair.other().url_as("postgres", "postgres").unwrap();
    // What the servers' connections to the replica asked last.
    let asked = async || {
        rows(&superuser, "SELECT query FROM pg_stat_activity WHERE application_name = 'primetrade'").await.join("\n")
    };
    let sessions = async || {
        rows(&superuser, "SELECT sessions FROM pg_stat_database WHERE datname = 'portal'").await[0]
            .parse::<i64>()
            .unwrap()
    };
    // The end of the last statement of each page.
    for (actor, path, statement) in [
        (&auditor, "/audit", "AT TIME ZONE 'America/New_York')::date"),
        (&admin, "/office", "ORDER BY last DESC LIMIT $3"),
        (&admin, "/office/storage", "AS counted GROUP BY day ORDER BY day"),
    ] {
        let answer = actor.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let asked = asked().await;
        assert!(asked.lines().any(|line| line.ends_with(statement)), "{path}: {asked}");
    }
    let before = sessions().await;
    let export = auditor.get("/audit/export?format=jsonl").await;
    assert!(export.status == 200 && export.text().contains("AUDIT_EXPORT_BEGUN"), "the export names itself");
    let (code, _, error) = run(&environment, &["audit", "verify", "--database-only"]).await;
    assert_eq!(code, 0, "{error}");
    let since = Instant::now();
    while sessions().await < before + 4 {
        assert!(since.elapsed() < LONG, "the export and the verification weren't on the replica");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (code, stdout, error) = run(&environment, &["check"]).await;
    assert!(
        stdout.contains("replica") && stdout.contains("has replayed what the primary has written"),
        "{code} {stdout}{error}"
    );

    // Behind, it serves nothing, and nothing is missing.
    execute(&superuser, "SELECT pg_wal_replay_pause()").await;
    let customer = Actor::new(&address).log_in(World::ACME, PASSWORD).await;
    assert_eq!(customer.get("/bols").await.status, 200);
    let page = auditor.get(&format!("/audit?user={}&action=LOGIN_SUCCEEDED", World::ACME)).await;
    assert!(page.status == 200 && page.text().contains(World::ACME), "{}", page.text());
    assert_eq!(page.all("table.records tbody tr").len(), 1, "{}", page.text());
    execute(&superuser, "SELECT pg_wal_replay_resume()").await;
    drop(server);
}
