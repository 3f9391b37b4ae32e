//! Matching uploads with their BOLs, and settling interrupted uploads.

use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use primetrade::db::Database;
use primetrade::documents::sweep::{sweep_alone, sweep_once};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use rustix::process::Signal;

use crate::office::upload::{one, outcomes, reason, send};
use crate::support::scan::paper;
use crate::support::{Action, Actor, Answer, App, PASSWORD, Program, World};

async fn with_list(office: &Actor, list: &str, files: &[(&str, Vec<u8>)], first: bool) -> Answer {
    let list = Part::bytes(list.as_bytes().to_vec()).file_name("list.csv");
    let mut form = Form::new().text("kind", "");
    if first {
        form = form.part("mapping", list);
        for (name, bytes) in files {
            form = form.part("files", Part::bytes(bytes.clone()).file_name((*name).to_owned()));
        }
    } else {
        for (name, bytes) in files {
            form = form.part("files", Part::bytes(bytes.clone()).file_name((*name).to_owned()));
        }
        form = form.part("files", list);
    }
    let request = office.request(Method::POST, "/office/upload").header("accept", "application/json");
    Answer::of(request.multipart(form)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_list_names_the_bol_of_each_file() {
    let app = App::start().await;
    let office = app.office().await;
    let list = "file,number,kind,customer\n\
                one.pdf,PRT-2025-0005,scale-ticket,ACME\n\
                two.pdf,PRT-2025-0005,,RIVAL\n\
                three.pdf,PRT-2025-0003,invoice,\n\
                four.pdf,PRT-2025-0004,packing-list,RIVAL\n\
                five.pdf,PRT-2025-0999,,\n\
                six.pdf,PRT-2025-0005,,NOBODY\n";
    let files = [
        ("one.pdf", paper("one")),
        ("two.pdf", paper("two")),
        ("three.pdf", paper("three PRT-2025-0005")),
        ("four.pdf", paper("four")),
        ("five.pdf", paper("five")),
        ("six.pdf", paper("six")),
        ("seven.pdf", paper("seven")),
    ];
    let answer = with_list(&office, list, &files, true).await;
    let expected = [
        "stored PRT-2025-0005",
        "needs_review",
        "needs_review",
        "stored PRT-2025-0004",
        "needs_review",
        "needs_review",
        "needs_review",
    ];
    assert_eq!(outcomes(&answer), expected, "{}", answer.text());
    for (index, words) in [
        (1, "belongs to ACME"),
        (2, "different BOLs"),
        (4, "BOL PRT-2025-0999 doesn't exist"),
        (5, "No customer has the code NOBODY"),
        (6, "No BOL number"),
    ] {
        assert!(reason(&answer, index).contains(words), "{}", reason(&answer, index));
    }
    // The unassigned BOL now belongs to the customer in the list, with the document, and both are recorded.
    let uploads = app.uploads().await;
    let filed = uploads.iter().filter(|document| ["one.pdf", "four.pdf"].contains(&document.arrived_as.as_str()));
    let filed: Vec<_> = filed.map(|document| (document.customer_id, document.kind.as_str())).collect();
    assert_eq!(filed, [(Some(app.world.acme), "scale-ticket"), (Some(app.world.rival), "packing-list")]);
    assert_eq!(app.rival().await.get("/bols/PRT-2025-0004").await.status, 200);
    let assigned = app.events().await.only(Action::BolAssigned);
    assert!(
        assigned.iter().any(|event| {
            (event.customer(), event.bol(), event.detail("to").as_str()) == ("RIVAL", World::LOOSE_BOL, "RIVAL")
        }),
        "{assigned:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_list_may_be_wrong_or_come_last() {
    let app = App::start().await;
    let office = app.office().await;
    // A list with a mistake has an outcome of its own beside those of the files.
    let broken = with_list(&office, "file,number\nx.pdf,2025-5\n", &[("x.pdf", paper("x"))], true).await;
    assert_eq!(outcomes(&broken), ["rejected", "needs_review"]);
    assert!(reason(&broken, 0).contains("Line 2"));
    // A list after the files gives a number to those that have none.
    let files = [("late.pdf", paper("late")), ("PRT-2025-0003.pdf", paper("three"))];
    let late = with_list(
        &office,
        "file;number;kind\nlate.pdf;PRT-2025-0005;invoice\nPRT-2025-0003.pdf;PRT-2025-0005;\n",
        &files,
        false,
    )
    .await;
    assert_eq!(outcomes(&late), ["stored PRT-2025-0005", "stored PRT-2025-0003"]);
    assert!(reason(&late, 1).contains("says PRT-2025-0005"), "{}", reason(&late, 1));
    // A list after the files is checked like one before them.
    let files = [("void.pdf", paper("void")), ("theirs.pdf", paper("theirs"))];
    let late = "file,number,kind,customer\nvoid.pdf,PRT-2025-0002,,\ntheirs.pdf,PRT-2025-0003,,ACME\n";
    let late = with_list(&office, late, &files, false).await;
    assert_eq!(outcomes(&late), ["needs_review", "needs_review"]);
    assert!(reason(&late, 0).contains("void") && reason(&late, 1).contains("belongs to RIVAL"), "{}", late.text());
    // A file that waits in the inbox is filed when it comes again with a list.
    let waiting = one(&office, &[("kind", "")], "seven.pdf", &paper("seven")).await;
    assert_eq!(outcomes(&waiting), ["needs_review"]);
    let seven =
        with_list(&office, "file,number\nseven.pdf,PRT-2025-0005\n", &[("seven.pdf", paper("seven"))], true).await;
    assert_eq!(outcomes(&seven), ["stored PRT-2025-0005"]);
    assert_eq!(app.count("documents WHERE arrived_as = 'seven.pdf'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_customer_of_the_form_must_match_the_bol() {
    let app = App::start().await;
    let office = app.office().await;
    let wrong = one(&office, &[("kind", "other"), ("customer", "RIVAL")], "PRT-2025-0005.pdf", &paper("a")).await;
    assert_eq!(outcomes(&wrong), ["needs_review"]);
    let right = one(&office, &[("kind", "other"), ("customer", "acme")], "PRT-2025-0005.pdf", &paper("b")).await;
    assert_eq!(outcomes(&right), ["stored PRT-2025-0005"]);
    let loose = one(&office, &[("kind", "other"), ("customer", "ACME")], "PRT-2025-0004.pdf", &paper("c")).await;
    assert_eq!(outcomes(&loose), ["stored PRT-2025-0004"]);
    assert_eq!(app.acme().await.get("/bols/PRT-2025-0004").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_for_another_bol_wait_for_review() {
    let app = App::start().await;
    let office = app.office().await;
    let ticket = paper("a certificate for two loads");
    assert_eq!(
        outcomes(&one(&office, &[("kind", "other")], "PRT-2025-0005.pdf", &ticket).await),
        ["stored PRT-2025-0005"]
    );
    let other = one(&office, &[("kind", "other")], "PRT-2025-0003.pdf", &ticket).await;
    assert_eq!(outcomes(&other), ["needs_review"]);
    assert!(reason(&other, 0).contains("PRT-2025-0005"), "{}", reason(&other, 0));
    assert_eq!(outcomes(&one(&office, &[("kind", "other")], "PRT-2025-0003.pdf", &ticket).await), ["duplicate"]);
    assert_eq!(
        outcomes(&one(&office, &[("kind", "invoice")], "PRT-2025-0005.pdf", &ticket).await),
        ["duplicate PRT-2025-0005"]
    );
    // The file doesn't contradict an earlier decision by a person.
    assert_eq!(outcomes(&one(&office, &[("kind", "other")], "scan.pdf", &ticket).await), ["duplicate PRT-2025-0005"]);
    // Ten uploads of the same file at once, and ten different files for the same BOL.
    let same = paper("the same, ten times");
    let answers = join_all((0..10).map(|_| one(&office, &[("kind", "other")], "PRT-2025-0005.pdf", &same))).await;
    let stored = answers.iter().filter(|answer| outcomes(answer)[0].starts_with("stored")).count();
    assert_eq!(stored, 1, "{:?}", answers.iter().map(outcomes).collect::<Vec<_>>());
    let papers: Vec<_> = (0..10).map(|n| paper(&format!("different {n}"))).collect();
    let answers =
        join_all(papers.iter().map(|paper| one(&office, &[("kind", "invoice")], "PRT-2025-0005.pdf", paper))).await;
    assert!(answers.iter().all(|answer| outcomes(answer) == ["stored PRT-2025-0005"]));
    let versions =
        app.rows("SELECT string_agg(version::text, ',' ORDER BY version) FROM documents WHERE kind = 'invoice'").await;
    assert_eq!(versions, ["1,2,3,4,5,6,7,8,9,10"]);
}

/// One row without its bytes, one with them, and one that was leaving the inbox.
#[tokio::test(flavor = "multi_thread")]
async fn the_sweeper_settles_interrupted_uploads() {
    let app = App::start().await;
    let office = app.office().await;
    for (name, text) in [("PRT-2025-0005.pdf", "gone"), ("PRT-2025-0005.pdf", "there"), ("waits.pdf", "waits")] {
        one(&office, &[("kind", "other")], name, &paper(text)).await;
    }
    let uploads = app.uploads().await;
    let ids: Vec<i64> = uploads.iter().map(|document| document.id).collect();
    let gone = uploads[0].object_key.clone();
    let now = app.clock.now().to_rfc3339();
    app.sql(&format!(
        "UPDATE documents SET state = 'pending', stored_at = NULL, pending_at = '{now}', pending_by = uploaded_by WHERE id IN ({}, {})",
        ids[0], ids[1]
    ))
    .await;
    app.sql(&format!(
        "UPDATE documents SET state = 'pending', stored_at = NULL, pending_at = '{now}', pending_by = uploaded_by, bol_id = 5, arrived_key = object_key, \
         object_key = 'bols/2025/PRT-2025-0005.other.v9.pdf', version = 9 WHERE id = {}",
        ids[2]
    ))
    .await;
    std::fs::rename(app.media(&gone), app.media("elsewhere.pdf")).unwrap();
    // Pending documents are invisible.
    assert_eq!(office.get(&format!("/documents/{}/download", ids[1])).await.status, 404);
    let db = Database::new(&app.database, 2);
    let config = primetrade::config::StorageConfig::Local { root: app.media("") };
    let secret = primetrade::config::SecretKey::from_bytes(vec![0]);
    let storage = primetrade::storage::Storage::new(&config, &secret, String::new()).await;
    assert_eq!(sweep_once(&db, &storage, &app.clock).await.unwrap().settled, 0, "not before nobody can be at it");
    app.clock.advance(TimeDelta::minutes(16));
    assert_eq!(sweep_once(&db, &storage, &app.clock).await.unwrap().settled, 3);
    assert_eq!(sweep_once(&db, &storage, &app.clock).await.unwrap().settled, 0);
    let left = app.uploads().await;
    let left: Vec<_> = left
        .iter()
        .map(|document| {
            let (is_filed, came_from_inbox) = (document.bol_id.is_some(), document.arrived_key.is_some());
            (document.arrived_as.as_str(), document.state.as_str(), is_filed, came_from_inbox)
        })
        .collect();
    assert_eq!(left, [("PRT-2025-0005.pdf", "stored", true, false), ("waits.pdf", "stored", false, false)]);
    let uploaded = app.events().await.only(Action::DocumentUploaded);
    assert!(
        uploaded
            .iter()
            .any(|event| event.email() == World::OFFICE && event.detail("settled") == "after an interruption"),
        "{uploaded:?}"
    );
    // The lost file is uploaded again and stored.
    assert_eq!(
        outcomes(&one(&office, &[("kind", "other")], "PRT-2025-0005.pdf", &paper("gone")).await),
        ["stored PRT-2025-0005"]
    );
}

/// Only one server sweeps at a time. The others skip the sweep.
#[tokio::test(flavor = "multi_thread")]
async fn one_server_sweeps_at_a_time() {
    use diesel_async::SimpleAsyncConnection;
    let app = App::start().await;
    let old = app.clock.now() - TimeDelta::minutes(20);
    app.new_document("inbox/2026/cut-off.pdf").pending(old, app.user_id(World::ACME).await).create().await;
    let db = Database::new(&app.database, 2);
    let config = primetrade::config::StorageConfig::Local { root: app.media("") };
    let storage = primetrade::storage::Storage::with_long_timeouts(&config).await;
    let mut other = primetrade::db::connect(&app.database).await.unwrap();
    other
        .batch_execute(&format!("BEGIN; SELECT pg_advisory_xact_lock({})", primetrade::documents::sweep::SWEEP_LOCK))
        .await
        .unwrap();
    let swept = sweep_alone(&db, &storage, &app.clock).await.unwrap();
    assert_eq!((swept.settled, swept.left), (0, 0), "another server is at it");
    other.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(sweep_alone(&db, &storage, &app.clock).await.unwrap().settled, 1);
    assert_eq!(app.count("documents WHERE state = 'pending'").await, 0);
}

/// Runs a sweep a quarter of an hour after a statement has left the database in some state.
async fn swept(app: &App, sql: &str) -> usize {
    let now = app.clock.now().to_rfc3339();
    app.sql(&sql.replace("NOW", &format!("'{now}'"))).await;
    app.clock.advance(TimeDelta::minutes(16));
    let config = primetrade::config::StorageConfig::Local { root: app.media("") };
    let secret = primetrade::config::SecretKey::from_bytes(vec![0]);
    let storage = primetrade::storage::Storage::new(&config, &secret, String::new()).await;
    sweep_once(&Database::new(&app.database, 2), &storage, &app.clock).await.unwrap().settled
}

/// Filing was interrupted after the copy. Another upload was interrupted before its BOL was reassigned. A third row can
/// never be settled.
#[tokio::test(flavor = "multi_thread")]
async fn the_sweeper_records_what_it_settled() {
    let app = App::start().await;
    let (office, admin) = (app.office().await, app.user_id(World::ADMIN).await);
    let filed = one(&office, &[("kind", "other")], "waits.pdf", &paper("waits")).await.json()[0]["documentId"].clone();
    office.post(&format!("/office/documents/{filed}/file"), &[("number", "25-5"), ("kind", "invoice")]).await;
    let given =
        one(&office, &[("kind", "other")], "PRT-2025-0004.pdf", &paper("given")).await.json()[0]["documentId"].clone();
    let odd =
        one(&office, &[("kind", "other")], "PRT-2025-0005.pdf", &paper("odd")).await.json()[0]["documentId"].clone();
    let mark = app.events().await.mark();
    let settled = swept(&app, &format!(
        "UPDATE documents SET state = 'pending', stored_at = NULL, pending_at = NOW, pending_by = {admin} WHERE id IN ({filed}, {given}, {odd}); \
         UPDATE documents SET pending_customer = {} WHERE id = {given}; UPDATE bols SET customer_id = {} WHERE number = 'PRT-2025-0004'; \
         UPDATE documents SET object_key = 'no key at all' WHERE id = {odd}",
        app.world.acme, app.world.rival
    ))
    .await;
    assert_eq!(settled, 2);
    let events = app.events().await.since(mark);
    let mut events = events.list(|event| (event.document_id, event.action.as_str(), event.email(), event.customer()));
    events.sort_unstable();
    assert_eq!(
        events,
        [
            (filed.as_i64(), "DOCUMENT_FILED", World::ADMIN, "ACME"),
            (given.as_i64(), "DOCUMENT_UPLOADED", World::ADMIN, "-"),
        ]
    );
    let waiting = app.document_row(given.as_i64().unwrap()).await;
    assert_eq!(
        (waiting.waits_for.as_str(), waiting.bol_id, waiting.state.as_str()),
        ("PRT-2025-0004 was assigned to RIVAL during the upload.", None, "stored")
    );
}

/// A document leaves the inbox, is interrupted, and is uploaded again. There is no second document, and the sweeper
/// settles the first one.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_upload_during_filing_stores_nothing_twice() {
    let app = App::start().await;
    let office = app.office().await;
    let id = one(&office, &[("kind", "other")], "waits.pdf", &paper("waits")).await.json()[0]["documentId"].clone();
    let now = app.clock.now().to_rfc3339();
    app.sql(&format!(
        "UPDATE documents SET state = 'pending', stored_at = NULL, pending_at = '{now}', pending_by = uploaded_by, bol_id = 5, \
         arrived_key = object_key, object_key = 'bols/2025/PRT-2025-0005.other.v1.pdf' WHERE id = {id}"
    ))
    .await;
    let again = one(&office, &[("kind", "other")], "waits.pdf", &paper("waits")).await;
    assert_eq!(outcomes(&again), ["duplicate"]);
    assert!(reason(&again, 0).contains("being stored with PRT-2025-0005"), "{}", reason(&again, 0));
    assert_eq!(app.uploads().await.len(), 1);
    assert_eq!(swept(&app, "SELECT 1").await, 1);
    assert_eq!(office.get("/office/inbox").await.all(".intake h2"), ["waits.pdf"]);
    assert_eq!(
        office.get("/office/inbox").await.one(".intake .why"),
        "No BOL number was found in the file, its name or a list."
    );
    // With a number it is filed.
    let named = one(&office, &[("kind", "other")], "PRT-2025-0005.pdf", &paper("waits")).await;
    assert_eq!(outcomes(&named), ["stored PRT-2025-0005"]);
}

/// The server is killed during an upload, restarted, and gets the same files again.
#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_nothing_is_lost_or_doubled() {
    let app = App::on_s3(&[]).await;
    let folder = tempfile::TempDir::new().unwrap();
    let stack: Vec<(String, Vec<u8>)> =
        (0..40).map(|n| (format!("PRT-2025-000{}_{n}.pdf", [1, 3, 5][n % 3]), paper(&format!("paper {n}")))).collect();
    let files: Vec<(&str, Vec<u8>)> = stack.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    let mut program = Program::start(folder.path(), app.environment(), &["serve"]);
    let address = program.address().await;
    let office = Actor::new(&address).log_in(World::OFFICE, PASSWORD).await;
    let sending = tokio::spawn({
        let (office, files) =
            (office.clone(), files.iter().map(|(n, b)| ((*n).to_owned(), b.clone())).collect::<Vec<_>>());
        async move {
            let mut form = Form::new().text("kind", "other");
            for (name, bytes) in files {
                form = form.part("files", Part::bytes(bytes).file_name(name));
            }
            office
                .request(Method::POST, "/office/upload")
                .header("accept", "application/json")
                .multipart(form)
                .send()
                .await
        }
    });
    let stored = "SELECT count(*) FROM documents WHERE arrived_as <> '' AND state = 'stored'";
    for _ in 0..400 {
        if app.rows(stored).await[0].parse::<u32>().unwrap() >= 10 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    program.signal(Signal::KILL);
    program.end().await;
    assert!(sending.await.unwrap().is_err());
    let survived = app.rows(stored).await.remove(0);
    assert!((10..40).contains(&survived.parse::<usize>().unwrap()), "{survived}");

    let mut program = Program::start(folder.path(), app.environment(), &["serve"]);
    let office = Actor::new(&program.address().await).log_in(World::OFFICE, PASSWORD).await;
    let answer = send(&office, &[("kind", "other")], &files).await;
    let outcomes = outcomes(&answer);
    let of = |word: &str| outcomes.iter().filter(|outcome| outcome.starts_with(word)).count();
    assert_eq!((of("stored") + of("duplicate"), of("duplicate").to_string()), (40, survived), "{outcomes:?}");
    assert_eq!(
        app.rows("SELECT count(*), count(DISTINCT sha256) FROM documents WHERE arrived_as <> '' AND state = 'stored'")
            .await,
        ["40|40"]
    );
    assert_eq!(app.count("documents WHERE state = 'pending'").await, 0);
    // Every row has an object, and every object a row.
    let s3 = app.s3.as_ref().unwrap();
    assert!(app.uploads().await.iter().all(|document| s3.path_of(&document.object_key).is_file()));
    let objects = walk(&s3.path_of("bols"));
    assert_eq!(objects, app.documents().await.len());
    program.signal(Signal::TERM);
    program.end().await;
}

fn walk(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| if path.is_dir() { walk(&path) } else { usize::from(path.extension().is_some_and(|e| e == "pdf")) })
        .sum()
}

/// Without the storage the server keeps nothing, says so, and accepts the same file later.
#[tokio::test(flavor = "multi_thread")]
async fn uploads_fail_cleanly_while_the_storage_is_unavailable() {
    let app = App::start().await;
    let office = app.office().await;
    let (folder, away) = (app.media("bols/2025"), app.media("bols/away"));
    std::fs::rename(&folder, &away).unwrap();
    std::fs::write(&folder, "in the way").unwrap();
    let answer = one(&office, &[("kind", "other")], "PRT-2025-0005.pdf", &paper("a")).await;
    assert_eq!((answer.status, outcomes(&answer)), (503, vec!["rejected".to_owned()]));
    assert!(reason(&answer, 0).contains("Upload it again") && !answer.header("retry-after").is_empty());
    assert_eq!(app.uploads().await.len(), 0);
    // Without JavaScript the page lists the stored and the failed files, and a reload keeps them.
    let form = Form::new()
        .text("batch", "away")
        .text("kind", "other")
        .part("files", Part::bytes(paper("b")).file_name("PRT-2025-0005.pdf"))
        .part("files", Part::bytes(paper("c")).file_name("waits.pdf"));
    let answer = Answer::of(office.request(Method::POST, "/office/upload").multipart(form)).await;
    let shown = office.get(answer.header("location")).await;
    assert_eq!(shown.all("#files-done .mark"), ["Rejected", "In the inbox"]);
    assert!(shown.text().contains("Upload it again"));
    // A document whose filing fails waits in the inbox unchanged.
    let id = app.rows("SELECT id FROM documents WHERE arrived_as = 'waits.pdf'").await.remove(0);
    let file = office.post(&format!("/office/documents/{id}/file"), &[("number", "25-5"), ("kind", "other")]).await;
    assert_eq!((file.status, file.attributes(&format!("#number-{id}"), "value")), (503, vec!["25-5".to_owned()]));
    assert!(file.one(".intake .why").contains("No BOL number"));
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&away, &folder).unwrap();
    let file = office.post(&format!("/office/documents/{id}/file"), &[("number", "25-5"), ("kind", "other")]).await;
    assert_eq!(file.status, 303);
    assert_eq!(
        outcomes(&one(&office, &[("kind", "other")], "PRT-2025-0005.pdf", &paper("a")).await),
        ["stored PRT-2025-0005"]
    );
}
