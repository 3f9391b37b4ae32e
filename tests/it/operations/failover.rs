//! The primary dies, and its standby takes over. Servers of another kind that answer, or don't.

mod clients;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use futures_util::future::join_all;
use primetrade::config::{DatabaseUrl, StorageConfig};
use primetrade::db::{self, Database, DbResult, guard};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_postgres::config::Host;

use self::clients::{Attempt, CLIENTS, Clients, Receipt, Site, Work, email_of};
use crate::support::{
    Actor, BolRow, DocumentRow, Environment, PASSWORD, Pair, Program, TERMINAL_ADDRESS, World, execute,
    migrated_database, rows, run, secret_key,
};

/// For what takes its time on a busy machine.
const LONG: Duration = Duration::from_secs(60);
/// How soon both servers work again after the promotion.
const RECOVERY: Duration = Duration::from_secs(10);
/// The longest time until an answer says that the portal is unavailable.
const PROMPT: Duration = Duration::from_secs(10);

/// Two servers of the portal on a pair of databases.
struct Portal {
    pair: Pair,
    owner: DatabaseUrl,
    environment: Environment,
    media: TempDir,
    site: Site,
    /// The servers, with their logs.
    servers: Vec<(Program, Arc<Mutex<String>>)>,
    /// What was acknowledged in any round.
    receipts: Vec<Receipt>,
}

impl Portal {
    async fn start() -> Self {
        let pair = Pair::start().await;
        let owner = pair.primary().database("portal").await.unwrap();
        let url = pair.url("primetrade_server", "portal");
        guard::set_up(&owner, &url).await.unwrap();
        let world = World::fill(&owner).await;
        execute(&owner, TERMINAL_ADDRESS).await;
        let clerk = format!("FROM users WHERE email = '{}'", World::OFFICE);
        for email in (0..CLIENTS).map(email_of) {
            let columns = "email, name, role, password_hash";
            execute(
                &owner,
                &format!("INSERT INTO users ({columns}) SELECT '{email}', name, role, password_hash {clerk}"),
            )
            .await;
        }
        let media = TempDir::with_prefix("primetrade-media-").unwrap();
        world.store(&StorageConfig::Local { root: media.path().into() }).await;
        let environment = vec![
            ("DATABASE_URL", url.as_str().to_owned()),
            ("DATABASE_POOL_SIZE", "16".into()),
            ("SECRET_KEY", secret_key()),
            ("PORT", "0".into()),
            ("RUST_LOG", "primetrade=info".into()),
            ("MEDIA_ROOT", media.path().to_str().unwrap().into()),
            ("MAIL_FOLDER", media.path().join("mail").to_str().unwrap().into()),
        ];
        let mut servers = Vec::new();
        let mut addresses = Vec::new();
        for _ in 0..2 {
            let mut server = Program::start(media.path(), &environment, &["serve"]);
            addresses.push(server.address().await);
            let log = server.keep_log();
            servers.push((server, log));
        }
        let user = async |email: &str| Actor::new(&addresses[0]).log_in(email, PASSWORD).await;
        let (customer, clerk) = (user(World::ACME).await, user(World::OFFICE).await);
        let auditor = user(World::AUDITOR).await;
        let servers_at = addresses.try_into().unwrap();
        let site = Site { servers: servers_at, customer, clerk, auditor, count: Arc::default() };
        let owner = pair.url("primetrade", "portal");
        Self { pair, owner, environment, media, site, servers, receipts: Vec::new() }
    }

    /// Kills the primary under load, and promotes the standby. Returns how long both servers took to work again.
    async fn fail_over(&mut self) -> Duration {
        self.pair.add_standby().await;
        // Logins that an outage cuts off count as failures, and all clients have the same address.
        execute(&self.owner, "DELETE FROM login_throttles").await;
        let clients = Clients::start(&self.site);
        clients.until(Instant::now(), LONG, |attempt| attempt.receipt.is_some()).await;
        self.pair.kill_primary();
        let killed = Instant::now();
        clients.until(killed, LONG, |attempt| attempt.status == 503).await;
        let unpromoted = Instant::now();
        self.pair.promote().await;
        let promoted = Instant::now();
        let recovery = clients.until(promoted, RECOVERY, |attempt| attempt.receipt.is_some()).await;
        let attempts = clients.stop().await;
        println!("{}", summary(&attempts, promoted));
        for attempt in attempts {
            assert!(attempt.receipt.is_some() || attempt.status == 503, "{attempt:?}\n{}", self.logged(&attempt));
            let is_prompt = attempt.receipt.is_some() || attempt.duration() < PROMPT;
            assert!(is_prompt, "{attempt:?} took {:?}", attempt.duration());
            let is_in_outage = attempt.began >= killed && attempt.ended <= unpromoted;
            assert!(!is_in_outage || attempt.status == 503, "without a database: {attempt:?}");
            self.receipts.extend(attempt.receipt);
        }
        recovery
    }

