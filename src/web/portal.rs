//! What customers come for, and the office too: the list, a BOL, a document.

pub mod bol;
pub mod bols;
pub mod download;
pub mod list_export;
pub mod zip;
