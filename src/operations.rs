//! What operators do with the storage: move PDFs into it, compare it with the database, and see what it costs.

pub mod migrate_pdfs;
pub mod reconcile;
pub mod storage_usage;
