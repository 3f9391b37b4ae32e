//! `/office`: the office's day, and reminders to customers about BOLs that they have not fetched.

use actix_web::HttpResponse;
use actix_web::web::Query;
use askama::Template;
use chrono::{Days, NaiveDate};

use crate::bols::weight::{grouped, short_tons};
use crate::dashboard::{self, COUNTED, Dashboard, LISTED, Loaded, Waiting, Week};
use crate::notices::reminder::{self, LOOK_BACK, Reminded};
use crate::web::auth::OfficeStaff;
use crate::web::chart::{Chart, Value};
use crate::web::context::Context;
use crate::web::flash::{Done, not_reminded, see_other, today as flash};
use crate::web::forms::Fields;
use crate::web::page::{self, Layout, html, timestamp};
use crate::web::problem::Problem;
use crate::web::question::Question;
use crate::web::{Error, Site};

const HERE: &str = "/office";

#[derive(Template)]
#[template(path = "office/today.html")]
struct TodayPage {
    layout: Layout,
    day: String,
    today: Figures,
    this_week: Figures,
    chart: Chart,
    weeks: Vec<WeekRow>,
    inbox: i64,
    unassigned: i64,
    unsigned_days: i32,
    unsigned: Vec<UnsignedRow>,
    unsigned_count: String,
    unsigned_more: bool,
    unsigned_href: String,
    collect_days: i32,
    uncollected: Vec<WaitingRow>,
    uncollected_count: String,
    /// Number of customers that the table leaves out.
    uncollected_more: usize,
    look_back: i64,
    undelivered: Vec<MailRow>,
    limited: Vec<LimitedRow>,
}

struct Figures {
    loads: String,
    loads_label: &'static str,
    tons: String,
    /// The list of these loads, if there are any.
    href: Option<String>,
}

/// A row of the table behind the chart.
struct WeekRow {
    label: String,
    tons: String,
    loads: String,
}

struct UnsignedRow {
    number: String,
    date: String,
    product: String,
    customer: String,
}

struct WaitingRow {
    code: String,
    name: String,
    count: String,
    oldest: String,
    /// The BOLs that have waited longest.
    numbers: Vec<String>,
    more: usize,
    remind: bool,
    reminded: Option<String>,
}

/// A login that asked for many BOLs that aren't its own.
struct LimitedRow {
    email: String,
    times: String,
    when: String,
    /// For those who read the log.
    timeline: Option<String>,
}

struct MailRow {
    address: String,
    what: &'static str,
    why: String,
    when: String,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub struct ReminderQuery {
    /// Number of people that were reminded.
    people: String,
}

pub async fn page(
    context: Context<OfficeStaff>,
    reminder: Query<ReminderQuery>,
    done: Query<Done>,
) -> Result<HttpResponse, Error> {
    let Context { site, db, .. } = &context;
    let today = site.today();
    let dashboard_data = dashboard::load(db, site.clock.now(), today).await?;
    let mut layout = context.layout(HERE).flash(&done, flash::ALL);
    if layout.notice.is_some() && reminder.people == "1" {
        layout = layout.notice("One person at the customer will get an email.");
    }
    if let Some(flash) = done.find(not_reminded::ALL) {
        layout = layout.problem(Problem::new(flash.text));
    }
    Ok(html(&TodayPage::new(layout, site, today, dashboard_data)))
}

/// The customer to remind.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub struct ReminderForm {
    customer: String,
}

/// `GET /office/remind`: asks before a customer gets emails.
pub async fn ask_remind(context: Context<OfficeStaff>, form: Query<ReminderForm>) -> Result<HttpResponse, Error> {
    let Context { site, db, .. } = &context;
    // A form that came without a customer.
    if form.customer.is_empty() {
        return Ok(see_other(HERE, None));
    }
    let due = reminder::due(db, site.clock.now(), &form.customer).await?.ok_or(Error::NotFound)?;
    let flash = match (due.bols, due.recipients) {
        (0, _) => Some(not_reminded::ALL_FETCHED),
        (_, 0) => Some(not_reminded::NO_RECIPIENT),
        _ => None,
    };
    if flash.is_some() {
        return Ok(see_other(HERE, flash));
    }
    let people = if due.recipients == 1 { "One person gets".into() } else { format!("{} people get", due.recipients) };
    let bols = if due.bols == 1 { "1 BOL".into() } else { format!("{} BOLs", due.bols) };
    let last =
        due.reminded_at.map(|at| format!("The last reminder was sent on {}.", timestamp(at, site.time_zone).text));
    Ok(html(&Question {
        layout: context.layout(HERE),
        title: format!("Remind {}?", due.name),
        consequences: std::iter::once(format!("{people} an email about {bols} that the customer has not downloaded."))
            .chain(last)
            .collect(),
        action: "/office/remind".into(),
        fields: vec![("customer", form.customer.clone())],
        button: "Send reminder".into(),
        back: (HERE.into(), "Today".into()),
    }))
}

/// `POST /office/remind`: `customer`, a code.
pub async fn remind(context: Context<OfficeStaff>, fields: Fields) -> Result<HttpResponse, Error> {
    let Context { viewer, site, db, origin, .. } = &context;
    let reminded = reminder::remind(db, site.clock.now(), fields.one("customer"), viewer.actor(), origin).await?;
    let flash = match reminded {
        Reminded::NoCustomer => return Err(Error::NotFound),
        Reminded::Sent(people) => {
            return Ok(see_other(&format!("{HERE}?done={}&people={people}", flash::REMINDED.word), None));
        }
        Reminded::Already => not_reminded::TOO_SOON,
        Reminded::Nothing => not_reminded::ALL_FETCHED,
        Reminded::Nobody => not_reminded::NO_RECIPIENT,
    };
    Ok(see_other(HERE, Some(flash)))
}

