//! Builders of the rows that a test starts from: `app.new_bol("PRT-2025-0042").customer("ACME").create()`.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use primetrade::accounts::passwords;
use primetrade::bols::BolNumber;
use primetrade::clock::Clock;
use primetrade::db;
use primetrade::db::schema::{bols, documents, users};
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
        let mut connection = db::connect(&self.app.database).await.unwrap();
        let customer = match self.customer {
            Some(code) => Some(self.app.customer_id(code).await),
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
        query.get_result(&mut connection).await.unwrap()
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
        let mut connection = db::connect(&self.app.database).await.unwrap();
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
        query.get_result(&mut connection).await.unwrap()
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
        let mut connection = db::connect(&self.app.database).await.unwrap();
        let values = (
            users::email.eq(&self.email),
            users::name.eq("Somebody"),
            users::role.eq(&self.role),
            users::password_hash.eq(Some(passwords::hash(PASSWORD).await.unwrap())),
        );
        diesel::insert_into(users::table).values(values).returning(users::id).get_result(&mut connection).await.unwrap()
    }
}
