//! The bill of lading: its number, its fields, finding it, and looking at one.

pub mod assign;
mod bol;
pub mod choices;
mod document_kind;
pub mod draft;
pub mod import;
pub mod lists;
mod number;
pub mod search;
pub mod settings;
pub mod weight;

pub use bol::{Bol, NewBol, Printed};
pub use document_kind::DocumentKind;
pub use draft::{Draft, Filling, Problem, fill_in};
pub use number::BolNumber;
