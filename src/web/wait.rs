//! Answers to users who have to wait before they try again.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use askama::Template;

use super::page::html_with_status;

/// Shows a form again: 422, or 429 with the time to wait.
pub fn form_again(page: &impl Template, wait: Option<Duration>) -> HttpResponse {
    let Some(wait) = wait else { return html_with_status(page, StatusCode::UNPROCESSABLE_ENTITY) };
    let mut response = html_with_status(page, StatusCode::TOO_MANY_REQUESTS);
    response.headers_mut().insert(RETRY_AFTER, whole_seconds(wait).into());
    response
}

/// Rounds up.
pub fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// "42 seconds"
pub fn in_words(wait: Duration) -> String {
    match whole_seconds(wait) {
        1 => "a second".into(),
        seconds @ 2..=90 => format!("{seconds} seconds"),
        seconds => format!("{} minutes", seconds.div_ceil(60)),
    }
}
