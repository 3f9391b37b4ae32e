//! Builders of the rows that a test starts from: `app.new_bol("PRT-2025-0042").customer("ACME").create()`.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use primetrade::accounts::passwords;
use primetrade::bols::BolNumber;
use primetrade::clock::Clock;
use primetrade::db::schema::{bols, customers, documents, memberships, sessions, users};
use sha2::{Digest, Sha256};

use super::{App, PASSWORD};

impl App {
    pub fn new_bol(&self, number: &str) -> BolBuilder<'_> {
        BolBuilder { app: self, number: number.parse().unwrap(), customer: None }
    }

    /// A document's row. The storage gets no object.
    pub fn new_document(&self, key: &str) -> DocumentBuilder<'_> {
        let kind = "other".into();
        DocumentBuilder { app: self, key: key.into(), kind, bol: None, arrived_as: String::new(), pending: None }
    }

    /// Creates documents of ACME of 1 MB each. 40 are more than fits into all buffers between the storage and a reader.
    pub async fn create_large_documents(&self, count: usize) {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut noise = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        };
        for n in 101..101 + count {
            let number = format!("PRT-2025-{n:04}");
            let id = self.new_bol(&number).customer("ACME").create().await;
            let key = format!("bols/2025/{number}.pdf");
            std::fs::write(self.media(&key), (0..125_000).flat_map(|_| noise()).collect::<Vec<u8>>()).unwrap();
            self.new_document(&key).kind("bol").bol(id).create().await;
        }
    }

    /// Dates back since when a BOL is visible to its customer.
    pub async fn make_visible_since(&self, number: &str, since: DateTime<Utc>) {
        let mut connection = self.connection().await;
        let bol = diesel::update(bols::table.filter(bols::number.eq(number)));
        assert_eq!(bol.set(bols::visible_since.eq(since)).execute(&mut *connection).await.unwrap(), 1, "{number}");
    }

    /// Makes stored documents pending again, as an interrupted upload leaves them.
    pub async fn interrupt_upload(&self, ids: &[i64], user: i64) {
        let mut connection = self.connection().await;
        let changes = (
            documents::state.eq("pending"),
            documents::stored_at.eq(None::<DateTime<Utc>>),
            documents::pending_at.eq(self.clock.now()),
            documents::pending_by.eq(user),
        );
        let rows = diesel::update(documents::table.filter(documents::id.eq_any(ids))).set(changes);
        assert_eq!(rows.execute(&mut *connection).await.unwrap(), ids.len());
    }

    /// Makes a waiting document pending under a new key, as an interruption leaves one that was leaving the inbox.
    pub async fn interrupt_filing(&self, id: i64, number: &str, version: i32, user: i64) {
        let bol = self.bol(number).await.id;
        let mut connection = self.connection().await;
        let key = format!("bols/{}/{number}.other.v{version}.pdf", &number[4..8]);
        let changes = (
            documents::state.eq("pending"),
            documents::stored_at.eq(None::<DateTime<Utc>>),
            documents::pending_at.eq(self.clock.now()),
            documents::pending_by.eq(user),
            documents::bol_id.eq(bol),
            documents::arrived_key.eq(documents::object_key.nullable()),
            documents::object_key.eq(key),
            documents::version.eq(version),
        );
        let rows = diesel::update(documents::table.find(id)).set(changes);
        assert_eq!(rows.execute(&mut *connection).await.unwrap(), 1, "{id}");
    }

    /// Makes every session view the portal as a customer, which the pages offer to the office alone.
    pub async fn view_as_in_every_session(&self, code: &str) {
        let customer = self.customer(code).await.id;
        let mut connection = self.connection().await;
        diesel::update(sessions::table).set(sessions::seeing_as.eq(customer)).execute(&mut *connection).await.unwrap();
    }

    pub async fn deactivate_customer(&self, code: &str) {
        let mut connection = self.connection().await;
        let customer = diesel::update(customers::table.filter(customers::code.eq(code)));
        assert_eq!(customer.set(customers::active.eq(false)).execute(&mut *connection).await.unwrap(), 1, "{code}");
    }

    /// Makes a user an administrator of each of their companies.
    pub async fn make_company_admin(&self, email: &str) {
        let user = self.user_id(email).await;
        let mut connection = self.connection().await;
        let theirs = diesel::update(memberships::table.filter(memberships::user_id.eq(user)));
        theirs.set(memberships::is_admin.eq(true)).execute(&mut *connection).await.unwrap();
    }

    pub fn new_user(&self, email: &str) -> UserBuilder<'_> {
        UserBuilder { app: self, email: email.into(), role: "office".into() }
    }
}

