//! The thresholds under Settings.

use crate::support::{Action, App, World};

const PATH: &str = "/office/settings/unusual";

fn form<'a>(
    documents: &'a str,
    times: &'a str,
    denied: &'a str,
    night: (&'a str, &'a str),
) -> [(&'static str, &'a str); 5] {
    [
        ("unusual_documents", documents),
        ("unusual_times", times),
        ("unusual_denied", denied),
        ("night_from", night.0),
        ("night_until", night.1),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn administrators_set_what_is_unusual() {
    let app = App::start().await;
    let admin = app.user(World::ADMIN).await;
    let fields = ["unusual_documents", "unusual_times", "unusual_denied", "night_from", "night_until"];
    let page = admin.get("/office/settings").await;
    assert_eq!(fields.map(|field| page.value(field)), ["200", "10", "10", "22", "5"]);
    let good = form(" 50 ", "3", "5", ("20", "6"));
    let page = admin.expect_saved(PATH, &good, "/office/settings?done=unusual").await;
    assert_eq!(fields.map(|field| page.value(field)), ["50", "3", "5", "20", "6"]);
    // An unchanged form records nothing.
    admin.expect_saved(PATH, &good, "/office/settings?done=unusual").await;
    let changed = app.events().await.single(Action::SettingsChanged);
    assert_eq!(changed.email(), World::ADMIN);
    assert_eq!(fields.map(|field| changed.before(field)), ["200", "10", "10", "22", "5"]);
    assert_eq!(fields.map(|field| changed.after(field)), ["50", "3", "5", "20", "6"]);

    let hour = "Enter an hour from 0 to 23.";
    for (form, field, message) in [
        (form("0", "3", "5", ("20", "6")), "unusual_documents", "Enter a whole number from 1 to 100000."),
        (form("100001", "3", "5", ("20", "6")), "unusual_documents", "Enter a whole number from 1 to 100000."),
        (form("50", "1", "5", ("20", "6")), "unusual_times", "Enter a whole number from 2 to 1000."),
        (form("50", "2.5", "5", ("20", "6")), "unusual_times", "Enter a whole number from 2 to 1000."),
        (form("50", "3", "many", ("20", "6")), "unusual_denied", "Enter a whole number from 2 to 1000."),
        (form("50", "3", "5", ("24", "6")), "night_from", hour),
        (form("50", "3", "5", ("20", "")), "night_until", hour),
    ] {
        let page = admin.expect_refused(PATH, &form, field, message).await;
        assert_eq!(fields.map(|field| page.value(field)), form.map(|(_, typed)| typed));
        page.expect_summary(PATH);
    }
    assert_eq!(admin.get("/office/settings").await.value("unusual_documents"), "50");
    assert_eq!(app.events().await.only(Action::SettingsChanged).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn others_read_them_at_most() {
    let app = App::start().await;
    let good = form("50", "3", "5", ("20", "6"));
    for actor in [app.acme().await, app.office().await, app.auditor().await] {
        assert_eq!(actor.post(PATH, &good).await.status, 403);
    }
    assert_eq!(app.stranger().post(PATH, &good).await.status, 303);
    let office = app.office().await;
    let page = office.get("/office/settings").await;
    assert!(page.one("main").contains("More than 200 documents in an hour"), "{}", page.one("main"));
    assert!(page.one("main").contains("The night is from 22:00 to 5:00."), "{}", page.one("main"));
    assert!(page.all("#unusual_documents").is_empty());
    app.sql("UPDATE settings SET night_until = 22").await;
    assert!(office.get("/office/settings").await.one("main").contains("No time counts as night."));
    assert!(app.events().await.only(Action::SettingsChanged).is_empty());
}
