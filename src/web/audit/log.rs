//! `GET /audit`: the log with its filters, and a chart of events by day.

use actix_web::HttpResponse;
use actix_web::web::Query;
use chrono_tz::Tz;
use serde_json::json;

use super::log_page::{self, LogPage};
use super::log_row::LogRow;
use super::{Search, read_filter, record_view};
use crate::audit::filter::FilterText;
use crate::audit::names;
use crate::audit::search::{self, Position, TEXT_SEARCH_EVENTS};
use crate::bols::weight::grouped;
use crate::db::replica;
use crate::local_time;
use crate::web::Error;
use crate::web::auth::Auditors;
use crate::web::context::Context;
use crate::web::flash::Done;
use crate::web::log_links;
use crate::web::page::html;

/// `GET /audit`
pub async fn page(
    context: Context<Auditors>,
    text: Query<FilterText>,
    done: Query<Done>,
) -> Result<HttpResponse, Error> {
    let (site, text) = (&context.site, text.into_inner());
    let reader = context.db.reader(replica::PAGE).await;
    let mut connection = reader.get().await?;
    let Search { filter, found, after } = match read_filter(&mut connection, site, &text).await? {
        Ok(search) => search,
        Err(errors) => return log_page::refuse(&context, &mut connection, text, errors).await,
    };
    let search::Page { events, next, stopped_at } = search::page(&mut connection, &filter, after).await?;
    // Never two connections at once: each of many such pages would wait for the other.
    drop(connection);
    record_view(&context, &*context.db.get().await?, json!({"filter": text.to_json(), "shown": events.len()})).await?;
    let mut connection = reader.get().await?;
    let suggestions = names::suggest(&mut connection).await?;
    let mut page = LogPage::new(context.layout("/audit").flash(&done, &[]), site, text, &found, suggestions);
    if after.is_none() {
        page.add_unusual(&mut connection, site, &filter).await?;
        // A chart of a search that isn't at its end would count a part only, or look at all events after all.
        if stopped_at.is_none() {
            page.add_chart(&mut connection, site, &filter, events.first()).await?;
        }
    }
    page.stopped_at = stopped_at.map(|at| looked_back_to(at, site.time_zone));
    page.next_href = next.map(|position| log_links::next_page(&page.filter, position));
    page.rows = events.into_iter().map(|event| LogRow::new(event, site)).collect();
    Ok(html(&page))
}

/// How far a text search looked.
fn looked_back_to(position: Position, zone: Tz) -> String {
    let at = local_time::to_second(position.occurred_at, zone);
    format!("This page looked at {} events, back to {at}, and there are more.", grouped(TEXT_SEARCH_EVENTS))
}
