//! Records fetches of local files in a task with a connection of its own, so that no fetch competes with the pages for
//! the pool.
//!
//! Fetches that were served are never dropped: each takes its place in the queue before its first byte is sent, and is
//! written again until the database has it. Refusals, which anyone can cause at any rate, are dropped early.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::mpsc::{self, OwnedPermit, Receiver, Sender};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::audit::fetched::{self, Fetch, REFUSAL_INTERVAL, Refusal, record_refusals};
use crate::clock::Clock;
use crate::db::{Database, DbResult};
use crate::web::Error;

/// Downloads that one process serves at a time.
const MAX_DOWNLOADS: usize = 1024;
/// How long a download waits for its place before the server responds with 503.
const PLACE_TIMEOUT: Duration = Duration::from_secs(5);
/// Refusals that wait to be recorded.
const MAX_REFUSALS: usize = 256;
/// Links whose refusal this process remembers.
const MAX_RECENT: usize = 4096;
/// Fetches of one statement.
const BATCH: usize = 128;
/// The first pause before a fetch is written again, which doubles up to the longest.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_RETRY_PAUSE: Duration = Duration::from_secs(10);

/// Sends fetches to the task that records them.
pub struct FetchRecorder {
    served: Sender<Served>,
    refused: Sender<Refusal>,
    /// When each refusal was last sent. Spares the database most of a flood; its table decides.
    recent: Mutex<HashMap<[u8; 32], DateTime<Utc>>>,
}

struct Served {
    fetch: Fetch,
    recorded: oneshot::Sender<()>,
}

/// A reserved place in the queue.
pub struct Place(OwnedPermit<Served>);

/// The task that records fetches, until every [`FetchRecorder`] is gone.
pub struct Recording {
    db: Database,
    clock: Clock,
    served: Receiver<Served>,
    refused: Receiver<Refusal>,
}

impl FetchRecorder {
    /// Connections of the task.
    pub const CONNECTIONS: usize = 1;

    /// `db` is a pool of its own.
    pub fn new(db: Database, clock: Clock) -> (Self, Recording) {
        let (served, to_record) = mpsc::channel(MAX_DOWNLOADS);
        let (refused, refusals) = mpsc::channel(MAX_REFUSALS);
        let recorder = Self { served, refused, recent: Mutex::default() };
        (recorder, Recording { db, clock, served: to_record, refused: refusals })
    }

    /// Reserves the record of a download. Without it, the server sends nothing.
    pub async fn reserve(&self) -> Result<Place, Error> {
        match timeout(PLACE_TIMEOUT, self.served.clone().reserve_owned()).await {
            Ok(Ok(place)) => Ok(Place(place)),
            _ => Err(Error::Unavailable("fetches can't be recorded: too many wait for the database".into())),
        }
    }

    /// Records a refusal later, unless the same one was sent within [`REFUSAL_INTERVAL`].
    pub fn refuse(&self, refusal: Refusal) {
        if !self.is_first(&refusal) {
            return;
        }
        if let Err(error) = self.refused.try_send(refusal) {
            tracing::warn!(%error, "a refused link was not recorded: too many wait for the database");
        }
    }

    fn is_first(&self, refusal: &Refusal) -> bool {
        let now = refusal.fetch.fetched_at;
        let is_recent = |at: &DateTime<Utc>| now - *at < REFUSAL_INTERVAL;
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.get(&refusal.id).is_some_and(is_recent) {
            return false;
        }
        if recent.len() >= MAX_RECENT {
            recent.retain(|_, at| is_recent(at));
        }
        if recent.len() >= MAX_RECENT {
            tracing::warn!("a refused link was not recorded: too many links were refused within a minute");
            return false;
        }
        recent.insert(refusal.id, now);
        true
    }
}

impl Place {
    /// Records the fetch. The receiver resolves once the database has it.
    pub fn record(self, fetch: Fetch) -> oneshot::Receiver<()> {
        let (recorded, done) = oneshot::channel();
        self.0.send(Served { fetch, recorded });
        done
    }
}

impl Recording {
    pub async fn run(mut self) {
        let (mut served, mut refused) = (Vec::with_capacity(BATCH), Vec::with_capacity(BATCH));
        loop {
            tokio::select! {
                biased;
                count = self.served.recv_many(&mut served, BATCH) => {
                    if count == 0 {
                        break;
                    }
                    self.record_served(&mut served).await;
                }
                Some(refusal) = self.refused.recv() => {
                    refused.push(refusal);
                    while let (true, Ok(more)) = (refused.len() < BATCH, self.refused.try_recv()) {
                        refused.push(more);
                    }
                    self.record_refused(&mut refused).await;
                }
            }
        }
        while let Ok(refusal) = self.refused.try_recv() {
            refused.push(refusal);
        }
        self.record_refused(&mut refused).await;
    }

    /// Writes until the database has every fetch.
    async fn record_served(&self, served: &mut Vec<Served>) {
        let fetches: Vec<Fetch> = served.iter().map(|served| served.fetch.clone()).collect();
        if let Err(error) = self.record_with_retries(&fetches).await {
            // One of them breaks the statement, and must not take the others with it.
            tracing::error!(%error, "can't record fetches together; recording them one by one");
            for fetch in &fetches {
                if let Err(error) = self.record_with_retries(std::slice::from_ref(fetch)).await {
                    tracing::error!(%error, key = fetch.key, status = fetch.status, "can't record a fetch");
                }
            }
        }
        for Served { recorded, .. } in served.drain(..) {
            // The download may have ended already.
            let _ = recorded.send(());
        }
    }

    async fn record_with_retries(&self, fetches: &[Fetch]) -> DbResult<()> {
        let mut pause = RETRY_PAUSE;
        loop {
            let recorded: DbResult<_> = async { Ok(fetched::record(&mut *self.db.get().await?, fetches).await?) }.await;
            match recorded {
                Err(error) if error.is_unreachable() => {
                    tracing::warn!(%error, waiting = fetches.len(), "can't record fetches yet");
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_RETRY_PAUSE);
                }
                other => return other.map(drop),
            }
        }
    }

    async fn record_refused(&self, refused: &mut Vec<Refusal>) {
        // A batch names each of them once.
        let mut distinct: HashMap<[u8; 32], Refusal> = HashMap::new();
        for refusal in refused.drain(..) {
            distinct.entry(refusal.id).or_insert(refusal);
        }
        let refusals: Vec<Refusal> = distinct.into_values().collect();
        if refusals.is_empty() {
            return;
        }
        if let Err(error) = record_refusals(&self.db, &refusals, self.clock.now()).await {
            tracing::error!(%error, refusals = refusals.len(), "can't record refused links");
        }
    }
}
