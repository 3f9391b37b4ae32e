//! Issuing BOLs from the form and from another system, with consecutive numbers and a stored PDF each.

use std::collections::HashSet;

use chrono::TimeDelta;
use futures_util::future::join_all;
use reqwest::Method;

use crate::support::{Action, Answer, App, Load, World, text_of};

fn year(app: &App) -> i32 {
    chrono::Datelike::year(&app.clock.now().with_timezone(&chrono_tz::America::New_York))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_is_printed_stored_and_recorded() {
    let app = App::ready_to_issue().await;
    let office = app.office().await;
    let load = Load::today(&app).await.with("seal_numbers", "0048213 0048214").with("trailer_number", "DT-2208");
    let number = load.issue(&office).await;
    assert_eq!(number, format!("PRT-{}-0001", year(&app)));

    // The customer finds it at once, and downloads it.
    let acme = app.acme().await;
    assert!(acme.get("/bols").await.all("tbody .number").contains(&number));
    let pdf = acme.download(&format!("/bols/{number}/download")).await;
    let text = text_of(&pdf).split_whitespace().collect::<Vec<_>>().join(" ");
    for (name, value) in &load.0 {
        let radio = ["customer", "bol_date", "freight_terms", "trailer_loaded_by", "freight_counted_by"]
            .contains(&name.as_str());
        let shown = if name == "seal_numbers" { "0048213, 0048214" } else { value };
        assert!(radio || text.contains(&shown.replace('\n', " ")), "{name} in {text}");
    }
    for part in [
        number.as_str(),
        "Acme Steel",
        "River Terminal LLC",
        "(513) 555-0142",
        "46,060",
        "23.03",
        "not negotiable",
        "49 U.S.C. 14706(c)(1)(A) and (B)",
        "regulations of the DOT",
        "Page 1 of 1",
        &format!("{}/bols/{number}", app.url),
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }

    let bol = app.bol(&number).await;
    assert_eq!(
        (bol.company_name.as_str(), bol.net_lb, bol.issued_by.as_str()),
        ("River Terminal LLC", 46_060, "Somebody")
    );
    let key = format!("bols/{}/{number}.pdf", year(&app));
    let event = app.events().await.single(Action::BolCreated);
    assert_eq!(
        (event.email(), event.customer(), event.bol(), event.kind(), event.key()),
        (World::OFFICE, "ACME", number.as_str(), "bol", key.as_str())
    );
    let document = app.document(event.document_id.unwrap()).await;
    assert_eq!((document.bol_id, Some(document.sha256)), (Some(bol.id), event.sha256.clone()));
    assert_eq!(std::fs::read(app.media(&key)).unwrap(), pdf);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_offers_what_was_typed_before() {
    let app = App::ready_to_issue().await;
    let office = app.office().await;
    let load = Load::today(&app).await.with("seal_numbers", "0048213 0048214").with("trailer_number", "DT-2208");
    load.issue(&office).await;
    let form = office.get("/office/bols/new?customer=ACME").await;
    for value in ["Basic pig iron", "PI-25-1107", "Heartland Bulk Carriers, Inc.", "4417"] {
        assert!(form.attributes("datalist option", "value").iter().any(|known| known == value), "{value}");
    }
    assert_eq!(form.attributes("#customer_po", "value"), ["4500178823"], "from the last load");
    assert_eq!(form.attributes("#truck_number", "value"), [""], "but not what changes from load to load");
    assert_eq!(form.all("#pick option").len(), 2);

    // Another customer replaces the values of the first one, and keeps those typed by hand.
    let other = office.get("/office/bols/new?customer=RIVAL&filled_for=ACME&customer_po=4500178823&lot=mine&ship_to=Acme+Foundry+No.+2%0D%0A14+Mill+Road%0D%0ADayton%2C+OH+45404").await;
    assert_eq!(
        (other.attributes("#customer_po", "value"), other.attributes("#lot", "value")),
        (vec!["PO-radish-3".to_owned()], vec!["mine".to_owned()])
    );
    assert_eq!(other.all("#ship_to"), ["Plant radish 1 Mill Street"]);
}

/// Impossible input gets a 422 with a message beside each field, and uses no number. The same holds for JSON.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_input_keeps_everything_and_names_each_field() {
    let app = App::ready_to_issue().await;
    let office = app.office().await;
    app.sql("INSERT INTO customers (code, name, active) VALUES ('GONE', 'Gone Inc', false)").await;
    let good = Load::today(&app).await;
    for (field, value) in [
        ("tare_lb", "80,000"),
        ("ship_to", ""),
        ("net_lb", "-46060"),
        ("bol_date", "2026-02-31"),
        ("customer", "GONE"),
        ("customer", "NOBODY"),
        ("customer", ""),
        ("product", "x\u{202e}y"),
        ("driver_name", "😀"),
        ("carrier", ""),
        ("special_instructions", &"a".repeat(3001)),
    ] {
        let load = good.clone().with(field, value);
        for path in ["/office/bols", "/office/bols/preview"] {
            let answer = load.post(&office, path).await;
            assert_eq!(answer.status, 422, "{field}={value} {path}");
            assert_eq!(answer.attributes("[aria-invalid]", "id"), [field], "{field}={value}");
            assert!(!answer.one(&format!("#{field}-error")).is_empty());
            assert_eq!(answer.attributes("#truck_number", "value"), ["4417"]);
            assert_eq!(answer.all("#ship_from"), ["River Terminal, Dock 2 1 Quay Street Cincinnati, OH 45202"]);
            if field == "customer" && !value.is_empty() {
                assert_eq!(answer.attributes("#customer option[selected]", "value"), [value]);
            }
            if field == "tare_lb" {
                assert_eq!(answer.attributes("#tare_lb", "value"), [value]);
            }
        }
        let answer = Answer::of(office.request(Method::POST, "/api/bol/").json(&load.json())).await;
        assert_eq!((answer.status, answer.header("content-type")), (422, "application/problem+json"));
        assert_eq!(answer.json()["errors"][0]["field"], field);
    }
    assert_eq!(app.count("bols").await, 5);
    assert_eq!(good.issue(&office).await, format!("PRT-{}-0001", year(&app)), "no number was used");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_bol_is_issued_before_the_terminal_has_an_address() {
    let app = App::start().await;
    let office = app.office().await;
    let answer = Load::today(&app).await.post(&office, "/office/bols").await;
    assert_eq!(answer.status, 422);
    assert!(answer.text().contains("under Settings first"));
}

/// The form warns about implausible values, and accepts them once confirmed.
#[tokio::test(flavor = "multi_thread")]
async fn warnings_can_be_confirmed() {
    let app = App::ready_to_issue().await;
    let office = app.office().await;
    let load = Load::today(&app).await.with("seal_numbers", "77,78").with("trailer_number", "DT-1");
    let first = load.issue(&office).await;
    app.clock.advance(TimeDelta::minutes(50));
    let heavy = load.clone().with("gross_lb", "80,020").with("seal_numbers", "78 99").with("trailer_number", "dt-1");
    let heavy = heavy.with("bol_date", "2025-01-02");
    let answer = heavy.post(&office, "/office/bols").await;
    assert_eq!(answer.status, 422);
    let doubts = answer.all(".message li");
    assert_eq!(doubts.len(), 4, "{doubts:?}");
    assert!(doubts[0].contains("80,020 lb") && doubts[1].contains("days in the past"), "{doubts:?}");
    assert!(doubts[2].contains(&first) && doubts[3].contains("Seal 78"), "{doubts:?}");
    let confirm = answer.attributes("button[name=confirm]", "value").remove(0);
    assert_eq!(answer.warnings(), ["overweight", "date", "trailer", "seal"]);
    assert_eq!(answer.all("button[name=confirm]"), ["Issue BOL as it is"]);
    // Every warning needs its confirmation, which holds for this value only.
    let half = confirm.split(',').take(2).collect::<Vec<_>>().join(",");
    assert_eq!(heavy.clone().with("confirm", &half).post(&office, "/office/bols").await.all(".message li").len(), 2);
    let heavier =
        heavy.clone().with("confirm", &confirm).with("gross_lb", "99,000").post(&office, "/office/bols").await;
    assert!(heavier.one(".message li").contains("99,000 lb"));
    let json = Answer::of(office.request(Method::POST, "/api/bol/").json(&heavy.json())).await;
    assert_eq!((json.status, json.json()["warnings"].as_array().unwrap().len()), (422, 4));
    assert_eq!(heavy.with("confirm", &confirm).issue(&office).await, format!("PRT-{}-0002", year(&app)));
    // An hour later the trailer may be back.
    app.clock.advance(TimeDelta::minutes(120));
    load.with("seal_numbers", "").issue(&office).await;
}

/// The form fills in what belongs to the chosen customer, lot and carrier.
#[tokio::test(flavor = "multi_thread")]
async fn the_form_fills_in_related_fields() {
    let app = App::ready_to_issue().await;
    let office = app.office().await;
    app.sql(
        "INSERT INTO lots (number, chemistry) VALUES ('L-9', 'C 9%'); INSERT INTO carriers (name, scac) VALUES ('Buckeye Lines', 'BKHP')",
    )
    .await;
    let load = Load::today(&app).await.with("freight_terms", "third-party").with("bill_to", "Audit Inc\nTown");
    load.issue(&office).await;
    let value = |form: &Answer, name: &str| form.attributes(&format!("#{name}"), "value").concat();
    let form = office
        .get("/office/bols/new?customer=acme&lot=l-9&carrier=buckeye+lines&filled_for=&freight_terms=prepaid")
        .await;
    assert_eq!((value(&form, "chemistry"), value(&form, "carrier_scac")), ("C 9%".into(), "BKHP".into()));
    assert_eq!(form.attributes("option[selected]", "value"), ["ACME"]);
    assert_eq!(
        form.attributes("input[name=freight_terms][checked]", "value"),
        ["third-party"],
        "no default in the way"
    );
    assert_eq!(form.all("#bill_to"), ["Audit Inc Town"]);
    let chosen = office.get("/office/bols/new?customer=ACME&filled_for=ACME&freight_terms=collect&lot=other").await;
    assert_eq!((value(&chosen, "chemistry"), chosen.all("#bill_to").concat()), (String::new(), String::new()));
    // The form asks about an address of another customer.
    let other = load.with("customer", "RIVAL").post(&office, "/office/bols").await;
    assert_eq!((other.status, other.warnings()), (422, vec!["ship_to".to_owned()]));
    assert!(other.all(".message li")[0].contains("belongs to Acme Steel"));
    for path in [
        "/office/bols/new?customer=A%00B&filled_for=%00&lot=%00",
        "/office/bols/new?from=%00",
        "/office/bols/new?from=PRT-2025-0999",
    ] {
        assert!(office.get(path).await.status < 500, "{path}");
    }
    assert_eq!(Load::new().with("customer", "A\0B").post(&office, "/office/bols").await.status, 422);
}

/// A double click or a repeated call issues one BOL. The same key for another load is a mistake.
#[tokio::test(flavor = "multi_thread")]
async fn a_form_sent_twice_issues_one_bol() {
    let app = App::ready_to_issue().await;
    let office = app.office().await;
    let key = office.get("/office/bols/new").await.attributes("input[name=key]", "value").remove(0);
    let load = Load::today(&app).await.with("key", &key);
    let answers = join_all((0..6).map(|_| load.post(&office, "/office/bols"))).await;
    let places: HashSet<&str> = answers.iter().map(|answer| answer.header("location")).collect();
    assert_eq!((places.len(), answers[0].status), (1, 303));
    let other = load.clone().with("lot", "another").post(&office, "/office/bols").await;
    assert_eq!((other.status, other.attributes("#lot", "value")), (409, vec!["another".to_owned()]));
    assert_ne!(other.attributes("input[name=key]", "value"), [key.as_str()], "a form of its own now");

    let json = Load::today(&app).await.json();
    let call = || office.request(Method::POST, "/api/bol/").header("Idempotency-Key", "order-17").json(&json);
    let (first, second) = (Answer::of(call()).await, Answer::of(call()).await);
    assert_eq!((first.status, second.status), (201, 200));
    assert_eq!((&first.json()["id"], &first.json()["bolNumber"]), (&second.json()["id"], &second.json()["bolNumber"]));
    let mut other = json.clone();
    other["lot"] = "another".into();
    let other = office.request(Method::POST, "/api/bol/").header("Idempotency-Key", "order-17").json(&other);
    assert_eq!(Answer::of(other).await.status, 409);
    assert_eq!(app.count("bols").await, 7);
}

/// Fifty clerks issue at once while the storage fails now and then. Each BOL gets its own number and its file.
#[tokio::test(flavor = "multi_thread")]
async fn fifty_bols_at_once_leave_no_gap_despite_a_failing_storage() {
    let app = App::ready_to_issue().await;
    let office = app.office().await;
    let load = Load::today(&app).await;
    let folder = app.media("bols").join(year(&app).to_string());
    let away = app.media("bols").join("away");
    std::fs::create_dir_all(&folder).unwrap();
    let all = join_all((0..50).map(|_| load.post(&office, "/office/bols")));
    let break_it = async {
        // While a file is in the place of the folder, every PUT fails.
        for _ in 0..3 {
            tokio::time::sleep(std::time::Duration::from_millis(150)).await;
            if std::fs::rename(&folder, &away).is_ok() && std::fs::write(&folder, "in the way").is_ok() {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                std::fs::remove_file(&folder).unwrap();
                std::fs::rename(&away, &folder).unwrap();
            }
        }
    };
    let (answers, ()) = tokio::join!(all, break_it);
    let issued = answers.iter().filter(|answer| answer.status == 303).count();
    let failed: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert_eq!(issued + failed.len(), 50);
    assert!(issued > 0 && !failed.is_empty(), "{issued} issued");
    for answer in &failed {
        assert!(answer.text().contains("no number was used"));
        assert_eq!(
            (answer.header("retry-after"), answer.attributes("#lot", "value")),
            ("30", vec!["PI-25-1107".to_owned()])
        );
    }
    for _ in failed {
        load.issue(&office).await;
    }
    let numbers = app.bols().await.into_iter().filter(|bol| bol.number_year > 2025).collect::<Vec<_>>();
    let mut sequence: Vec<i32> = numbers.iter().map(|bol| bol.number_seq).collect();
    sequence.sort_unstable();
    assert_eq!(sequence, (1..=50).collect::<Vec<_>>());
    let mut files = app.documents().await;
    files.retain(|document| numbers.iter().any(|bol| Some(bol.id) == document.bol_id));
    assert_eq!(files.len(), 50);
    for document in files {
        let bytes = std::fs::read(app.media(&document.object_key)).unwrap();
        assert_eq!(<sha2::Sha256 as sha2::Digest>::digest(bytes)[..], document.sha256, "{}", document.object_key);
    }
}

/// Another transaction holds the counter for too long, as when the bucket hangs. The form asks to try again.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_counter_is_reported_as_unavailable() {
    use diesel_async::SimpleAsyncConnection;
    let app = App::ready_to_issue().await;
    let office = app.office().await;
    let load = Load::today(&app).await;
    load.issue(&office).await;
    let mut holder = primetrade::db::connect(&app.database).await.unwrap();
    holder.batch_execute("BEGIN; UPDATE bol_counters SET last_seq = last_seq").await.unwrap();
    let answer = load.post(&office, "/office/bols").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "30"));
    assert_eq!(answer.attributes("#lot", "value"), ["PI-25-1107"]);
    let json = Answer::of(office.request(Method::POST, "/api/bol/").json(&load.json())).await;
    assert_eq!((json.status, json.header("content-type")), (503, "application/problem+json"));
    holder.batch_execute("ROLLBACK").await.unwrap();
    assert!(load.issue(&office).await.ends_with("-0002"));
}

