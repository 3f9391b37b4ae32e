//! Mail about documents that become visible to a customer, and reminders of documents that wait to be downloaded.

use chrono::{DateTime, TimeDelta, Utc};
use primetrade::clock::Clock;
use primetrade::db::Database;
use primetrade::notices;

use crate::support::{Action, Actor, App, Smtp, World};

const ZONE: chrono_tz::Tz = chrono_tz::America::New_York;

/// Assigns the unassigned BOL to a customer, so that its one document becomes visible.
async fn assign(office: &Actor, customer: &str) {
    let answer = office.post("/office/bols/assign", &[("number", World::LOOSE_BOL), ("customer", customer)]).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
}

/// Skips the minute after which notices are due.
async fn a_minute_passes(app: &App) {
    app.clock.advance(TimeDelta::seconds(61));
}

async fn wants(app: &App, email: &str, notify: &str) {
    let actor = app.user(email).await;
    assert_eq!(actor.post("/account/mail", &[("notify", notify)]).await.header("location"), "/account?done=mail");
}

fn four_days_ago() -> DateTime<Utc> {
    Clock::system().now() - TimeDelta::days(4)
}

/// The recipients of the next mails.
async fn recipients(smtp: &mut Smtp, count: usize) -> Vec<String> {
    let mut to = Vec::new();
    for _ in 0..count {
        to.push(smtp.next().await.to);
    }
    to.sort();
    to
}

async fn morning(app: &App) {
    assert!(notices::in_the_morning(&Database::new(&app.database, 2), app.clock.now(), ZONE).await);
}

