//! The fetches of issued links that the access log records.

use std::time::Duration;

use super::{Action, App, EventRow, World};

/// The fields of a recorded fetch that the tests compare.
#[derive(Debug, Clone, PartialEq)]
pub struct Fetch {
    pub outcome: String,
    /// Email and role of the user who got the link.
    pub user: [String; 2],
    pub customer: String,
    pub bol: String,
    /// How the fetch was matched with its link, or the reason why it wasn't.
    pub matched: Result<String, String>,
    pub bytes: usize,
    pub status: u16,
}

impl Fetch {
    fn new(event: &EventRow) -> Self {
        let by = event.detail("by");
        let is_matched = event.detail("matched") == "true";
        Self {
            outcome: event.outcome.clone(),
            user: [event.email().into(), event.role().into()],
            customer: event.customer().into(),
            bol: event.bol().into(),
            matched: if is_matched { Ok(by) } else { Err(event.detail("reason")) },
            bytes: event.detail("bytes").parse().unwrap(),
            status: event.detail("status").parse().unwrap(),
        }
    }

    /// A fetch of ACME's BOL with a link of ACME's buyer.
    pub fn matched(by: &str, bytes: usize, status: u16) -> Self {
        Self {
            outcome: if status < 400 { "success" } else { "failed" }.into(),
            user: [World::ACME.into(), "customer".into()],
            customer: "ACME".into(),
            bol: World::ACME_BOL.into(),
            matched: Ok(by.into()),
            bytes,
            status,
        }
    }

    /// A fetch whose link is unknown.
    pub fn unmatched(customer: &str, bol: &str, reason: &str, bytes: usize, status: u16) -> Self {
        let [customer, bol] = [customer.into(), bol.into()];
        let user = [String::new(), "-".into()];
        Self { user, customer, bol, matched: Err(reason.into()), ..Self::matched("", bytes, status) }
    }
}

impl App {
    /// Every recorded fetch, oldest first.
    pub async fn fetches(&self) -> Vec<Fetch> {
        self.events().await.only(Action::LinkFetched).list(Fetch::new)
    }

    /// Waits for this many fetches, which the server records after its answer.
    pub async fn fetches_once_recorded(&self, count: usize) -> Vec<Fetch> {
        for _ in 0..200 {
            let found = self.fetches().await;
            if found.len() >= count {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{:?}", self.fetches().await);
    }
}
