//! The bill of lading: its number, its fields, finding it, and looking at one.

mod bol;
mod number;
pub mod search;
pub mod weight;

pub use bol::{Access, Bol, NewBol, Viewed, view};
pub use number::BolNumber;
