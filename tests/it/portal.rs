//! The pages that customers see: their BOLs, their documents and the notices about them.

pub mod bol;
pub mod bols;
pub mod download;
pub mod isolation;
pub mod notices;
pub mod zip;
