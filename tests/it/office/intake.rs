//! Matching uploads with their BOLs, and uploads while the server or the storage fails.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use rustix::process::Signal;

use crate::support::scan::paper;
use crate::support::{Action, Actor, Answer, App, DocumentRow, PASSWORD, Program, World, versions};

async fn with_list(office: &Actor, list: impl AsRef<[u8]>, files: &[(&str, Vec<u8>)], first: bool) -> Answer {
    let list = Part::bytes(list.as_ref().to_vec()).file_name("list.csv");
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
    assert_eq!(answer.outcomes(), expected, "{}", answer.text());
    for (index, words) in [
        (1, "belongs to ACME"),
        (2, "different BOLs"),
        (4, "BOL PRT-2025-0999 doesn't exist"),
        (5, "No customer has the code NOBODY"),
        (6, "No BOL number"),
    ] {
        assert!(answer.reason(index).contains(words), "{}", answer.reason(index));
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

/// Short rows, an encoding of old, and the two ways to write an umlaut.
#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_list_is_read_as_people_write_it() {
    let app = App::start().await;
    let office = app.office().await;
    for (list, name) in [
        (b"file,number,kind,customer\r\na.pdf,PRT-2025-0005,invoice,ACME\r\nb.pdf,PRT-2025-0005\r\n".to_vec(), "b.pdf"),
        (
            b"file,number,kind,customer\r\nLieferschein M\xfcller.pdf,PRT-2025-0005,,\r\n".to_vec(),
            "Lieferschein Müller.pdf",
        ),
        ("file,number,kind,customer\r\nMu\u{308}ller.pdf,PRT-2025-0005,,\r\n".into(), "Müller.pdf"),
        ("file,number\r\nMüller 2.pdf,PRT-2025-0005\r\n".into(), "Mu\u{308}ller 2.pdf"),
        ("sep=;\r\nfile;number\r\nc.pdf;PRT-2025-0005\r\n".into(), "c.pdf"),
        ("Scans of May\r\n\r\nfile;number\r\nd.pdf;PRT-2025-0005\r\n".into(), "d.pdf"),
    ] {
        let answer = with_list(&office, list, &[(name, paper(name))], true).await;
        assert_eq!(answer.outcomes(), ["stored PRT-2025-0005"], "{name}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_list_may_be_wrong_or_come_last() {
    let app = App::start().await;
    let office = app.office().await;
    // A list with a mistake has an outcome of its own beside those of the files.
    let broken = with_list(&office, "file,number\nx.pdf,2025-5\n", &[("x.pdf", paper("x"))], true).await;
    assert_eq!(broken.outcomes(), ["rejected", "needs_review"]);
    assert!(broken.reason(0).contains("Line 2"));
    // A list after the files gives a number to those that have none.
    let files = [("late.pdf", paper("late")), ("PRT-2025-0003.pdf", paper("three"))];
    let late = with_list(
        &office,
        "file;number;kind\nlate.pdf;PRT-2025-0005;invoice\nPRT-2025-0003.pdf;PRT-2025-0005;\n",
        &files,
        false,
    )
    .await;
    assert_eq!(late.outcomes(), ["stored PRT-2025-0005", "stored PRT-2025-0003"]);
    assert!(late.reason(1).contains("says PRT-2025-0005"), "{}", late.reason(1));
    // A list after the files is checked like one before them.
    let files = [("void.pdf", paper("void")), ("theirs.pdf", paper("theirs"))];
    let late = "file,number,kind,customer\nvoid.pdf,PRT-2025-0002,,\ntheirs.pdf,PRT-2025-0003,,ACME\n";
    let late = with_list(&office, late, &files, false).await;
    assert_eq!(late.outcomes(), ["needs_review", "needs_review"]);
    assert!(late.reason(0).contains("void") && late.reason(1).contains("belongs to RIVAL"), "{}", late.text());
    // A file that waits in the inbox is filed when it comes again with a list.
    let waiting = office.upload(&[("kind", "")], "seven.pdf", &paper("seven")).await;
    assert_eq!(waiting.outcomes(), ["needs_review"]);
    let seven =
        with_list(&office, "file,number\nseven.pdf,PRT-2025-0005\n", &[("seven.pdf", paper("seven"))], true).await;
    assert_eq!(seven.outcomes(), ["stored PRT-2025-0005"]);
    assert_eq!(app.upload_named("seven.pdf").await.state, "stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_customer_of_the_form_must_match_the_bol() {
    let app = App::start().await;
    let office = app.office().await;
    let wrong = office.upload(&[("kind", "other"), ("customer", "RIVAL")], "PRT-2025-0005.pdf", &paper("a")).await;
    assert_eq!(wrong.outcomes(), ["needs_review"]);
    let right = office.upload(&[("kind", "other"), ("customer", "acme")], "PRT-2025-0005.pdf", &paper("b")).await;
    assert_eq!(right.outcomes(), ["stored PRT-2025-0005"]);
    let loose = office.upload(&[("kind", "other"), ("customer", "ACME")], "PRT-2025-0004.pdf", &paper("c")).await;
    assert_eq!(loose.outcomes(), ["stored PRT-2025-0004"]);
    assert_eq!(app.acme().await.get("/bols/PRT-2025-0004").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_for_another_bol_wait_for_review() {
    let app = App::start().await;
    let office = app.office().await;
    let ticket = paper("a certificate for two loads");
    assert_eq!(
        office.upload(&[("kind", "other")], "PRT-2025-0005.pdf", &ticket).await.outcomes(),
        ["stored PRT-2025-0005"]
    );
    let other = office.upload(&[("kind", "other")], "PRT-2025-0003.pdf", &ticket).await;
    assert_eq!(other.outcomes(), ["needs_review"]);
    assert!(other.reason(0).contains("PRT-2025-0005"), "{}", other.reason(0));
    assert_eq!(office.upload(&[("kind", "other")], "PRT-2025-0003.pdf", &ticket).await.outcomes(), ["duplicate"]);
    assert_eq!(
        office.upload(&[("kind", "invoice")], "PRT-2025-0005.pdf", &ticket).await.outcomes(),
        ["duplicate PRT-2025-0005"]
    );
    // The file doesn't contradict an earlier decision by a person.
    assert_eq!(office.upload(&[("kind", "other")], "scan.pdf", &ticket).await.outcomes(), ["duplicate PRT-2025-0005"]);
    // Ten uploads of the same file at once, and ten different files for the same BOL.
    let same = paper("the same, ten times");
    let answers = join_all((0..10).map(|_| office.upload(&[("kind", "other")], "PRT-2025-0005.pdf", &same))).await;
    let stored = answers.iter().filter(|answer| answer.outcomes()[0].starts_with("stored")).count();
    assert_eq!(stored, 1, "{:?}", answers.iter().map(Answer::outcomes).collect::<Vec<_>>());
    let papers: Vec<_> = (0..10).map(|n| paper(&format!("different {n}"))).collect();
    let answers =
        join_all(papers.iter().map(|paper| office.upload(&[("kind", "invoice")], "PRT-2025-0005.pdf", paper))).await;
    assert!(answers.iter().all(|answer| answer.outcomes() == ["stored PRT-2025-0005"]));
    assert_eq!(versions(&app.documents_of_kind("invoice").await), (1..=10).collect::<Vec<_>>());
}

/// The server is killed during an upload, restarted, and gets the same files again.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_during_an_upload_loses_and_doubles_nothing() {
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
    let stored = async || {
        let mut stored = app.uploads().await;
        stored.retain(DocumentRow::is_stored);
        stored
    };
    for _ in 0..400 {
        if stored().await.len() >= 10 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    program.signal(Signal::KILL);
    program.end().await;
    assert!(sending.await.unwrap().is_err());
    let survived = stored().await.len();
    assert!((10..40).contains(&survived), "{survived}");

    let mut program = Program::start(folder.path(), app.environment(), &["serve"]);
    let office = Actor::new(&program.address().await).log_in(World::OFFICE, PASSWORD).await;
    let answer = office.upload_all(&[("kind", "other")], &files).await;
    let outcomes = answer.outcomes();
    let of = |word: &str| outcomes.iter().filter(|outcome| outcome.starts_with(word)).count();
    assert_eq!((of("stored") + of("duplicate"), of("duplicate")), (40, survived), "{outcomes:?}");
    let stored = stored().await;
    let different: HashSet<&[u8]> = stored.iter().map(|document| &*document.sha256).collect();
    assert_eq!((stored.len(), different.len()), (40, 40));
    assert!(!app.documents().await.iter().any(DocumentRow::is_pending));
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
    let answer = office.upload(&[("kind", "other")], "PRT-2025-0005.pdf", &paper("a")).await;
    assert_eq!((answer.status, answer.outcomes()), (503, vec!["rejected".to_owned()]));
    assert!(answer.reason(0).contains("Upload it again") && !answer.header("retry-after").is_empty());
    assert_eq!(app.uploads().await.len(), 0);
    // Without JavaScript the page lists the stored and the failed files, and a reload keeps them.
    let form = Form::new()
        .text("batch", "away")
        .text("kind", "other")
        .part("files", Part::bytes(paper("c")).file_name("waits.pdf"))
        .part("files", Part::bytes(paper("b")).file_name("PRT-2025-0005.pdf"));
    let answer = Answer::of(office.request(Method::POST, "/office/upload").multipart(form)).await;
    let shown = office.get(answer.header("location")).await;
    assert_eq!(shown.all("#files-done .mark"), ["In the inbox", "Rejected"]);
    assert!(shown.text().contains("Upload it again"));
    // A document whose filing fails waits in the inbox unchanged.
    let id = app.upload_named("waits.pdf").await.id;
    let file = office.post(&format!("/office/documents/{id}/file"), &[("number", "25-5"), ("kind", "other")]).await;
    assert_eq!((file.status, file.attributes(&format!("#number-{id}"), "value")), (503, vec!["25-5".to_owned()]));
    assert!(file.one(".intake .why").contains("No BOL number"));
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&away, &folder).unwrap();
    let file = office.post(&format!("/office/documents/{id}/file"), &[("number", "25-5"), ("kind", "other")]).await;
    assert_eq!(file.status, 303);
    assert_eq!(
        office.upload(&[("kind", "other")], "PRT-2025-0005.pdf", &paper("a")).await.outcomes(),
        ["stored PRT-2025-0005"]
    );
}