    /// What the servers logged about a request.
    fn logged(&self, attempt: &Attempt) -> String {
        let (_, log) = &self.servers[attempt.server];
        let log = log.lock().unwrap();
        log.lines().filter(|line| line.contains(&attempt.request)).collect::<Vec<_>>().join("\n")
    }

    /// Compares everything that was acknowledged with the database and the storage.
    async fn check(&self) {
        let events = "SELECT request_id FROM audit_events WHERE action = 'BOL_DOWNLOADED' AND outcome = 'success'";
        let events: HashSet<String> = rows(&self.owner, events).await.into_iter().collect();
        let mut connection = db::connect(&self.owner).await.unwrap();
        let bols: HashMap<String, BolRow> =
            BolRow::all(&mut connection).await.into_iter().map(|bol| (bol.number.clone(), bol)).collect();
        let documents = DocumentRow::all(&mut connection).await;
        let mut numbers = HashSet::new();
        for receipt in &self.receipts {
            match receipt {
                Receipt::Link { request } => assert!(events.contains(request), "no event: {receipt:?}"),
                Receipt::Bol { number, truck } => {
                    assert!(numbers.insert(number), "twice: {receipt:?}");
                    let bol = bols.get(number).unwrap_or_else(|| panic!("no BOL: {receipt:?}"));
                    assert_eq!(bol.truck_number, *truck, "another load: {receipt:?}");
                    let is_its = |document: &&DocumentRow| document.bol_id == Some(bol.id) && document.kind == "bol";
                    is_kept(self.media.path(), documents.iter().find(is_its), receipt);
                }
                Receipt::Document { id, sha256 } => {
                    let is_it = |document: &&DocumentRow| document.id == *id && document.sha256 == *sha256;
                    is_kept(self.media.path(), documents.iter().find(is_it), receipt);
                }
                Receipt::Page => {}
            }
        }
        let mut trucks = HashSet::new();
        let issued = bols.values().filter(|bol| !bol.issued_by.is_empty());
        issued.for_each(|bol| assert!(trucks.insert(&bol.truck_number), "issued twice: {bol:?}"));
        self.sealed().await;
        let (code, stdout, stderr) = run(&self.environment, &["audit", "verify"]).await;
        assert_eq!(code, 0, "{stdout}{stderr}");
    }

