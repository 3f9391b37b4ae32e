//! Addresses of the access log, for its own pages and for those that link to it.

use url::form_urlencoded;

use crate::audit::filter::{DOWNLOADS_VIEW, FilterText};
use crate::audit::search::Position;

/// The log, narrowed to one `user`, one `customer`, or the `number` of one BOL.
pub fn timeline(name: &str, value: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair(name, value);
    format!("/audit?{}", query.finish())
}

pub fn first_page(filter: &FilterText) -> String {
    href("/audit", filter, None)
}

/// The page that begins after `position`.
pub fn next_page(filter: &FilterText, position: Position) -> String {
    href("/audit", filter, Some(("after", &position.to_string())))
}

/// The downloads of one user, one customer, or the `number` of one BOL.
pub fn downloads(name: &str, value: &str) -> String {
    format!("{}&view={DOWNLOADS_VIEW}", timeline(name, value))
}

fn href(path: &str, filter: &FilterText, more: Option<(&str, &str)>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in filter.fields().into_iter().chain(more).filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    let query = query.finish();
    if query.is_empty() { path.into() } else { format!("{path}?{query}") }
}
