//! The pages that customers see: their BOLs, their documents and the notices about them.

mod bol;
mod bols;
mod counts;
mod download;
pub mod isolation;
mod long_search;
mod lookups;
mod news;
mod notices;
mod search;
mod ticks;
mod ticks_browser;
mod zip;
