//! Pages of the terminal's office.

pub mod carriers;
pub mod new_bol;
pub mod products;
pub mod settings;
pub mod stamp;
