//! What is stamped on a BOL: void, reissue, official weight.

use crate::office::new_bol::{download, kinds};
use crate::support::{App, Load, text_of, with_settings};

/// Weigh, void, reissue; and what the customer sees, downloads, and what is recorded.
#[tokio::test(flavor = "multi_thread")]
async fn weigh_void_and_reissue() {
    let app = App::start().await;
    with_settings(&app).await;
    let (office, acme) = (app.office().await, app.acme().await);
    let number = Load::today(&app).await.with("customer_po", "").issue(&office).await;
    // A later load of the same customer: nothing of it may get into the reissue.
    Load::today(&app).await.with("care_of", "Somebody else").issue(&office).await;
    let original = download(&acme, &format!("/bols/{number}/download")).await;

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
    let weighed = download(&acme, &format!("/bols/{number}/download")).await;
    let text = text_of(&weighed);
    assert!(text.contains("46,180") && text.contains("+120") && text.contains("+0.26"), "{text}");

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
    let stamped = text_of(&download(&acme, &format!("/bols/{number}/download")).await);
    assert!(stamped.contains("VOID") && stamped.contains("Wrong trailer") && stamped.contains("Somebody"), "{stamped}");

    // Every version is still there, each as it was.
    let files = app.rows(&format!("SELECT d.id, d.file_name FROM documents d JOIN bols b ON b.id = d.bol_id WHERE b.number = '{number}' ORDER BY version")).await;
    let names: Vec<&str> = files.iter().map(|file| file.split_once('|').unwrap().1).collect();
    assert_eq!(names, [format!("{number}.pdf"), format!("{number}.v2.pdf"), format!("{number}.v3.pdf")]);
    let first = files[0].split_once('|').unwrap().0;
    assert_eq!(download(&acme, &format!("/documents/{first}/download")).await, original);

    // Reissue: the form has everything, the new BOL another number, and both pages name each other.
    let form = office.get(&format!("/office/bols/new?from={number}")).await;
    assert_eq!(
        (form.one("h1"), form.attributes("#gross_lb", "value")),
        (format!("Reissue {number}"), vec!["79480".to_owned()])
    );
    assert_eq!((form.attributes("#customer_po", "value"), form.one("#care_of")), (vec![String::new()], String::new()));
    // It was the wrong customer: the load stays, what was the customer's goes.
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
    // A second time is asked about.
    let twice = Load::today(&app).await.with("reissue_of", &number).post(&office, "/office/bols").await;
    assert_eq!((twice.status, kinds(&twice)), (422, vec!["reissued".to_owned()]));
    // Only a void BOL can be replaced.
    assert_eq!(Load::today(&app).await.with("reissue_of", &again).post(&office, "/office/bols").await.status, 422);
    assert_eq!(
        Load::today(&app).await.with("reissue_of", "PRT-2025-9999").post(&office, "/office/bols").await.status,
        422
    );

    let events = app
        .rows("SELECT action, coalesce(customer_code, '-'), file_name, detail->>'reason', detail->>'official_weight_lb' FROM audit_events WHERE action LIKE 'BOL\\_%ED' AND action NOT LIKE '%DOWN%' AND action <> 'BOL_VIEWED' ORDER BY id")
        .await;
    let expected = [
        format!("BOL_CREATED|ACME|{number}.pdf||"),
        format!("BOL_CREATED|ACME|{}2.pdf||", number.strip_suffix('1').unwrap()),
        format!("BOL_WEIGHED|ACME|{number}.v2.pdf||46180"),
        format!("BOL_VOIDED|ACME|{number}.v3.pdf|Wrong trailer|"),
        format!("BOL_CREATED|ACME|{again}.pdf||"),
    ];
    assert_eq!(events, expected);
}

/// A BOL from before the portal can be voided too; and when the storage is away, nothing happens.
#[tokio::test(flavor = "multi_thread")]
async fn all_or_nothing() {
    let app = App::start().await;
    let office = app.office().await;
    let folder = app.media("bols/2025");
    let away = app.media("bols/away");
    std::fs::rename(&folder, &away).unwrap();
    std::fs::write(&folder, "in the way").unwrap();
    let answer = office.post("/office/bols/PRT-2025-0001/void", &[("reason", "Wrong truck")]).await;
    assert_eq!((answer.status, answer.one("#reason")), (503, "Wrong truck".to_owned()));
    assert_eq!(app.rows("SELECT count(*) FROM bols WHERE voided_at > now() - interval '1 day'").await, ["0"]);
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&away, &folder).unwrap();
    assert_eq!(office.post("/office/bols/PRT-2025-0001/void", &[("reason", "Wrong truck")]).await.status, 303);
    let text = text_of(&download(&app.acme().await, "/bols/PRT-2025-0001/download").await);
    assert!(text.contains("VOID") && text.contains("PRT-2025-0001") && text.contains("46,900"), "{text}");
    for path in ["/office/bols/PRT-2025-0999/void", "/office/bols/nonsense/weight"] {
        assert_eq!(office.get(path).await.status, 404);
        assert_eq!(office.post(path, &[("reason", "x"), ("official_weight_lb", "1")]).await.status, 404);
    }
}
