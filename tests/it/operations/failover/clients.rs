//! Clients that download, issue and upload without a break, and remember every answer.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use primetrade::clock::Clock;
use reqwest::Method;
use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::support::scan::paper;
use crate::support::{Actor, Answer, Load, PASSWORD, World};

pub const CLIENTS: usize = 32;
/// Between two requests of a client. With less, the two servers and the tests would wait for a processor.
const PAUSE: Duration = Duration::from_millis(300);
/// No request may take longer, whatever happens.
const HANGING: Duration = Duration::from_secs(60);
/// What the pages of a customer, of a clerk and of an auditor are.
const PAGES: [[&str; 4]; 3] = [
    ["/bols", "/bols/PRT-2025-0001", "/account", "/api/v1/bols"],
    ["/office", "/office/inbox", "/office/bols/new", "/api/v1/inbox"],
    ["/audit", "/audit?number=PRT-2025-0001", "/audit/integrity", "/api/v1/log/events"],
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    Download,
    Issue,
    Upload,
    /// A program issues a BOL, and sends the same request again until it is acknowledged.
    Order,
    Page,
    LogIn,
}

impl Work {
    const ALL: [Self; 6] = [Self::Download, Self::Issue, Self::Upload, Self::Order, Self::Page, Self::LogIn];

    /// What a client does in turn. Four of them issue: the portal prints one BOL after another, and tests run a program
    /// that isn't optimized.
    fn turns(client: usize) -> [Self; 4] {
        match client % 8 {
            0 => [Self::Issue, Self::Order, Self::Issue, Self::Order],
            1 | 2 => [Self::Upload, Self::Download, Self::Page, Self::Download],
            3 | 4 => [Self::Download, Self::LogIn, Self::Download, Self::Page],
            _ => [Self::Download, Self::Page, Self::Download, Self::Page],
        }
    }

    /// Each kind of work on each of the two servers.
    pub fn everywhere() -> impl Iterator<Item = (Self, usize)> {
        Self::ALL.into_iter().flat_map(|work| [(work, 0), (work, 1)])
    }
}

/// What an answer acknowledged.
#[derive(Clone, Debug)]
pub enum Receipt {
    /// A link was issued to the request with this id.
    Link {
        request: String,
    },
    /// The load of this truck has this number.
    Bol {
        number: String,
        truck: String,
    },
    Document {
        id: i64,
        sha256: Vec<u8>,
    },
    /// What was read, or a login.
    Page,
}

/// A request and its answer.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub work: Work,
    pub server: usize,
    pub began: Instant,
    pub ended: Instant,
    pub status: u16,
    pub request: String,
    pub receipt: Option<Receipt>,
}

impl Attempt {
    pub fn duration(&self) -> Duration {
        self.ended - self.began
    }
}

/// What the clients need.
#[derive(Clone)]
pub struct Site {
    pub servers: [String; 2],
    pub customer: Actor,
    pub clerk: Actor,
    pub auditor: Actor,
    /// Counts loads and files, so that no two are the same.
    pub count: Arc<AtomicUsize>,
}

