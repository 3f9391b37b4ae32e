//! Documents, whatever their state.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use primetrade::db::schema::documents;

use super::super::App;
use super::{find, load_all};

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
    pub content_type: String,
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
    /// The original of a cleaned copy, or the photo of a PDF.
    pub original_id: Option<i64>,
}

load_all!(DocumentRow, documents, id);

impl DocumentRow {
    pub fn is_stored(&self) -> bool {
        self.state == "stored"
    }

    /// Whether it keeps a photo as it arrived.
    pub fn is_photo(&self) -> bool {
        self.content_type != "application/pdf"
    }

    pub fn is_pending(&self) -> bool {
        self.state == "pending"
    }
}

impl App {
    /// Every document by id.
    pub async fn documents(&self) -> Vec<DocumentRow> {
        DocumentRow::all(&mut *self.connection().await).await
    }

    /// The documents that were uploaded, in the order of their arrival.
    pub async fn uploads(&self) -> Vec<DocumentRow> {
        let mut uploads = self.documents().await;
        uploads.retain(|document| !document.arrived_as.is_empty());
        uploads
    }

    /// The document that was uploaded under this name. Panics if there is none or more than one.
    pub async fn upload_named(&self, name: &str) -> DocumentRow {
        let mut uploads = self.uploads().await;
        uploads.retain(|document| document.arrived_as == name);
        assert_eq!(uploads.len(), 1, "uploads named {name}");
        uploads.remove(0)
    }

    /// The documents of one kind, by id.
    pub async fn documents_of_kind(&self, kind: &str) -> Vec<DocumentRow> {
        let mut documents = self.documents().await;
        documents.retain(|document| document.kind == kind);
        documents
    }

    /// The documents of a BOL, by id.
    pub async fn documents_of(&self, number: &str) -> Vec<DocumentRow> {
        let bol = self.bol(number).await.id;
        let mut documents = self.documents().await;
        documents.retain(|document| document.bol_id == Some(bol));
        documents
    }

    pub async fn document(&self, id: i64) -> DocumentRow {
        find(self.documents().await, &format!("document {id}"), |document| document.id == id)
    }
}

/// The versions of some documents, in ascending order.
pub fn versions(documents: &[DocumentRow]) -> Vec<i32> {
    let mut versions: Vec<i32> = documents.iter().map(|document| document.version).collect();
    versions.sort_unstable();
    versions
}

impl App {
    /// Stores a small document of a BOL of 2025, now.
    pub async fn store_document(&self, number: &str, kind: &str) {
        let (key, bytes) = (format!("bols/2025/{number}.{kind}.v1.pdf"), b"%PDF-1.4\n% small\n%%EOF\n");
        std::fs::write(self.media(&key), bytes).unwrap();
        self.sql(&format!(
            "INSERT INTO documents (customer_id, bol_id, kind, version, object_key, file_name, size_bytes, sha256, state, stored_at)
             SELECT customer_id, id, '{kind}', 1, '{key}', '{kind}.pdf', {}, sha256('x'), 'stored', now()
             FROM bols WHERE number = '{number}'",
            bytes.len()
        ))
        .await;
    }
}
