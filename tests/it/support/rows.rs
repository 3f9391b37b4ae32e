//! Rows of documents, BOLs and users as tests read them.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use primetrade::db;
use primetrade::db::schema::{bols, customers, documents, users};

use super::App;

/// One document, whatever its state.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable)]
#[diesel(table_name = documents)]
pub struct DocumentRow {
    pub id: i64,
    pub bol_id: Option<i64>,
    pub customer_id: Option<i64>,
    pub kind: String,
    pub version: i32,
    pub object_key: String,
    pub file_name: String,
    pub sha256: Vec<u8>,
    pub size_bytes: i64,
    pub state: String,
    pub stored_by: String,
    /// The name of the uploaded file. Empty for documents that the portal printed.
    pub arrived_as: String,
    pub arrived_key: Option<String>,
    pub waits_for: String,
    pub pending_at: Option<DateTime<Utc>>,
    pub discarded_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable)]
#[diesel(table_name = bols)]
pub struct BolRow {
    pub id: i64,
    pub number: String,
    pub number_year: i32,
    pub number_seq: i32,
    pub customer_id: Option<i64>,
    pub product: String,
    pub net_lb: i32,
    pub official_weight_lb: Option<i32>,
    pub voided_at: Option<DateTime<Utc>>,
    pub document_kinds: Vec<String>,
    pub company_name: String,
    pub issued_by: String,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable)]
#[diesel(table_name = users)]
pub struct UserRow {
    pub id: i64,
    pub email: String,
    pub role: String,
    pub active: bool,
}

impl App {
    /// Every document by id.
    pub async fn documents(&self) -> Vec<DocumentRow> {
        let mut connection = db::connect(&self.database).await.unwrap();
        let query = documents::table.order(documents::id).select(DocumentRow::as_select());
        query.load(&mut connection).await.unwrap()
    }

    /// The documents that were uploaded, in the order of their arrival.
    pub async fn uploads(&self) -> Vec<DocumentRow> {
        let mut uploads = self.documents().await;
        uploads.retain(|document| !document.arrived_as.is_empty());
        uploads
    }

    pub async fn document_row(&self, id: i64) -> DocumentRow {
        let documents = self.documents().await;
        documents.into_iter().find(|document| document.id == id).unwrap_or_else(|| panic!("no document {id}"))
    }

    /// Every BOL by id.
    pub async fn bols(&self) -> Vec<BolRow> {
        let mut connection = db::connect(&self.database).await.unwrap();
        bols::table.order(bols::id).select(BolRow::as_select()).load(&mut connection).await.unwrap()
    }

    pub async fn bol_row(&self, number: &str) -> BolRow {
        let bols = self.bols().await;
        bols.into_iter().find(|bol| bol.number == number).unwrap_or_else(|| panic!("no BOL {number}"))
    }

    /// Every user by id.
    pub async fn users(&self) -> Vec<UserRow> {
        let mut connection = db::connect(&self.database).await.unwrap();
        users::table.order(users::id).select(UserRow::as_select()).load(&mut connection).await.unwrap()
    }

    pub async fn user_id(&self, email: &str) -> i64 {
        let users = self.users().await;
        users.iter().find(|user| user.email == email).unwrap_or_else(|| panic!("no user {email}")).id
    }

    pub async fn customer_id(&self, code: &str) -> i64 {
        let mut connection = db::connect(&self.database).await.unwrap();
        let query = customers::table.filter(customers::code.eq(code)).select(customers::id);
        query.first(&mut connection).await.unwrap()
    }

    /// The number of rows in a table.
    pub async fn count(&self, table: &str) -> usize {
        self.rows(&format!("SELECT count(*) FROM {table}")).await[0].parse().unwrap()
    }
}
