//! The bill of lading: its number, its fields, finding it, and looking at one.

mod bol;
mod number;
pub mod print;
pub mod search;
pub mod weight;

pub use bol::{Access, Bol, Kin, NewBol, Printed, Viewed, view};
pub use number::BolNumber;
