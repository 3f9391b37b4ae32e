//! The line about unusual activity above the events of the log.

use chrono::Days;
use diesel_async::AsyncPgConnection;

use crate::audit::Action;
use crate::audit::filter::FilterText;
use crate::audit::search::{self, TEXT_SEARCH_WINDOW};
use crate::web::log_links;
use crate::web::{Error, Site};

/// The days that the line covers, with today.
const DAYS: u64 = 7;

/// "3 unusual activities in the last 7 days: show them"
pub struct UnusualLine {
    pub text: String,
    pub href: String,
    pub link: &'static str,
}

/// Counts the unusual activity of the last days. Returns `None` if there was none.
pub async fn of_all(connection: &mut AsyncPgConnection, site: &Site) -> Result<Option<UnusualLine>, Error> {
    let today = site.today();
    let filter =
        FilterText { from: (today - Days::new(DAYS - 1)).to_string(), to: today.to_string(), ..only_unusual() };
    line(connection, site, filter, &format!("in the last {DAYS} days")).await
}

/// Counts that of one login. Its events are the portal's, so its timeline lacks them.
pub async fn of_login(
    connection: &mut AsyncPgConnection,
    site: &Site,
    login: &str,
) -> Result<Option<UnusualLine>, Error> {
    let filter = FilterText { q: login.into(), ..only_unusual() };
    line(connection, site, filter, &format!("of this login in the last {} days", TEXT_SEARCH_WINDOW.num_days())).await
}

fn only_unusual() -> FilterText {
    FilterText { action: Action::UnusualActivity.as_str().into(), ..FilterText::default() }
}

/// Counts the events that the link shows.
async fn line(
    connection: &mut AsyncPgConnection,
    site: &Site,
    text: FilterText,
    when: &str,
) -> Result<Option<UnusualLine>, Error> {
    let filter = text.parse(site.time_zone, site.clock.now()).filter;
    let days = search::count_by_day(connection, &filter, site.time_zone).await?;
    let count: i64 = days.iter().map(|(_, events)| events).sum();
    let (what, link) = if count == 1 { ("activity", "show it") } else { ("activities", "show them") };
    let href = log_links::first_page(&text);
    Ok((count > 0).then(|| UnusualLine { text: format!("{count} unusual {what} {when}"), href, link }))
}
