//! Shows new recovery codes. The server keeps only their hashes, so the page can't be shown again.

use askama::Template;

use super::page::Layout;

#[derive(Template)]
#[template(path = "session/recovery_codes.html")]
pub struct RecoveryCodesPage {
    layout: Layout,
    codes: Vec<String>,
    /// Where the user goes on.
    next: String,
}

impl RecoveryCodesPage {
    pub fn new(layout: Layout, codes: Vec<String>, next: String) -> Self {
        Self { layout, codes, next }
    }
}