/// A crash between PUT and COMMIT leaves an object under the next number's key.
#[tokio::test(flavor = "multi_thread")]
async fn a_stray_object_is_neither_lost_nor_served() {
    for app in [App::start().await, App::on_s3(&[]).await] {
        app.save_terminal_address().await;
        let office = app.office().await;
        let key = format!("bols/{0}/PRT-{0}-0001.pdf", year(&app));
        let stray = app.s3.as_ref().map_or_else(|| app.media(&key), |s3| s3.path_of(&key));
        std::fs::create_dir_all(stray.parent().unwrap()).unwrap();
        std::fs::write(&stray, "%PDF-1.4 somebody else's load").unwrap();
        let load = Load::today(&app).await;
        let number = load.issue(&office).await;
        assert_eq!(number, format!("PRT-{}-0001", year(&app)));
        let pdf = office.download(&format!("/bols/{number}/download")).await;
        assert!(text_of(&pdf).contains(&number));
        assert_eq!(std::fs::read(&stray).unwrap(), b"%PDF-1.4 somebody else's load");
        let created = app.events().await.single(Action::BolCreated);
        assert_eq!(created.detail["stray_objects"], serde_json::json!([key]));
        assert!(load.issue(&office).await.ends_with("-0002"));
    }
}

/// After such a crash the same load prints the same bytes, so the BOL takes the object.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_with_the_same_bytes_is_reused() {
    for app in [App::start().await, App::on_s3(&[]).await] {
        app.save_terminal_address().await;
        let office = app.office().await;
        let load = Load::today(&app).await;
        let number = load.issue(&office).await;
        // Restores the state before the commit.
        app.sql(
            "ALTER TABLE audit_events DISABLE TRIGGER USER; DELETE FROM bol_requests; DELETE FROM documents WHERE bol_id > 5; \
             DELETE FROM bol_opens; DELETE FROM bols WHERE id > 5; DELETE FROM bol_counters WHERE year > 2025",
        )
        .await;
        assert_eq!(load.issue(&office).await, number);
        let mut printed = app.documents().await;
        printed.retain(|document| document.bol_id > Some(5));
        let keys: Vec<String> = printed.into_iter().map(|document| document.object_key).collect();
        assert_eq!(keys, [format!("bols/{}/{number}.pdf", year(&app))]);
    }
}

