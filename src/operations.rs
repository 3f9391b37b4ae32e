//! What operators do with the storage and its database: move PDFs, compare the two, try a restore, and see what it costs.

pub mod migrate_pdfs;
pub mod reconcile;
pub mod restore_drill;
pub mod storage_usage;