/// Running clients.
pub struct Clients {
    attempts: Arc<Mutex<Vec<Attempt>>>,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Clients {
    pub fn start(site: &Site) -> Self {
        let (attempts, stop) = (Arc::<Mutex<Vec<Attempt>>>::default(), Arc::<AtomicBool>::default());
        let client = |index: usize| {
            let (attempts, stop) = (attempts.clone(), stop.clone());
            let mut client = Client { site: site.clone(), index, order: None };
            tokio::spawn(async move {
                let (turns, mut turn) = (Work::turns(index), 0);
                // A program ends when its order is acknowledged.
                while !stop.load(Ordering::Relaxed) || client.order.is_some() {
                    let (work, server) = (turns[turn % turns.len()], (index / 8 + turn) % 2);
                    let attempt = timeout(HANGING, client.attempt(work, server)).await;
                    attempts.lock().unwrap().push(attempt.unwrap_or_else(|_| panic!("{work:?} hangs")));
                    turn += 1;
                    sleep(PAUSE).await;
                }
            })
        };
        let tasks = (0..CLIENTS).map(client).collect();
        Self { attempts, stop, tasks }
    }

    /// Waits until an attempt that began after `since` and is as expected is there for each kind of work on each server.
    /// Returns how long that took.
    pub async fn until(&self, since: Instant, within: Duration, is_it: impl Fn(&Attempt) -> bool) -> Duration {
        let missing = |attempts: &[Attempt]| {
            let found = |work: &(Work, usize)| {
                let of_it = attempts.iter().filter(|attempt| (attempt.work, attempt.server) == *work);
                of_it.filter(|attempt| attempt.began >= since).any(&is_it)
            };
            Work::everywhere().filter(|work| !found(work)).collect::<Vec<_>>()
        };
        loop {
            let (missing, refused) = {
                let attempts = self.attempts.lock().unwrap();
                let missing = missing(&attempts);
                let is_wanted = |it: &&Attempt| it.ended >= since && missing.contains(&(it.work, it.server));
                let refused: Vec<_> = attempts.iter().filter(is_wanted).map(|it| (it.status, it.duration())).collect();
                (missing, refused)
            };
            if missing.is_empty() {
                return since.elapsed();
            }
            assert!(since.elapsed() < within, "{missing:?} not within {within:?}: {refused:?}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits for the answers that are due, and returns all.
    pub async fn stop(self) -> Vec<Attempt> {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        std::mem::take(&mut *self.attempts.lock().unwrap())
    }
}

/// One of the clients.
struct Client {
    site: Site,
    index: usize,
    /// The number of the order that was not acknowledged yet.
    order: Option<usize>,
}

impl Client {
    async fn attempt(&mut self, work: Work, server: usize) -> Attempt {
        let Site { servers, customer, clerk, auditor, count } = &self.site;
        let [customer, clerk, auditor] = [customer, clerk, auditor].map(|actor| actor.at(&servers[server]));
        let number = count.fetch_add(1, Ordering::Relaxed);
        let began = Instant::now();
        let (answer, receipt) = match work {
            Work::Download => download(&customer).await,
            Work::Issue => issue(&clerk, &format!("T{number}")).await,
            Work::Upload => upload(&clerk, &paper(&format!("Paper {number}"))).await,
            Work::Order => {
                let number = *self.order.get_or_insert(number);
                let (answer, receipt) = order(&clerk, number).await;
                self.order = self.order.filter(|_| receipt.is_none());
                (answer, receipt)
            }
            Work::Page => {
                let (reader, pages) = [customer, clerk, auditor].into_iter().zip(PAGES).nth(number % 3).unwrap();
                read(reader.get(pages[number / 3 % pages.len()]).await, 200)
            }
            Work::LogIn => {
                let form = [("email", &*email_of(self.index)), ("password", PASSWORD)];
                read(Actor::new(&servers[server]).post("/login", &form).await, 303)
            }
        };
        let request = answer.header("x-request-id").to_owned();
        Attempt { work, server, began, ended: Instant::now(), status: answer.status, request, receipt }
    }
}

/// The login of a client. The portal slows down many logins of one account.
pub fn email_of(index: usize) -> String {
    format!("clerk{index}@terminal.example")
}

fn read(answer: Answer, expected: u16) -> (Answer, Option<Receipt>) {
    let receipt = (answer.status == expected).then_some(Receipt::Page);
    (answer, receipt)
}

async fn download(customer: &Actor) -> (Answer, Option<Receipt>) {
    let answer = customer.get(&format!("/bols/{}/download", World::ACME_BOL)).await;
    let is_link = answer.status == 303 && answer.header("location").contains("/files/");
    let receipt = is_link.then(|| Receipt::Link { request: answer.header("x-request-id").to_owned() });
    (answer, receipt)
}

async fn issue(clerk: &Actor, truck: &str) -> (Answer, Option<Receipt>) {
    let answer = Load::of_today(&Clock::system()).with("truck_number", truck).post(clerk, "/office/bols").await;
    let number = answer.header("location").strip_prefix("/bols/").and_then(|rest| rest.strip_suffix("?done=issued"));
    let number = number.filter(|_| answer.status == 303).map(str::to_owned);
    let receipt = number.map(|number| Receipt::Bol { number, truck: truck.to_owned() });
    (answer, receipt)
}

/// Sends an order. The same order has the same key.
async fn order(program: &Actor, number: usize) -> (Answer, Option<Receipt>) {
    let truck = format!("P{number}");
    let mut load = Load::of_today(&Clock::system()).with("truck_number", &truck).json();
    (load["pieces"], load["seal_numbers"]) = (1.into(), serde_json::json!([]));
    let request = program.request(Method::POST, "/api/v1/bols").header("Idempotency-Key", &truck).json(&load);
    let answer = Answer::of(request).await;
    let is_issued = answer.status == 201 || answer.status == 200;
    let receipt = is_issued.then(|| Receipt::Bol { number: answer.json()["number"].as_str().unwrap().into(), truck });
    (answer, receipt)
}

async fn upload(clerk: &Actor, file: &[u8]) -> (Answer, Option<Receipt>) {
    let answer = clerk.upload(&[("kind", "other")], &format!("{}.pdf", World::ACME_BARE), file).await;
    let is_stored = answer.status == 200 && answer.outcomes()[0].starts_with("stored ");
    let receipt =
        is_stored.then(|| Receipt::Document { id: answer.document_id(0), sha256: Sha256::digest(file).to_vec() });
    (answer, receipt)
}