/// The year is that of the terminal's time zone, not of UTC.
#[tokio::test(flavor = "multi_thread")]
async fn numbers_start_anew_with_the_terminals_year() {
    // The year may end after the days in which a second factor can be set up.
    let app = App::start_with(&[("MFA_REQUIRED_FOR", "none")]).await;
    app.save_terminal_address().await;
    let office = app.office().await;
    let eve = format!("{}-01-01T04:59:00Z", year(&app) + 1).parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    app.clock.advance(eve - app.clock.now());
    let before = year(&app);
    let office = {
        let _ = office;
        app.office().await
    };
    assert!(Load::today(&app).await.issue(&office).await.ends_with(&format!("{before}-0001")));
    app.clock.advance(TimeDelta::minutes(2));
    assert!(Load::today(&app).await.issue(&office).await.ends_with(&format!("{}-0001", before + 1)));
    assert!(Load::today(&app).await.issue(&office).await.ends_with(&format!("{}-0002", before + 1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_office_issues() {
    let app = App::ready_to_issue().await;
    let load = Load::today(&app).await;
    for actor in [app.acme().await, app.auditor().await] {
        for path in [
            "/office/bols",
            "/office/bols/preview",
            "/api/bol/",
            "/office/bols/PRT-2025-0001/void",
            "/office/bols/PRT-2025-0001/weight",
        ] {
            assert_eq!(load.post(&actor, path).await.status, 403, "{path}");
        }
        assert_eq!(actor.get("/office/bols/new").await.status, 403);
    }
    let stranger = app.stranger();
    for path in
        ["/office/bols", "/office/bols/preview", "/office/bols/PRT-2025-0001/void", "/office/bols/PRT-2025-0001/weight"]
    {
        let answer = load.post(&stranger, path).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/login"), "{path}");
    }
    assert_eq!(load.post(&stranger, "/api/bol/").await.status, 401);
    let yesterday = app.clock.now() - TimeDelta::days(1);
    let bols = app.bols().await;
    assert!(bols.iter().all(|bol| bol.number_year <= 2025 && bol.voided_at <= Some(yesterday)), "{bols:?}");
}
