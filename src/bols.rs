//! The bill of lading: its number, fields and weights, the search, the assignment to customers, and the reference
//! lists.
//!
//! Nothing here knows files: documents belong in [`crate::documents`], and issuing in [`crate::issuing`].

pub mod assign;
mod bol;
pub mod choices;
pub mod counts;
mod document_kind;
pub mod draft;
mod field_reader;
pub mod fields;
pub mod import;
pub mod list_export;
pub mod lists;
mod number;
mod printed_code;
pub mod search;
pub mod settings;
pub mod weight;

pub use bol::{Bol, NewBol};
pub use document_kind::DocumentKind;
pub use draft::{Copied, Draft, FilledIn, Filling, fill_in};
pub use fields::Printed;
pub use number::BolNumber;
pub use printed_code::{MAC_PARAMETER, PrintedAddress, PrintedCodes};
