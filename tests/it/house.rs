//! Rules that hold for the whole house: the source, the docs, the schema, every answer over HTTP, and pages in a browser.

pub mod browser;
pub mod direction;
pub mod docs;
pub mod http;
pub mod schema;
mod test_length;
