//! Rules that hold for the whole house: the source, the docs, the schema, every answer over HTTP, and pages in a browser.

mod browser;
mod direction;
mod docs;
mod http;
mod pages;
mod schema;
mod tasks;
mod test_length;
