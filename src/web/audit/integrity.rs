//! `/audit/integrity`: the state of sealing, the last verifications, and a button for a new one.

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::Query;
use askama::Template;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::audit::seal::{MAX_COUNTED, Overview};
use crate::audit::verify::{ExpectedRetention, Progress, Report, Run, RunResult, Verification, is_running, last_runs};
use crate::audit::{Actor, Origin};
use crate::bols::weight::grouped;
use crate::db::Database;
use crate::field_errors::FieldErrors;
use crate::local_time;
use crate::web::auth::Auditors;
use crate::web::context::Context;
use crate::web::flash::{Done, integrity as flash, see_other};
use crate::web::form_field::FormField;
use crate::web::page::{Layout, html};
use crate::web::{Error, Site};

const HERE: &str = "/audit/integrity";
/// Verifications on the page.
const MAX_RUNS: i64 = 10;
/// Events that wait longer for their seal are reported as late.
const MAX_SEAL_DELAY: chrono::TimeDelta = chrono::TimeDelta::seconds(30);

#[derive(Template)]
#[template(path = "audit/integrity.html")]
struct IntegrityPage {
    layout: Layout,
    /// Why sealing has stopped or is late.
    trouble: Option<String>,
    sealed: String,
    sealed_at: Option<String>,
    waiting: String,
    /// The retention period.
    kept: String,
    root: Option<String>,
    published: Option<String>,
    published_at: Option<String>,
    unpublished: i64,
    /// The public key of the signing key.
    key: String,
    is_under_way: bool,
    /// Whether the viewer can download packs with PDFs.
    can_have_pdfs: bool,
    runs: Vec<RunRow>,
}

struct RunRow {
    href: String,
    when: String,
    by: String,
    is_fine: bool,
    result: String,
    events: String,
}

pub async fn page(context: Context<Auditors>, done: Query<Done>) -> Result<HttpResponse, Error> {
    let mut connection = context.db.get().await?;
    let overview = Overview::read(&mut connection, &context.site.seals).await?;
    let runs = last_runs(&mut connection, &context.site.seals, MAX_RUNS).await?;
    let mut page = IntegrityPage::new(&context, overview, runs);
    page.is_under_way = is_running(&mut connection).await?;
    page.layout = page.layout.flash(&done, if page.is_under_way { flash::ALL } else { &[] });
    let mut response = html(&page);
    if page.is_under_way {
        let again = HeaderValue::from_static("3; url=/audit/integrity");
        response.headers_mut().insert(HeaderName::from_static("refresh"), again);
    }
    Ok(response)
}

/// `POST /audit/integrity`: starts a verification in the background.
pub async fn verify(context: Context<Auditors>) -> Result<HttpResponse, Error> {
    if !is_running(&mut *context.db.get().await?).await? {
        let Context { viewer, site, db, origin, .. } = context;
        actix_web::rt::spawn(async move { verify_in_background(&site, &db, viewer.actor(), &origin).await });
        // Gives the verification time to take its lock, so that the next page shows it as running.
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }
    Ok(see_other(HERE, Some(flash::BEGUN)))
}

async fn verify_in_background(site: &Site, db: &Database, actor: Actor<'_>, origin: &Origin) {
    let verification = Verification {
        db,
        keys: &site.seals,
        storage: Some(&site.storage),
        kept: Vec::new(),
        witness: None,
        retention: ExpectedRetention { configured: site.retention, required: None },
        progress: Progress::default(),
    };
    match verification.run_alone(actor, origin).await {
        Ok(Some(Err(error))) => tracing::warn!(%error, "can't verify the log"),
        Ok(Some(Ok(report))) if !report.is_fine() => {
            tracing::error!(first = report.differences.first(), "the log differs from what was sealed");
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "can't record the result of a verification"),
    }
}

impl IntegrityPage {
    fn new(context: &Context<Auditors>, overview: Overview, runs: Vec<Run>) -> Self {
        let site = &context.site;
        let zone = site.time_zone;
        let when = |at: Option<DateTime<Utc>>| at.map(|at| local_time::to_second(at, zone));
        let late = overview.unsealed.oldest.filter(|oldest| *oldest < site.clock.now() - MAX_SEAL_DELAY);
        let (trouble, state) = match overview.state {
            Ok(state) => (
                late.map(|late| {
                    format!("Events have been waiting for their seal since {}.", local_time::to_second(late, zone))
                }),
                state,
            ),
            Err(why) => (Some(format!("{}.", capitalize(&why))), Default::default()),
        };
        let waiting = overview.unsealed.count;
        Self {
            layout: context.layout("/audit"),
            trouble,
            sealed: grouped(state.tree.size().cast_signed()),
            sealed_at: when(state.sealed_at),
            waiting: format!("{}{}", grouped(waiting), if waiting == MAX_COUNTED { " or more" } else { "" }),
            kept: match site.retention {
                None => "forever".into(),
                Some(1) => "1 year, then purged by whole months".into(),
                Some(years) => format!("{years} years, then purged by whole months"),
            },
            root: (state.tree.size() > 0).then(|| hex::encode(state.tree.root())),
            published: overview.published.map(|(size, _)| grouped(size)),
            published_at: when(overview.published.and_then(|(_, at)| at)),
            unpublished: overview.unpublished,
            key: site.seals.signs.as_ref().map(|key| key.verifier().to_string()).unwrap_or_default(),
            is_under_way: false,
            can_have_pdfs: context.viewer.can_pack_documents(),
            runs: runs.into_iter().map(|run| RunRow::new(run, zone)).collect(),
        }
    }
}

impl RunRow {
    fn new(run: Run, zone: Tz) -> Self {
        let (is_fine, result) = match &run.result {
            RunResult::Unsigned => (true, "Not signed with the key of this log, so the result proves nothing".into()),
            RunResult::Broken => (false, "Could not finish".into()),
            RunResult::Finished(report) => (report.is_fine(), result(report)),
        };
        let events = match &run.result {
            RunResult::Finished(report) => grouped(report.events.cast_signed()),
            RunResult::Broken | RunResult::Unsigned => String::new(),
        };
        let (href, when) = (format!("/audit/events/{}", run.id), local_time::to_second(run.at, zone));
        Self { href, when, by: run.by, is_fine, result, events }
    }
}

fn result(report: &Report) -> String {
    match report {
        Report { different: 0, purged: 0, .. } => "Everything matches what was sealed".into(),
        Report { different: 0, purged, .. } => {
            format!("Everything matches what was sealed; {} purged", grouped(purged.cast_signed()))
        }
        report => report.differences.first().map(|first| capitalize(first)).unwrap_or_default(),
    }
}

/// Capitalizes the first letter.
fn capitalize(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
