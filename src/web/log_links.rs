//! Addresses of the access log, for its own pages and for those that link to it.

use url::form_urlencoded;

use crate::audit::export::Format;
use crate::audit::filter::FilterText;
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

/// What can be downloaded of the filtered log: a label and an address each.
pub fn downloads(filter: &FilterText) -> Vec<(&'static str, String)> {
    let label = |format| match format {
        Format::Csv => "CSV",
        Format::JsonLines => "JSON Lines",
        Format::Xlsx => "Excel",
    };
    let export = |format: Format| href("/audit/export", filter, Some(("format", format.as_str())));
    let exports = Format::ALL.into_iter().map(|format| (label(format), export(format)));
    exports.chain([("Pack with proofs", href("/audit/pack", filter, None))]).collect()
}

fn href(path: &str, filter: &FilterText, more: Option<(&str, &str)>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in filter.fields().into_iter().chain(more).filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    format!("{path}?{}", query.finish())
}
