//! Stamps on a BOL: void, reissue, official weight.

use chrono::TimeDelta;

use crate::support::{Action, Actor, App, Load, World, text_of};

/// A BOL of ACME that the office has just issued, and a later one whose fields must not get into a reissue.
struct Issued {
    app: App,
    office: Actor,
    acme: Actor,
    number: String,
    /// The PDF as it was issued.
    original: Vec<u8>,
}

async fn issued() -> Issued {
    let app = App::start().await;
    app.save_terminal_address().await;
    let (office, acme) = (app.office().await, app.acme().await);
    let number = Load::today(&app).await.with("customer_po", "").issue(&office).await;
    Load::today(&app).await.with("care_of", "Somebody else").issue(&office).await;
    let original = acme.download(&format!("/bols/{number}/download")).await;
    Issued { app, office, acme, number, original }
}

impl Issued {
    async fn weigh(&self) {
        let form = [("official_weight_lb", "46,180")];
        assert_eq!(self.office.post(&format!("/office/bols/{}/weight", self.number), &form).await.status, 303);
    }

    async fn void(&self) {
        let form = [("reason", "Wrong trailer")];
        assert_eq!(self.office.post(&format!("/office/bols/{}/void", self.number), &form).await.status, 303);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_official_weight_is_printed_with_its_variance() {
    let issued = issued().await;
    let Issued { office, acme, number, .. } = issued;
    let weight = format!("/office/bols/{number}/weight");
    assert!(office.get(&weight).await.text().contains("46,060"));
    for bad in ["", "-1", "46.5", "0", "1e5", "99999999"] {
        let answer = office.post(&weight, &[("official_weight_lb", bad)]).await;
        assert_eq!((answer.status, answer.attributes("#official_weight_lb", "value")), (422, vec![bad.to_owned()]));
        assert!(answer.text().contains("whole pounds"));
    }
    assert_eq!(office.post(&weight, &[("official_weight_lb", "46,180")]).await.status, 303);
    assert_eq!(office.post(&weight, &[("official_weight_lb", "46180")]).await.status, 422, "nothing new");
    let page = acme.get(&format!("/bols/{number}")).await;
    assert!(page.text().contains("Variance +120 lb, +0.26 %"), "{}", page.text());
    let weighed = acme.download(&format!("/bols/{number}/download")).await;
    let text = text_of(&weighed);
    assert!(text.contains("46,180") && text.contains("+120") && text.contains("+0.26"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weight_far_from_the_shipped_one_is_confirmed_first() {
    let app = App::start().await;
    let office = app.office().await;
    let path = format!("/office/bols/{}/weight", World::ACME_BOL);
    let asked = office.post(&path, &[("official_weight_lb", "4,600")]).await;
    assert_eq!((asked.status, asked.value("official_weight_lb")), (422, "4,600".into()));
    assert!(
        asked.one("[role=alert]").contains("4,600 lb is -42,300 lb (-90.19 %) off the 46,900 lb"),
        "{}",
        asked.text()
    );
    assert_eq!(app.bol(World::ACME_BOL).await.official_weight_lb, None);
    let code = asked.attributes("button[name=confirm]", "value").remove(0);
    // The confirmation is of this weight alone.
    let other = office.post(&path, &[("official_weight_lb", "460"), ("confirm", &code)]).await;
    assert_eq!(other.status, 422);
    let entered = office.post(&path, &[("official_weight_lb", "4,600"), ("confirm", &code)]).await;
    assert_eq!(entered.status, 303);
    assert_eq!(app.bol(World::ACME_BOL).await.official_weight_lb, Some(4_600));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_void_bol_says_who_voided_it_and_why() {
    let issued = issued().await;
    issued.weigh().await;
    let Issued { office, acme, number, .. } = issued;
    let weight = format!("/office/bols/{number}/weight");
    let void = format!("/office/bols/{number}/void");
    for bad in ["", "  ", &"x".repeat(501), "a\u{202e}b"] {
        let answer = office.post(&void, &[("reason", bad)]).await;
        assert_eq!(answer.status, 422, "{bad}");
        assert!(!answer.one("#reason-error").is_empty());
    }
    assert_eq!(office.post(&void, &[("reason", "Wrong trailer")]).await.status, 303);
    assert_eq!(office.post(&void, &[("reason", "Again")]).await.status, 409);
    assert_eq!(office.post(&weight, &[("official_weight_lb", "46000")]).await.status, 409);
    let page = acme.get(&format!("/bols/{number}")).await;
    assert!(page.text().contains("Reason: Wrong trailer"));
    let stamped = text_of(&acme.download(&format!("/bols/{number}/download")).await);
    assert!(stamped.contains("VOID") && stamped.contains("Wrong trailer") && stamped.contains("Somebody"), "{stamped}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_stays_and_every_stamp_is_recorded() {
    let issued = issued().await;
    issued.weigh().await;
    issued.void().await;
    let Issued { app, office, acme, number, original } = issued;
    let bol = app.bol(&number).await.id;
    let files: Vec<_> = app.documents().await.into_iter().filter(|file| file.bol_id == Some(bol)).collect();
    let names: Vec<&str> = files.iter().map(|file| file.file_name.as_str()).collect();
    assert_eq!(names, [format!("{number}.pdf"), format!("{number}.v2.pdf"), format!("{number}.v3.pdf")]);
    assert_eq!(acme.download(&format!("/documents/{}/download", files[0].id)).await, original);

    let again = Load::today(&app).await.with("reissue_of", &number).issue(&office).await;
    let events = app.events().await.any_of(&[Action::BolCreated, Action::BolWeighed, Action::BolVoided]);
    let stamps = events.list(|event| {
        let (reason, weight) = (event.detail("reason"), event.detail("official_weight_lb"));
        (event.action.as_str(), event.customer(), event.file(), reason, weight)
    });
    let (one, later, reissue) =
        (format!("{number}.pdf"), format!("{}2.pdf", number.strip_suffix('1').unwrap()), format!("{again}.pdf"));
    let (weighed, voided, none) = (format!("{number}.v2.pdf"), format!("{number}.v3.pdf"), || "-".to_owned());
    let expected = [
        ("BOL_CREATED", "ACME", one.as_str(), none(), none()),
        ("BOL_CREATED", "ACME", later.as_str(), none(), none()),
        ("BOL_WEIGHED", "ACME", weighed.as_str(), none(), "46180".into()),
        ("BOL_VOIDED", "ACME", voided.as_str(), "Wrong trailer".into(), none()),
        ("BOL_CREATED", "ACME", reissue.as_str(), none(), none()),
    ];
    assert_eq!(stamps, expected);
}

/// The form offers everything, the new BOL gets another number, and both pages name each other.
#[tokio::test(flavor = "multi_thread")]
async fn a_void_bol_is_reissued_under_another_number() {
    let issued = issued().await;
    issued.void().await;
    let Issued { app, office, acme, number, .. } = issued;
    let form = office.get(&format!("/office/bols/new?from={number}")).await;
    assert_eq!(
        (form.one("h1"), form.attributes("#gross_lb", "value")),
        (format!("Reissue {number}"), vec!["79480".to_owned()])
    );
    assert_eq!((form.attributes("#customer_po", "value"), form.one("#care_of")), (vec![String::new()], String::new()));
    // The customer was wrong: the load stays, and the customer's fields are replaced.
    let other = office.get(&format!("/office/bols/new?reissue_of={number}&customer=RIVAL&filled_for=ACME&lot=PI-25-1107&ship_to=Acme+Foundry+No.+2%0D%0A14+Mill+Road%0D%0ADayton%2C+OH+45404")).await;
    assert_eq!(
        (other.attributes("#lot", "value"), other.one("#ship_to")),
        (vec!["PI-25-1107".to_owned()], "Plant radish 1 Mill Street".to_owned())
    );
    let again = Load::today(&app).await.with("reissue_of", &number).issue(&office).await;
    assert_ne!(again, number);
    assert!(
        acme.get(&format!("/bols/{number}")).await.attributes(".message a", "href").contains(&format!("/bols/{again}"))
    );
    assert!(
        acme.get(&format!("/bols/{again}")).await.attributes(".message a", "href").contains(&format!("/bols/{number}"))
    );
    // The form asks before it reissues the same BOL again.
    let twice = Load::today(&app).await.with("reissue_of", &number).post(&office, "/office/bols").await;
    assert_eq!((twice.status, twice.warnings()), (422, vec!["reissued".to_owned()]));
    // Only a void BOL can be replaced.
    assert_eq!(Load::today(&app).await.with("reissue_of", &again).post(&office, "/office/bols").await.status, 422);
    assert_eq!(
        Load::today(&app).await.with("reissue_of", "PRT-2025-9999").post(&office, "/office/bols").await.status,
        422
    );
}

/// A BOL from before the portal can be voided too. Nothing changes while the storage is unavailable.
#[tokio::test(flavor = "multi_thread")]
async fn a_void_changes_nothing_while_the_storage_is_unavailable() {
    let app = App::start().await;
    let office = app.office().await;
    let folder = app.media("bols/2025");
    let away = app.media("bols/away");
    std::fs::rename(&folder, &away).unwrap();
    std::fs::write(&folder, "in the way").unwrap();
    let answer = office.post("/office/bols/PRT-2025-0001/void", &[("reason", "Wrong truck")]).await;
    assert_eq!((answer.status, answer.one("#reason")), (503, "Wrong truck".to_owned()));
    let yesterday = app.clock.now() - TimeDelta::days(1);
    assert!(app.bols().await.iter().all(|bol| bol.voided_at <= Some(yesterday)));
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&away, &folder).unwrap();
    assert_eq!(office.post("/office/bols/PRT-2025-0001/void", &[("reason", "Wrong truck")]).await.status, 303);
    let text = text_of(&app.acme().await.download("/bols/PRT-2025-0001/download").await);
    assert!(text.contains("VOID") && text.contains("PRT-2025-0001") && text.contains("46,900"), "{text}");
    for path in ["/office/bols/PRT-2025-0999/void", "/office/bols/nonsense/weight"] {
        assert_eq!(office.get(path).await.status, 404);
        assert_eq!(office.post(path, &[("reason", "x"), ("official_weight_lb", "1")]).await.status, 404);
    }
}
