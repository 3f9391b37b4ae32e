//! What every page shares: its frame, times, and small formats.

use std::io;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::web::Bytes;
use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use chrono_tz::Tz;
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc::Receiver;

use super::{Site, log_links};
use crate::accounts::{Role, Viewer};

/// The frame of a page: `base.html`.
#[derive(Default)]
pub struct Layout {
    pub css: String,
    pub icon: String,
    pub signed_in: bool,
    pub user_name: String,
    pub user_email: String,
    pub role_label: &'static str,
    pub companies: String,
    pub nav: Vec<NavItem>,
    /// The company as which somebody of the office looks.
    pub seeing_as: String,
    /// Something went well.
    pub notice: &'static str,
}

pub struct NavItem {
    pub label: &'static str,
    pub href: &'static str,
    pub current: bool,
}

impl Layout {
    /// `here` is the path of the navigation entry this page belongs to, or nothing.
    pub fn new(site: &Site, viewer: Option<&Viewer>, here: &str) -> Self {
        let (css, icon) = (site.assets.href("app.css"), site.assets.href("icon.svg"));
        let Some(viewer) = viewer else { return Self { css, icon, ..Self::default() } };
        let bols = ("Bills of lading", "/bols");
        let mut nav = match viewer.role {
            Role::Office | Role::Admin => vec![
                ("Today", "/office"),
                bols,
                ("New BOL", "/office/bols/new"),
                ("Upload", "/office/upload"),
                ("Inbox", "/office/inbox"),
                ("Customers", "/office/customers"),
                ("Users", "/office/users"),
                ("Products", "/office/products"),
                ("Carriers", "/office/carriers"),
                ("Settings", "/office/settings"),
            ],
            Role::Customer if viewer.administered().next().is_some() => vec![bols, ("People", "/people")],
            Role::Customer => vec![bols],
            Role::Auditor => vec![("Access log", "/audit"), bols],
        };
        if viewer.role == Role::Admin {
            nav.extend([("Access log", "/audit"), ("Storage", "/office/storage")]);
        }
        Self {
            css,
            icon,
            signed_in: true,
            user_name: viewer.name.clone(),
            user_email: viewer.email.clone(),
            role_label: viewer.true_role().label(),
            companies: if viewer.seeing_from.is_some() { String::new() } else { viewer.company_names() },
            seeing_as: if viewer.seeing_from.is_some() { viewer.company_names() } else { String::new() },
            nav: nav.into_iter().map(|(label, href)| NavItem { label, href, current: href == here }).collect(),
            ..Self::default()
        }
    }

    /// Where everything stands that is on record of one user, customer or BOL; `None`: this visitor doesn't read the log.
    pub fn timeline(&self, of: &str, value: &str) -> Option<String> {
        self.nav.iter().any(|item| item.href == "/audit").then(|| log_links::timeline(of, value))
    }

    pub fn notice(mut self, notice: &'static str) -> Self {
        self.notice = notice;
        self
    }
}

/// A file that is sent while it is made, to be saved. Compressed ones are sent as they are.
pub fn attachment(
    file_name: &str,
    content_type: &'static str,
    is_compressed: bool,
    pieces: Receiver<io::Result<Vec<u8>>>,
) -> HttpResponse {
    let body = stream::unfold(pieces, |mut pieces| async move { pieces.recv().await.map(|piece| (piece, pieces)) });
    let mut response = HttpResponse::Ok();
    if is_compressed {
        response.insert_header((CONTENT_ENCODING, "identity"));
    }
    response
        .insert_header((CONTENT_TYPE, content_type))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{file_name}\"")))
        .streaming(body.map(|piece| piece.map(Bytes::from)))
}

/// A page that isn't an answer to all is well: a form shown again. One that could not be rendered has its 500 already.
pub fn with_status(mut page: HttpResponse, status: StatusCode) -> HttpResponse {
    if page.status().is_success() {
        *page.status_mut() = status;
    }
    page
}

/// A moment as people read it, and as machines do.
pub struct Timestamp {
    /// `Nov 12, 2025, 3:04 PM`
    pub text: String,
    /// RFC 3339 in UTC
    pub iso: String,
}

pub fn timestamp(at: DateTime<Utc>, zone: Tz) -> Timestamp {
    Timestamp {
        text: at.with_timezone(&zone).format("%b %-d, %Y, %-I:%M %p").to_string(),
        iso: at.to_rfc3339_opts(SecondsFormat::Secs, true),
    }
}

/// `Nov 12, 2025`
pub fn date(day: NaiveDate) -> String {
    day.format("%b %-d, %Y").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        let at: DateTime<Utc> = "2025-11-12T20:04:59Z".parse().expect("a time");
        let shown = timestamp(at, chrono_tz::America::New_York);
        assert_eq!((shown.text.as_str(), shown.iso.as_str()), ("Nov 12, 2025, 3:04 PM", "2025-11-12T20:04:59Z"));
    }
}
