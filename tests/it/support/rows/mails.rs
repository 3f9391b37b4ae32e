//! The outbox, and the addresses that want notices.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use primetrade::db::schema::{mails, notice_addresses};
use serde_json::Value;

use super::super::App;
use super::{find, load_all};

#[derive(Debug, Clone, PartialEq, Queryable, Selectable)]
#[diesel(table_name = mails)]
pub struct MailRow {
    pub id: i64,
    pub to_address: String,
    pub purpose: String,
    pub letter: Value,
    pub due_at: DateTime<Utc>,
    pub attempts: i32,
    pub last_error: String,
    pub sent_at: Option<DateTime<Utc>>,
    pub failed_at: Option<DateTime<Utc>>,
}

load_all!(MailRow, mails, id);

impl MailRow {
    pub fn is_sent(&self) -> bool {
        self.sent_at.is_some()
    }

    /// Given up for good.
    pub fn has_failed(&self) -> bool {
        self.failed_at.is_some()
    }

    /// An attempt has ended with an error. Attempts count from their start, so they don't say that.
    pub fn has_error(&self) -> bool {
        !self.last_error.is_empty()
    }
}

impl App {
    /// Every mail of the outbox by id.
    pub async fn mails(&self) -> Vec<MailRow> {
        MailRow::all(&mut *self.connection().await).await
    }

    pub async fn mail_to(&self, address: &str) -> MailRow {
        find(self.mails().await, &format!("mail to {address}"), |mail| mail.to_address == address)
    }

    /// Waits until the outbox is as expected.
    pub async fn mails_until(&self, expected: impl Fn(&[MailRow]) -> bool) {
        let mut mails = Vec::new();
        for _ in 0..200 {
            mails = self.mails().await;
            if expected(&mails) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the outbox never became as expected: {mails:#?}");
    }

    /// Waits until the only mail of the outbox is as expected.
    pub async fn only_mail_until(&self, expected: impl Fn(&MailRow) -> bool) {
        self.mails_until(|mails| matches!(mails, [mail] if expected(mail))).await;
    }

    /// Waits until no mail is left to send.
    pub async fn every_mail_sent(&self) {
        self.mails_until(|mails| mails.iter().all(MailRow::is_sent)).await;
    }

    /// The id of a further address of a customer.
    pub async fn notice_address_id(&self, email: &str) -> i64 {
        let mut connection = self.connection().await;
        let query = notice_addresses::table.filter(notice_addresses::email.eq(email)).select(notice_addresses::id);
        query.first(&mut *connection).await.unwrap()
    }
}
