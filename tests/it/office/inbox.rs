//! The inbox: waiting documents, filing one or many, and the bin.

use crate::support::scan::paper;
use crate::support::{Action, Actor, App, World, versions};

/// Uploads a document without a number, and returns its id.
async fn waiting(office: &Actor, text: &str) -> i64 {
    let answer = office.upload(&[("kind", "scale-ticket")], &format!("{text}.pdf"), &paper(text)).await;
    assert_eq!(answer.outcomes(), ["needs_review"]);
    answer.document_id(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inbox_shows_each_document_with_its_picture_and_its_reason() {
    let app = App::start().await;
    let office = app.office().await;
    assert!(office.get("/office/inbox").await.text().contains("Inbox is empty"));
    let id = waiting(&office, "ticket").await;
    let page = office.get("/office/inbox").await;
    assert_eq!(page.all(".intake h2"), ["ticket.pdf"]);
    assert_eq!(page.one(".intake .why"), "No BOL number was found in the file, its name or a list.");
    assert_eq!(page.attributes(".intake option[selected]", "value"), ["scale-ticket"]);
    assert_eq!(page.attributes("[autofocus]", "id"), [format!("number-{id}")]);
    // The first page as a picture. Each look is recorded.
    let picture = office.get(&page.attributes(".intake img", "src").concat()).await;
    assert_eq!((picture.status, picture.header("content-type"), &picture.body[1..4]), (200, "image/png", &b"PNG"[..]));
    assert!(app.events().await.only(Action::BolPreviewed).iter().any(|event| event.document_id == Some(id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_filed_with_a_few_keys() {
    let app = App::start().await;
    let office = app.office().await;
    let id = waiting(&office, "ticket").await;
    let file = format!("/office/documents/{id}/file");
    for (number, kind, words) in [
        ("", "scale-ticket", "such as PRT-2025-0001"),
        ("5-5-5", "scale-ticket", "such as PRT-2025-0001"),
        ("PRT-2025-0777", "scale-ticket", "BOL PRT-2025-0777 doesn't exist"),
        ("25-5", "photo", "the kind of document"),
    ] {
        let answer = office.post(&file, &[("number", number), ("kind", kind)]).await;
        assert_eq!(answer.status, 422, "{number}");
        assert!(answer.one(&format!("#number-{id}-error")).contains(words), "{}", answer.text());
        assert_eq!(answer.attributes(&format!("#number-{id}"), "value"), [number]);
    }
    assert_eq!(app.acme().await.get(&format!("/documents/{id}/download")).await.status, 404);
    let answer = office.post(&file, &[("number", "25-5"), ("kind", "scale-ticket")]).await;
    assert_eq!((answer.status, answer.header("location")), (303, &*format!("/office/inbox?done=filed&moved={id}")));
    // The document has its final key, the object in the inbox stays, and the customer can download it.
    let document = app.document(id).await;
    assert_eq!(
        (document.object_key.as_str(), document.file_name.as_str(), document.state.as_str(), document.version),
        ("bols/2025/PRT-2025-0005.scale-ticket.v1.pdf", "PRT-2025-0005.scale-ticket.v1.pdf", "stored", 1)
    );
    assert!(document.arrived_key.unwrap().starts_with("inbox/"));
    assert_eq!(app.acme().await.download(&format!("/documents/{id}/download")).await, paper("ticket"));
    let filed = app.events().await.single(Action::DocumentFiled);
    assert_eq!(
        (filed.customer(), filed.bol(), filed.kind(), filed.file()),
        ("ACME", World::ACME_BARE, "scale-ticket", "PRT-2025-0005.scale-ticket.v1.pdf")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_eight_clerks_at_once_one_files_the_document() {
    let app = App::start().await;
    let office = app.office().await;
    let other = waiting(&office, "raced").await;
    let race = format!("/office/documents/{other}/file");
    let forms = [("number", "25-5"), ("kind", "scale-ticket")];
    let answers = futures_util::future::join_all((0..8).map(|_| office.post(&race, &forms))).await;
    assert!(
        answers.iter().all(|answer| answer.status == 303),
        "{:?}",
        answers.iter().map(|a| a.status).collect::<Vec<_>>()
    );
    let filed = app.events().await.only(Action::DocumentFiled).filter(|event| event.document_id == Some(other));
    assert_eq!(filed.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn filing_again_is_harmless_and_elsewhere_is_a_conflict() {
    let app = App::start().await;
    let office = app.office().await;
    let id = waiting(&office, "ticket").await;
    let file = format!("/office/documents/{id}/file");
    assert_eq!(office.post(&file, &[("number", "25-5"), ("kind", "scale-ticket")]).await.status, 303);
    assert_eq!(office.post(&file, &[("number", "25-5"), ("kind", "scale-ticket")]).await.status, 303);
    assert_eq!(office.post(&file, &[("number", "25-3"), ("kind", "scale-ticket")]).await.status, 409);
    assert_eq!(office.post("/office/documents/99999/file", &[("number", "25-3"), ("kind", "other")]).await.status, 404);
    assert_eq!(office.get("/office/documents/99999/preview").await.status, 404);
    assert_eq!(office.get(&format!("/office/documents/{id}/preview")).await.status, 404);
    // The same bytes a second time at the same BOL.
    let twin = office.upload(&[("kind", "other")], "PRT-2025-0003.pdf", &paper("ticket")).await;
    let twin = twin.document_id(0);
    let form = [("number", "25-5"), ("kind", "other"), ("confirm", World::ACME_BARE)];
    let answer = office.post(&format!("/office/documents/{twin}/file"), &form).await;
    assert_eq!(answer.status, 422);
    assert!(answer.text().contains("Discard this one"));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_documents_are_filed_or_discarded_at_once() {
    let app = App::start().await;
    let office = app.office().await;
    let mut ids = Vec::new();
    for n in 0..27 {
        ids.push(waiting(&office, &format!("paper {n}")).await.to_string());
    }
    // The page lists 25 documents, the longest waiting first.
    let page = office.get("/office/inbox").await;
    assert_eq!((page.all(".intake h2").len(), page.all(".intake h2")[0].as_str()), (25, "paper 0.pdf"));
    let next = page.attributes(".pager a", "href").concat();
    assert_eq!(office.get(&next).await.all(".intake h2"), ["paper 25.pdf", "paper 26.pdf"]);

    // A malformed number returns the same page with the typed value.
    let (last, after) = (&ids[26], next.split_once("after=").unwrap().1);
    let form = [("number", "x"), ("kind", "other"), ("after", after)];
    let wrong = office.post(&format!("/office/documents/{last}/file"), &form).await;
    assert_eq!((wrong.status, wrong.all(".intake h2").len()), (422, 2));
    assert_eq!(wrong.attributes(&format!("#number-{last}"), "value"), ["x"]);

    let ticked = |part: &[String]| part.iter().map(|id| ("document".to_owned(), id.clone())).collect::<Vec<_>>();
    let post = async |part: &[String], more: &[(&str, &str)]| {
        let mut form = ticked(part);
        form.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        office.post("/office/inbox", &form).await
    };
    assert_eq!(post(&[], &[("action", "discard")]).await.status, 422);
    let wrong = post(&ids[..2], &[("action", "file"), ("number", "x"), ("kind", "other")]).await;
    assert_eq!((wrong.status, wrong.attributes("input[name=document][checked]", "value")), (422, ids[..2].to_vec()));
    assert_eq!(wrong.value("bulk-number"), "x");
    assert_eq!(post(&ids[..20], &[("action", "file"), ("number", "25-1"), ("kind", "other")]).await.status, 303);
    let mut filed = app.documents_of(World::ACME_BOL).await;
    filed.retain(|document| document.kind == "other");
    assert_eq!(versions(&filed), (1..=20).collect::<Vec<_>>());

    assert_eq!(post(&ids[20..25], &[("action", "discard")]).await.status, 303);
    assert_eq!(office.get("/office/inbox").await.all(".intake h2").len(), 2);
    let bin = office.get("/office/inbox?show=bin").await;
    assert_eq!(bin.all(".intake h2").len(), 5);
    assert!(bin.text().contains("by Somebody"));
    // The office can open a discarded document. Uploading it again restores it.
    assert_eq!(office.get(&format!("/documents/{}/download", ids[20])).await.status, 303);
    let again = office.upload(&[("kind", "other")], "paper 20.pdf", &paper("paper 20")).await;
    assert_eq!(again.outcomes(), ["needs_review"]);
    assert_eq!(post(&ids[21..25], &[("action", "restore")]).await.status, 303);
    assert_eq!(office.get("/office/inbox").await.all(".intake h2").len(), 7);
    let events = app.events().await;
    let counts = [Action::DocumentDiscarded, Action::DocumentFiled, Action::DocumentRestored]
        .map(|action| events.only(action).len());
    assert_eq!(counts, [5, 20, 5]);
    // A filed document can't be discarded.
    post(&ids[..1], &[("action", "discard")]).await;
    assert!(app.documents().await.iter().all(|document| document.discarded_at.is_none()));
    assert_eq!(post(&ids[..1], &[("action", "shred")]).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_filing_stands_above_the_inbox() {
    let app = App::start().await;
    let office = app.office().await;
    let id = waiting(&office, "ticket").await.to_string();
    let (row, field) = (format!("/office/documents/{id}/file"), format!("#number-{id}"));
    let bulk = [("document", &*id), ("action", "file"), ("kind", "other"), ("number", "x")];
    for (path, form, headline, links) in [
        (&*row, &bulk[2..], "Nothing was filed.", vec![&*field]),
        ("/office/inbox", &bulk[..], "Nothing was filed.", vec!["#bulk-number"]),
        ("/office/inbox", &bulk[1..], "Select at least one document.", vec![]),
    ] {
        let refused = office.post(path, form).await;
        assert_eq!((refused.status, &*refused.one("#problem strong")), (422, headline), "{path}");
        assert_eq!(refused.attributes("#problem a", "href"), links, "{path}");
        refused.expect_summary(path);
    }
}

/// A document of the wrong BOL returns to the inbox. The customer no longer sees it, and its version stays unused.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_filing_is_undone() {
    let app = App::start().await;
    let (office, acme) = (app.office().await, app.acme().await);
    let answer = office.upload(&[("kind", "invoice")], "PRT-2025-0005.pdf", &paper("an invoice")).await;
    let id = answer.document_id(0);
    let page = office.get("/bols/PRT-2025-0005").await;
    let unfile = format!("/office/documents/{id}/unfile");
    assert!(page.attributes("td.get a", "href").contains(&unfile));
    assert!(!acme.get("/bols/PRT-2025-0005").await.text().contains(&unfile));
    for other in [&acme, &app.auditor().await] {
        assert_eq!(other.post(&unfile, &[]).await.status, 403);
    }
    assert_eq!(acme.get(&format!("/documents/{id}/download")).await.status, 303);
    let answer = office.post(&unfile, &[]).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/bols/PRT-2025-0005?done=unfiled"));
    assert_eq!(acme.get(&format!("/documents/{id}/download")).await.status, 404);
    assert!(app.bol(World::ACME_BARE).await.document_kinds.is_empty());
    assert!(office.get("/office/inbox").await.one(".intake .why").contains("from PRT-2025-0005"));
    assert!(
        app.events()
            .await
            .only(Action::DocumentUnfiled)
            .iter()
            .any(|event| (event.customer(), event.bol()) == ("ACME", World::ACME_BARE))
    );
    assert_eq!(office.post(&unfile, &[]).await.status, 404);
    // Uploading the file again doesn't overrule the office's decision.
    let again = office.upload(&[("kind", "invoice")], "PRT-2025-0005.pdf", &paper("an invoice")).await;
    assert_eq!(again.outcomes(), ["duplicate"]);
    assert!(again.text().contains("a clerk removed it from there"));
    // A PDF that the portal printed can't be unfiled.
    let printed = app.world.acme_documents[0];
    assert_eq!(office.post(&format!("/office/documents/{printed}/unfile"), &[]).await.status, 404);
    // Another document takes its place, and it is filed elsewhere and then back.
    let next = office.upload(&[("kind", "invoice")], "PRT-2025-0005.pdf", &paper("another invoice")).await;
    assert_eq!(next.outcomes(), ["stored PRT-2025-0005"]);
    let file = format!("/office/documents/{id}/file");
    let form = [("number", "25-3"), ("kind", "invoice"), ("confirm", World::RIVAL_BOL)];
    assert_eq!(office.post(&file, &form).await.status, 303);
    assert_eq!(app.rival().await.download(&format!("/documents/{id}/download")).await, paper("an invoice"));
    assert_eq!(office.post(&unfile, &[]).await.status, 303);
    assert_eq!(office.post(&file, &[("number", "25-5"), ("kind", "invoice")]).await.status, 303);
    assert_eq!(acme.download(&format!("/documents/{id}/download")).await, paper("an invoice"));
    let invoices = app.documents_of_kind("invoice").await;
    let keys: Vec<&str> = invoices.iter().map(|document| document.object_key.as_str()).collect();
    assert_eq!(keys, ["bols/2025/PRT-2025-0005.invoice.v3.pdf", "bols/2025/PRT-2025-0005.invoice.v2.pdf"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_office_opens_the_inbox() {
    let app = App::start().await;
    let id = waiting(&app.office().await, "secret").await;
    for actor in [app.acme().await, app.auditor().await] {
        for path in ["/office/inbox".to_owned(), format!("/office/documents/{id}/preview")] {
            assert_eq!(actor.get(&path).await.status, 403, "{path}");
        }
        let file = format!("/office/documents/{id}/file");
        assert_eq!(actor.post(&file, &[("number", "PRT-2025-0001"), ("kind", "other")]).await.status, 403);
        let discard = [("document", &*id.to_string()), ("action", "discard")];
        assert_eq!(actor.post("/office/inbox", &discard).await.status, 403);
    }
    let mut waiting = app.documents().await;
    waiting.retain(|document| document.bol_id.is_none() && document.discarded_at.is_none());
    assert_eq!(waiting.len(), 1);
    // A tab lists the BOLs without a customer.
    let page = app.user(World::ADMIN).await.get("/office/inbox?show=bols").await;
    assert_eq!(page.attributes("input[name=number]", "value"), [World::LOOSE_BOL]);
}