#[must_use]
pub struct BolBuilder<'a> {
    app: &'a App,
    number: BolNumber,
    customer: Option<&'a str>,
}

impl<'a> BolBuilder<'a> {
    pub fn customer(mut self, code: &'a str) -> Self {
        self.customer = Some(code);
        self
    }

    /// Returns the BOL's id.
    pub async fn create(self) -> i64 {
        let mut connection = self.app.connection().await;
        let customer = match self.customer {
            Some(code) => Some(self.app.customer(code).await.id),
            None => None,
        };
        let sequence: i32 = self.number.as_str().rsplit('-').next().unwrap().parse().unwrap();
        let values = (
            bols::number.eq(self.number.as_str()),
            bols::number_year.eq(self.number.year()),
            bols::number_seq.eq(sequence),
            bols::customer_id.eq(customer),
            bols::bol_date.eq(self.app.clock.now().date_naive()),
            bols::product.eq("Pig iron"),
            bols::net_lb.eq(40_000),
        );
        let query = diesel::insert_into(bols::table).values(values).returning(bols::id);
        query.get_result(&mut *connection).await.unwrap()
    }
}

#[must_use]
pub struct DocumentBuilder<'a> {
    app: &'a App,
    key: String,
    kind: String,
    bol: Option<i64>,
    arrived_as: String,
    pending: Option<(DateTime<Utc>, i64)>,
}

impl DocumentBuilder<'_> {
    pub fn kind(mut self, kind: &str) -> Self {
        self.kind = kind.into();
        self
    }

    pub fn bol(mut self, id: i64) -> Self {
        self.bol = Some(id);
        self
    }

    /// The name of the uploaded file.
    pub fn arrived_as(mut self, name: &str) -> Self {
        self.arrived_as = name.into();
        self
    }

    /// Begun at some time by a user, and not yet stored.
    pub fn pending(mut self, since: DateTime<Utc>, user: i64) -> Self {
        self.pending = Some((since, user));
        self
    }

    /// Returns the document's id.
    pub async fn create(self) -> i64 {
        let mut connection = self.app.connection().await;
        let file_name = self.key.rsplit('/').next().unwrap();
        let is_pending = self.pending.is_some();
        let values = (
            documents::bol_id.eq(self.bol),
            documents::kind.eq(&self.kind),
            documents::version.eq(1),
            documents::object_key.eq(&self.key),
            documents::file_name.eq(file_name),
            documents::arrived_as.eq(&self.arrived_as),
            documents::sha256.eq(Sha256::digest(&self.key).to_vec()),
            documents::size_bytes.eq(1),
            documents::state.eq(if is_pending { "pending" } else { "stored" }),
            documents::stored_at.eq((!is_pending).then(|| Clock::system().now())),
            documents::pending_at.eq(self.pending.map(|(since, _)| since)),
            documents::pending_by.eq(self.pending.map(|(_, user)| user)),
        );
        let query = diesel::insert_into(documents::table).values(values).returning(documents::id);
        query.get_result(&mut *connection).await.unwrap()
    }
}

#[must_use]
pub struct UserBuilder<'a> {
    app: &'a App,
    email: String,
    role: String,
}

impl UserBuilder<'_> {
    pub fn role(mut self, role: &str) -> Self {
        self.role = role.into();
        self
    }

    /// Returns the user's id. The password is [`PASSWORD`].
    pub async fn create(self) -> i64 {
        let mut connection = self.app.connection().await;
        let values = (
            users::email.eq(&self.email),
            users::name.eq("Somebody"),
            users::role.eq(&self.role),
            users::password_hash.eq(Some(passwords::hash(PASSWORD).await.unwrap())),
        );
        diesel::insert_into(users::table)
            .values(values)
            .returning(users::id)
            .get_result(&mut *connection)
            .await
            .unwrap()
    }
}
