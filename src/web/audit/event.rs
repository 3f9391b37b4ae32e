//! `GET /audit/events/{id}`: one event with all its fields.

use actix_web::HttpResponse;
use actix_web::web::Path;
use askama::Template;
use serde_json::{Value, json};

use super::record_view;
use crate::audit::{Action, COLUMNS, EventRow, prove, search};
use crate::bols::weight::grouped;
use crate::db::replica;
use crate::local_time;
use crate::unusual::Finding;
use crate::web::Error;
use crate::web::auth::Auditors;
use crate::web::context::Context;
use crate::web::log_links::{downloads, timeline};
use crate::web::page::{Layout, html};

#[derive(Template)]
#[template(path = "audit/event.html")]
struct EventPage {
    layout: Layout,
    what: &'static str,
    /// Whose activity was unusual, and why.
    unusual: Option<String>,
    when: String,
    /// Name and value of each exported column but `detail`.
    fields: Vec<(&'static str, Option<String>)>,
    detail: String,
    /// The position of the event's leaf in the tree, unless the event isn't sealed yet.
    position: Option<String>,
    proof_href: String,
    /// Links to related parts of the log: a label and an address each.
    related: Vec<(String, String)>,
}

/// `GET /audit/events/{id}`
pub async fn page(context: Context<Auditors>, id: Path<i64>) -> Result<HttpResponse, Error> {
    let (row, position) = {
        let mut connection = context.db.reader(replica::PAGE).await.get().await?;
        let row = search::find(&mut connection, *id).await?.ok_or(Error::NotFound)?;
        (row, prove::position(&mut connection, *id).await?)
    };
    record_view(&context, &*context.db.get().await?, json!({"event": *id})).await?;
    Ok(html(&EventPage::new(&context, row, position)))
}

impl EventPage {
    fn new(context: &Context<Auditors>, row: EventRow, position: Option<i64>) -> Self {
        let detail: Option<Value> = serde_json::from_str(&row.detail.0).ok();
        let fields = COLUMNS.into_iter().zip(row.cells()).filter(|(name, _)| *name != "detail");
        Self {
            layout: context.layout("/audit"),
            what: super::action_words(&row.action, super::outcome(&row.outcome)),
            unusual: Finding::of(&row).map(|found| format!("{}: {}", found.who(), found.reasons_in_words())),
            when: local_time::to_second(row.occurred_at, context.site.time_zone),
            fields: fields.map(|(name, cell)| (name, Some(cell.to_string()).filter(|text| !text.is_empty()))).collect(),
            position: position.map(grouped),
            proof_href: format!("/audit/events/{}/proof", row.id),
            related: related(&row, detail.as_ref()),
            detail: detail.and_then(|detail| serde_json::to_string_pretty(&detail).ok()).unwrap_or(row.detail.0),
        }
    }
}

/// Links to the event of the link that a `LINK_FETCHED` event followed, and to the timelines of what the event names.
fn related(row: &EventRow, detail: Option<&Value>) -> Vec<(String, String)> {
    let mut related = Vec::new();
    let link = detail.and_then(|detail| detail["link"].as_i64());
    if let Some(link) = link.filter(|_| row.action == Action::LinkFetched.as_str()) {
        related.push(("The link that was followed".into(), format!("/audit/events/{link}")));
    }
    if let Some(login) = Finding::of(row).and_then(|found| found.login) {
        related.push((format!("All events by {login}"), timeline("user", &login)));
    }
    if let Some(number) = row.bol_number.as_ref().filter(|number| !number.is_empty()) {
        related.push((format!("Downloads of BOL {number}"), downloads("number", number)));
    }
    for (label, name, value) in [
        ("All events of BOL", "number", &row.bol_number),
        ("All events by", "user", &row.user_email),
        ("All events about customer", "customer", &row.customer_code),
    ] {
        if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
            related.push((format!("{label} {value}"), timeline(name, value)));
        }
    }
    related
}