/// Moves the clock to the next 7:06 in the morning.
async fn sleep_until_morning(app: &App) {
    let now = app.clock.now();
    let local = now.with_timezone(&ZONE);
    let seven = |day: chrono::NaiveDate| day.and_hms_opt(7, 6, 0).unwrap().and_local_timezone(ZONE).unwrap().to_utc();
    let next = seven(local.date_naive());
    let next = if next > now { next } else { seven(local.date_naive().succ_opt().unwrap()) };
    app.clock.advance(next - now);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_subscriber_of_the_company_gets_one_mail() {
    let (app, mut smtp) = App::with_mail().await;
    let office = app.office().await;
    app.sql(&format!(
        "UPDATE settings SET company_email = 'dock@terminal.example';
         UPDATE bols SET product = 'Basic pig iron', net_lb = 46900, gross_lb = NULL, tare_lb = NULL, truck_number = '460', \
         customer_po = '4500', ship_to = E'Acme Steel, Inc.\\n1 Mill Road' WHERE number = '{}'",
        World::LOOSE_BOL
    ))
    .await;
    wants(&app, World::COLLEAGUE, "never").await;
    for email in ["dock@plant.example", World::ACME, "not an address"] {
        office.post("/office/customers/ACME/addresses", &[("address_email", email)]).await;
    }
    assign(&office, "ACME").await;
    smtp.quiet(7).await;
    a_minute_passes(&app).await;
    // The buyer is a user and an extra address, and gets one mail. Disabled users, new users and the rival get none.
    let first = smtp.next().await;
    assert_eq!(first.subject, "New in the portal: PRT-2025-0004");
    let link = format!("{}/bols/PRT-2025-0004", app.url);
    assert!(first.text.contains(&link) && first.html.contains(&link), "{}", first.text);
    for nothing in ["/files/", "/download", "X-Amz", "token=", "application/pdf"] {
        assert!(!first.raw.contains(nothing), "{nothing}");
    }
    let load = "Basic pig iron · 23.45 net tons · Truck 460 · PO 4500 · Acme Steel, Inc.";
    let mails = [first, smtp.next().await, smtp.next().await];
    for mail in &mails {
        assert!(mail.text.contains(load) && mail.html.contains(load), "{}", mail.text);
        // A login has settings. Another address is removed by the office.
        let stop = match mail.to.as_str() {
            "dock@plant.example" => "mailto:dock@terminal.example?subject=Stop%20emails%20about%20BOLs".to_owned(),
            _ => format!("{}/account#mail", app.url),
        };
        assert!(mail.raw.replace("\n ", " ").contains(&format!("\nList-Unsubscribe: <{stop}>\n")), "{}", mail.raw);
        assert!(mail.html.contains(&format!("<a href=\"{stop}\">")), "{}", mail.html);
    }
    let mut to = mails.map(|mail| mail.to);
    to.sort();
    assert_eq!(to, [World::BROKER, World::ACME, "dock@plant.example"]);
    smtp.quiet(7).await;
    assert_eq!(app.count("notices WHERE told_at IS NULL").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assignment_corrected_within_a_minute_sends_no_wrong_mail() {
    let (app, mut smtp) = App::with_mail().await;
    let office = app.office().await;
    wants(&app, World::BROKER, "never").await;
    assign(&office, "RIVAL").await;
    assign(&office, "ACME").await;
    a_minute_passes(&app).await;
    assert_eq!(recipients(&mut smtp, 2).await, [World::ACME, World::COLLEAGUE]);
    smtp.quiet(7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_within_ten_minutes_is_not_mailed_again() {
    let (app, mut smtp) = App::with_mail().await;
    let office = app.office().await;
    assign(&office, "RIVAL").await;
    a_minute_passes(&app).await;
    assert_eq!(recipients(&mut smtp, 2).await, [World::BROKER, World::RIVAL]);
    // Unassigned and assigned again.
    assign(&office, "ACME").await;
    assign(&office, "RIVAL").await;
    a_minute_passes(&app).await;
    smtp.quiet(8).await;
    // A document of another kind is announced at once, and the same document again after ten minutes.
    let loose = app.bol(World::LOOSE_BOL).await.id;
    let key = "bols/2025/PRT-2025-0004.scale-ticket.v1.pdf";
    app.new_document(key).bol(loose).kind("scale-ticket").create().await;
    a_minute_passes(&app).await;
    let mail = smtp.next().await;
    assert!(mail.text.contains("PRT-2025-0004  Scale ticket\n"), "{}", mail.text);
    smtp.next().await;
    app.clock.advance(TimeDelta::minutes(10));
    assign(&office, "ACME").await;
    assign(&office, "RIVAL").await;
    a_minute_passes(&app).await;
    assert!(smtp.next().await.text.contains("PRT-2025-0004  Bill of lading, Scale ticket\n"));
    smtp.next().await;
    smtp.quiet(7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_documents_make_one_mail_for_each_person() {
    let (app, mut smtp) = App::with_mail().await;
    for number in [World::ACME_BOL, World::ACME_VOID, World::RIVAL_BOL, World::ACME_BARE] {
        let bol = app.bol(number).await.id;
        app.new_document(&format!("bols/2025/{number}.invoice.v1.pdf")).bol(bol).kind("invoice").create().await;
    }
    a_minute_passes(&app).await;
    let mut mails = Vec::new();
    for _ in 0..4 {
        mails.push(smtp.next().await);
    }
    mails.sort_by(|one, other| one.to.cmp(&other.to));
    let to: Vec<_> = mails.iter().map(|mail| mail.to.as_str()).collect();
    assert_eq!(to, [World::BROKER, World::ACME, World::RIVAL, World::COLLEAGUE]);
    // A member of two companies gets one mail with a section for each.
    let broker = &mails[0];
    assert_eq!(broker.subject, "New in the portal: 4 bills of lading");
    assert!(broker.text.contains("\nAcme Steel\n") && broker.text.contains("\nRival Iron\n"), "{}", broker.text);
    assert!(broker.text.contains("PRT-2025-0002  Invoice (void)"), "{}", broker.text);
    // No mail names another company.
    assert!(!mails[2].raw.contains("Acme") && !mails[1].raw.contains("Rival"));
    smtp.quiet(7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daily_mail_comes_in_the_morning_and_once() {
    let (app, mut smtp) = App::with_mail().await;
    let office = app.office().await;
    for email in [World::ACME, World::BROKER, World::COLLEAGUE] {
        wants(&app, email, if email == World::ACME { "daily" } else { "never" }).await;
    }
    assign(&office, "ACME").await;
    a_minute_passes(&app).await;
    smtp.quiet(7).await;
    sleep_until_morning(&app).await;
    morning(&app).await;
    morning(&app).await;
    let mail = smtp.next().await;
    assert_eq!((mail.to.as_str(), mail.subject.as_str()), (World::ACME, "Bills of lading of the last day: 1"));
    assert!(mail.text.contains("PRT-2025-0004"));
    smtp.quiet(3).await;
    sleep_until_morning(&app).await;
    morning(&app).await;
    smtp.quiet(3).await;
    let changed = app.events().await.only(Action::NoticesChanged);
    let changed = changed.list(|event| (event.detail("before"), event.detail("after")));
    assert!(changed.contains(&("immediately".into(), "daily".into())), "{changed:?}");
    let page = app.acme().await.get("/account").await;
    assert_eq!(page.attributes("input[name=notify][checked]", "value"), ["daily"]);
    assert_eq!(app.acme().await.post("/account/mail", &[("notify", "hourly")]).await.status, 400);
    assert_eq!(app.office().await.post("/account/mail", &[("notify", "never")]).await.status, 403);
}

/// A document that is filed by mistake and unfiled at once is not announced, and delays no other notice.
#[tokio::test(flavor = "multi_thread")]
async fn an_unfiled_document_is_not_announced() {
    let (app, mut smtp) = App::with_mail().await;
    let office = app.office().await;
    for (number, name) in [("PRT-2025-0003", "one"), ("PRT-2025-0001", "two")] {
        let (bol, file) = (app.bol(number).await.id, format!("{name}.pdf"));
        let document = app.new_document(&format!("bols/2025/{file}")).bol(bol).kind("invoice");
        document.arrived_as(&file).create().await;
    }
    let wrong = app.upload_named("one.pdf").await.id;
    assert_eq!(office.post(&format!("/office/documents/{wrong}/unfile"), &[]).await.status, 303);
    a_minute_passes(&app).await;
    assert_eq!(recipients(&mut smtp, 3).await, [World::BROKER, World::ACME, World::COLLEAGUE]);
    smtp.quiet(7).await;
    assert_eq!(app.count("notices WHERE told_at IS NULL").await, 0);
}

/// A waiting mail loses what its reader may no longer see.
#[tokio::test(flavor = "multi_thread")]
async fn a_removed_user_gets_no_waiting_mail() {
    let (app, smtp) = App::with_mail().await;
    let port = smtp.port;
    let office = app.office().await;
    office.post("/office/customers/ACME/addresses", &[("address_email", "dock@plant.example")]).await;
    drop(smtp);
    for bol in app.bols().await {
        app.make_visible_since(&bol.number, four_days_ago()).await;
    }
    assign(&office, "ACME").await;
    a_minute_passes(&app).await;
    app.mails_until(|mails| mails.iter().filter(|mail| mail.has_error()).count() == 4).await;
    let company = app.world.acme.to_string();
    let colleague = app.user_id(World::COLLEAGUE).await;
    office.post(&format!("/office/users/{colleague}/leave"), &[("customer_id", &company)]).await;
    let dock = app.notice_address_id("dock@plant.example").await.to_string();
    office.post("/office/customers/ACME/address", &[("id", &dock)]).await;
    let mut smtp = Smtp::on(port).await;
    app.clock.advance(TimeDelta::minutes(1));
    assert_eq!(recipients(&mut smtp, 2).await, [World::BROKER, World::ACME]);
    smtp.quiet(4).await;
    app.every_mail_sent().await;
    // One BOL is reassigned, then the whole company is left.
    drop(smtp);
    app.clock.advance(TimeDelta::hours(1));
    let office = app.office().await;
    assert!(office.post("/office/remind", &[("customer", "ACME")]).await.header("location").contains("done=reminded"));
    app.mails_until(|mails| mails.iter().filter(|mail| mail.has_error() && !mail.is_sent()).count() == 2).await;
    for bol in app.bols().await.iter().filter(|bol| bol.customer_id == Some(app.world.acme)) {
        office.post("/office/bols/assign", &[("number", &bol.number), ("customer", "RIVAL")]).await;
    }
    let mut smtp = Smtp::on(port).await;
    app.clock.advance(TimeDelta::minutes(1));
    let told = recipients(&mut smtp, 2).await;
    assert_eq!(told, [World::BROKER, World::RIVAL], "only what is new to the new company");
    smtp.quiet(5).await;
    app.every_mail_sent().await;
}

/// All of ACME's BOLs are old, except one that became visible four days ago.
async fn one_waits(app: &App) {
    let long_ago = "2025-03-01T00:00:00Z".parse().unwrap();
    for bol in app.bols().await {
        app.make_visible_since(&bol.number, long_ago).await;
    }
    app.make_visible_since(World::ACME_BOL, four_days_ago()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_office_reminds_a_customer_of_documents_that_wait() {
    let (app, mut smtp) = App::with_mail().await;
    one_waits(&app).await;
    wants(&app, World::COLLEAGUE, "never").await;
    let office = app.office().await;
    let page = office.get("/office").await;
    let row = page.one("section:has(#uncollected) tbody tr");
    assert!(row.starts_with("Acme Steel 1 BOLPRT-2025-0001") && row.contains("Not yet"), "{row}");
    let reminded = office.post("/office/remind", &[("customer", "ACME")]).await;
    assert_eq!(reminded.header("location"), "/office?done=reminded&people=2");
    assert_eq!(recipients(&mut smtp, 2).await, [World::BROKER, World::ACME]);
    let again = office.post("/office/remind", &[("customer", "ACME")]).await;
    assert_eq!(again.header("location"), "/office?done=already");
    for (customer, status) in [("NOBODY", 404), ("", 404), ("A\0", 404)] {
        assert_eq!(office.post("/office/remind", &[("customer", customer)]).await.status, status);
    }
    // Viewing the page doesn't count as a download. Issuing a link does.
    app.clock.advance(TimeDelta::hours(2));
    let acme = app.acme().await;
    acme.get(&format!("/bols/{}", World::ACME_BOL)).await;
    office.get(&format!("/bols/{}/download", World::ACME_BOL)).await;
    assert_eq!(office.get("/office").await.all("section:has(#uncollected) tbody tr").len(), 1);
    acme.get(&format!("/bols/{}/download", World::ACME_BOL)).await;
    assert!(office.get("/office").await.one("section:has(#uncollected) .empty").starts_with("None"));
    assert_eq!(office.post("/office/remind", &[("customer", "ACME")]).await.header("location"), "/office?done=nothing");
    smtp.quiet(3).await;
    let sent = app.events().await.single(Action::ReminderSent);
    assert_eq!((sent.email(), sent.customer(), sent.detail("bols")), (World::OFFICE, "ACME", "1".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn downloads_by_the_former_customer_dont_count() {
    let app = App::start().await;
    let (office, acme) = (app.office().await, app.acme().await);
    acme.get(&format!("/bols/{}/download", World::ACME_BOL)).await;
    office.post("/office/bols/assign", &[("number", World::ACME_BOL), ("customer", "RIVAL")]).await;
    app.make_visible_since(World::ACME_BOL, four_days_ago()).await;
    let page = office.get("/office").await;
    assert!(page.one("section:has(#uncollected) tbody tr").starts_with("Rival Iron 1 BOL"), "{}", page.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn automatic_reminders_are_sent_only_where_enabled() {
    let (app, mut smtp) = App::with_mail().await;
    one_waits(&app).await;
    for email in [World::COLLEAGUE, World::BROKER] {
        wants(&app, email, "never").await;
    }
    sleep_until_morning(&app).await;
    morning(&app).await;
    smtp.quiet(3).await;
    let office = app.office().await;
    office.post("/office/customers/ACME", &[("name", "Acme Steel"), ("address", ""), ("remind", "true")]).await;
    morning(&app).await;
    morning(&app).await;
    let mail = smtp.next().await;
    assert_eq!((mail.to.as_str(), mail.subject.as_str()), (World::ACME, "Not fetched yet: PRT-2025-0001"));
    // Every three days, not every day.
    for days in 1..=3 {
        sleep_until_morning(&app).await;
        morning(&app).await;
        if days < 3 {
            smtp.quiet(3).await;
        }
    }
    assert_eq!(smtp.next().await.to, World::ACME);
    app.events_until(Action::ReminderSent, |sent| sent.iter().filter(|event| event.email() == "portal").count() == 2)
        .await;
}
