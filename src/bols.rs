//! The bill of lading: its number, its fields, finding it, and looking at one.

pub mod assign;
mod bol;
pub mod choices;
mod dispatch;
mod doubts;
mod draft;
pub mod import;
pub mod lists;
mod number;
pub mod print;
pub mod search;
pub mod settings;
pub mod weight;

pub use bol::{Access, Bol, Kin, NewBol, Printed, Viewed, view};
pub use dispatch::{Dispatch, DispatchError, Issued};
pub use doubts::Doubt;
pub use draft::{Draft, Filling, Problem, fill_in};
pub use number::BolNumber;