impl TodayPage {
    fn new(layout: Layout, site: &Site, today: NaiveDate, dashboard_data: Dashboard) -> Self {
        let zone = site.time_zone;
        let unsigned = dashboard_data.unsigned.into_iter().map(|bol| UnsignedRow {
            number: bol.number,
            date: page::date(bol.bol_date),
            product: bol.product,
            customer: bol.customer.unwrap_or_else(|| "Not assigned".into()),
        });
        let undelivered = dashboard_data.undelivered.into_iter().map(|mail| MailRow {
            what: email_label(&mail.purpose),
            address: mail.to_address,
            why: mail.last_error,
            when: mail.failed_at.map(|at| timestamp(at, zone).text).unwrap_or_default(),
        });
        let limited: Vec<LimitedRow> = dashboard_data
            .limited
            .into_iter()
            .map(|login| LimitedRow {
                timeline: layout.timeline("user", &login.email),
                times: grouped(login.times),
                when: timestamp(login.last, zone).text,
                email: login.email,
            })
            .collect();
        let (days, last) = (dashboard_data.reminder_thresholds.unsigned_days, dashboard_data.weeks.last());
        Self {
            layout,
            day: today.format("%A, %B %-d, %Y").to_string(),
            today: Figures::new(dashboard_data.today, today, today),
            this_week: match last {
                Some(week) => Figures::new(week.loaded, week.monday, week.monday + Days::new(6)),
                None => Figures::new(Loaded::default(), today, today),
            },
            chart: chart(&dashboard_data.weeks),
            weeks: dashboard_data.weeks.iter().map(WeekRow::new).collect(),
            inbox: dashboard_data.inbox,
            unassigned: dashboard_data.unassigned,
            unsigned_days: days,
            unsigned_more: dashboard_data.unsigned_count > LISTED as i64,
            unsigned_count: counted(dashboard_data.unsigned_count),
            unsigned_href: format!(
                "/bols?status=unsigned&from={}&to={}&sort=date",
                today - LOOK_BACK + chrono::TimeDelta::days(1),
                today - chrono::TimeDelta::days(days.into())
            ),
            unsigned: unsigned.collect(),
            collect_days: dashboard_data.reminder_thresholds.collect_days,
            uncollected_more: dashboard_data.uncollected_customers - dashboard_data.uncollected.len(),
            uncollected_count: counted(dashboard_data.uncollected_count as i64),
            uncollected: dashboard_data.uncollected.into_iter().map(|waiting| WaitingRow::new(waiting, site)).collect(),
            look_back: LOOK_BACK.num_days(),
            undelivered: undelivered.collect(),
            limited,
        }
    }
}

fn counted(count: i64) -> String {
    if count >= COUNTED { format!("{} or more", grouped(COUNTED)) } else { grouped(count) }
}

/// What an email of this purpose is called.
fn email_label(purpose: &str) -> &'static str {
    match purpose {
        "invitation" => "Invitation",
        "reset" => "Link for a forgotten password",
        "documents" => "New documents",
        "reminder" => "Reminder",
        "joined" => "New company",
        "password-changed" => "Password changed",
        _ => "Mail",
    }
}

impl Figures {
    fn new(loaded: Loaded, from: NaiveDate, to: NaiveDate) -> Self {
        Self {
            href: (loaded.loads > 0).then(|| format!("/bols?status=issued&from={from}&to={to}")),
            loads: grouped(loaded.loads),
            loads_label: if loaded.loads == 1 { "load" } else { "loads" },
            tons: short_tons(loaded.net_lb),
        }
    }
}

impl WaitingRow {
    fn new(waiting: Waiting, site: &Site) -> Self {
        const SHOWN: usize = 6;
        let oldest =
            waiting.bols.first().map(|bol| page::date(bol.visible_since.with_timezone(&site.time_zone).date_naive()));
        Self {
            count: match waiting.bols.len() {
                1 => "1 BOL".into(),
                many => format!("{many} BOLs"),
            },
            oldest: oldest.unwrap_or_default(),
            more: waiting.bols.len().saturating_sub(SHOWN),
            numbers: waiting.bols.into_iter().take(SHOWN).map(|bol| bol.number).collect(),
            reminded: waiting.reminded_at.map(|at| timestamp(at, site.time_zone).text),
            code: waiting.code,
            name: waiting.name,
            remind: waiting.remind,
        }
    }
}

impl WeekRow {
    fn new(week: &Week) -> Self {
        Self {
            label: week.monday.format("%b %-d").to_string(),
            tons: grouped((week.loaded.net_lb + 1000) / 2000),
            loads: grouped(week.loaded.loads),
        }
    }
}

fn chart(weeks: &[Week]) -> Chart {
    let value = |week: &Week| {
        let WeekRow { label, tons, loads } = WeekRow::new(week);
        let title = format!("Week of {label}: {tons} tons, {loads} loads");
        Value { amount: week.loaded.net_lb, text: tons, label, title }
    };
    Chart::new(weeks.iter().map(value).collect())
}
