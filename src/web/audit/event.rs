//! `GET /audit/events/{id}`: one event with all its fields.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, Responder};
use askama::Template;
use askama_web::WebTemplate;
use serde_json::{Value, json};

use crate::accounts::Viewer;
use crate::audit::{self, Action, COLUMNS, Event, EventRow, Outcome, prove, search};
use crate::bols::weight::grouped;
use crate::db::Database;
use crate::web::auth::{Auditors, Visitor};
use crate::web::log_links::timeline;
use crate::web::page::Layout;
use crate::web::request::Origin;
use crate::web::{Error, Site};

#[derive(Template, WebTemplate)]
#[template(path = "audit/event.html")]
struct EventPage {
    layout: Layout,
    what: &'static str,
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
pub async fn page(
    request: HttpRequest,
    visitor: Visitor<Auditors>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    id: Path<String>,
) -> Result<HttpResponse, Error> {
    let id: i64 = id.parse().map_err(|_| Error::NotFound)?;
    let mut connection = db.get().await?;
    let row = search::find(&mut connection, id).await?.ok_or(Error::NotFound)?;
    let position = prove::position(&mut connection, id).await?;
    let event = Event::new(Action::AuditViewed, Outcome::Success, visitor.actor(), &origin.0);
    audit::record(&connection, &event.detail(json!({"event": id}))).await?;
    Ok(EventPage::new(&site, &visitor, row, position).respond_to(&request))
}

impl EventPage {
    fn new(site: &Site, viewer: &Viewer, row: EventRow, position: Option<i64>) -> Self {
        let detail: Option<Value> = serde_json::from_str(&row.detail.0).ok();
        let fields = COLUMNS.into_iter().zip(row.cells()).filter(|(name, _)| *name != "detail");
        Self {
            layout: Layout::new(site, Some(viewer), "/audit"),
            what: super::action_label(&row.action),
            when: super::when(row.occurred_at, site.time_zone),
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