    /// Waits until every event has its seal: the servers' background tasks work again too.
    async fn sealed(&self) {
        let unsealed = "SELECT count(*) FROM audit_events e \
                        WHERE NOT EXISTS (SELECT 1 FROM audit_leaves l WHERE l.event_id = e.id)";
        let since = Instant::now();
        while rows(&self.owner, unsealed).await != ["0"] {
            assert!(since.elapsed() < LONG, "not sealed");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// What a drill is read for: refusals, and when each kind of work succeeded first after the promotion.
fn summary(attempts: &[Attempt], promoted: Instant) -> String {
    let refusals = attempts.iter().filter(|attempt| attempt.status == 503).map(Attempt::duration);
    let slowest = refusals.clone().max().unwrap_or_default();
    let first = |(work, server)| {
        let done = attempts.iter().filter(|it| (it.work, it.server) == (work, server) && it.receipt.is_some());
        let ended = done.filter(|it| it.began >= promoted).map(|it| it.ended).min();
        format!("{work:?} {:.1?}", ended.map(|ended| ended - promoted).unwrap_or_default())
    };
    let firsts: Vec<String> = Work::everywhere().map(first).collect();
    let refused = refusals.count();
    format!("{} answers, {refused} refusals, the slowest after {slowest:.1?}; {}", attempts.len(), firsts.join(", "))
}

/// Expects a stored document whose file has its hash.
fn is_kept(media: &Path, document: Option<&DocumentRow>, receipt: &Receipt) {
    let document =
        document.filter(|document| document.is_stored()).unwrap_or_else(|| panic!("not stored: {receipt:?}"));
    let file = std::fs::read(media.join(&document.object_key)).unwrap_or_else(|error| panic!("{error}: {receipt:?}"));
    assert_eq!(Sha256::digest(file).to_vec(), document.sha256, "another file: {receipt:?}");
}

/// `FAILOVERS=100 scripts/test --test it failover` does it a hundred times.
#[tokio::test(flavor = "multi_thread")]
async fn a_failover_under_load_loses_nothing_that_was_acknowledged() {
    #[allow(clippy::disallowed_methods, reason = "a variable of the tests, not of the program")]
    let rounds = std::env::var("FAILOVERS").ok().and_then(|count| count.parse().ok()).unwrap_or(1);
    let mut portal = Portal::start().await;
    for round in 1..=rounds {
        let recovery = portal.fail_over().await;
        portal.check().await;
        println!(
            "round {round}: works again after {recovery:?}, {} answers acknowledged so far",
            portal.receipts.len()
        );
    }
}

/// A primary that becomes read-only keeps its connections open, so the portal closes them.
#[tokio::test(flavor = "multi_thread")]
async fn connections_to_a_server_that_takes_no_writes_any_more_are_closed() {
    const CONNECTIONS: usize = 4;
    let mut pair = Pair::start().await;
    execute(&pair.primary().database("portal").await.unwrap(), "CREATE TABLE notes (note text)").await;
    pair.add_standby().await;
    let standby = pair.other().url_as("primetrade", "portal").unwrap();
    let standby: DatabaseUrl = format!("{}&target_session_attrs=read-write", standby.as_str()).parse().unwrap();
    let error = db::connect(&standby).await.map(drop).unwrap_err().to_string();
    assert!(error.contains("database does not allow writes"), "{error}");

    let db = Database::new(&pair.url("primetrade", "portal"), CONNECTIONS);
    let write = async || {
        let insert = "INSERT INTO notes VALUES ('x')";
        db.transaction(async |connection: &mut AsyncPgConnection| -> DbResult<()> {
            Ok(connection.batch_execute(insert).await?)
        })
        .await
    };
    let held = join_all((0..CONNECTIONS).map(|_| db.get())).await;
    drop(held.into_iter().map(Result::unwrap).collect::<Vec<_>>());
    write().await.unwrap();
    pair.configure("default_transaction_read_only", "on").await;
    pair.promote().await;
    let mut failures = 0;
    while let Err(error) = write().await {
        failures += 1;
        assert!(error.is_unreachable() && failures <= CONNECTIONS, "{failures}: {error}");
    }
    assert_eq!(failures, CONNECTIONS, "each connection fails once");
    assert_eq!(rows(&pair.url("primetrade", "portal"), "SELECT note FROM notes").await, ["x", "x"]);
    let old = pair.other().url_as("postgres", "postgres").unwrap();
    let open = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'primetrade'";
    let since = Instant::now();
    while rows(&old, open).await != ["0"] {
        assert!(since.elapsed() < RECOVERY, "connections to the old primary stay open");
    }
}

/// An administrator can end a commit's wait for the standby. Postgres then acknowledges it, and the portal doesn't.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_no_longer_waits_for_the_standby_is_not_acknowledged() {
    let pair = Pair::start().await;
    let owner = pair.primary().database("portal").await.unwrap();
    execute(&owner, "CREATE TABLE notes (note text)").await;
    pair.configure("synchronous_standby_names", "away").await;
    let db = Database::new(&owner, 1);
    let commit = tokio::spawn(async move {
        let insert = "INSERT INTO notes VALUES ('x')";
        db.transaction(async |connection: &mut AsyncPgConnection| -> DbResult<()> {
            Ok(connection.batch_execute(insert).await?)
        })
        .await
    });
    let superuser = pair.primary().url_as("postgres", "postgres").unwrap();
    let cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    let since = Instant::now();
    while rows(&superuser, cancel).await.is_empty() {
        assert!(since.elapsed() < RECOVERY && !commit.is_finished(), "the commit doesn't wait");
    }
    let error = commit.await.unwrap().unwrap_err();
    assert!(error.is_unreachable(), "{error}");
    assert_eq!(rows(&owner, "SELECT note FROM notes").await, ["x"], "committed, but on one server only");
}

/// A server that accepts connections and says nothing doesn't use up the time of the next one.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_server_delays_the_next_one_by_half_a_second() {
    let database = migrated_database().await;
    let options = database.options();
    let Host::Unix(socket) = &options.get_hosts()[0] else { panic!("a socket") };
    let socket = socket.to_str().unwrap().replace('/', "%2F");
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = silent.local_addr().unwrap();
    let url = format!("postgres://primetrade@{silent},{socket}/{}", options.get_dbname().unwrap());
    let since = Instant::now();
    let mut connection = db::connect(&url.parse().unwrap()).await.unwrap();
    connection.batch_execute("CREATE TABLE notes (note text)").await.unwrap();
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_servers_that_all_fail_each_is_named_before_a_request_gives_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_at = silent.local_addr().unwrap();
    let closed_at = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url: DatabaseUrl = format!("postgres://u:hunter2@{silent_at},{closed_at}/d?sslmode=disable").parse().unwrap();
    let since = Instant::now();
    let error = Database::new(&url, 1).get().await.map(drop).unwrap_err();
    assert!(error.is_unreachable() && since.elapsed() < Duration::from_secs(4), "{error} after {:?}", since.elapsed());
    let error = error.to_string();
    assert!(error.contains(&format!("{silent_at}: no answer in time")), "{error}");
    assert!(error.contains(&format!("{closed_at}: error connecting to server: Connection refused")), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}
