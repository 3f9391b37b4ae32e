//! Scans of printed BOLs, at every quality, rotated and skewed. Each one is filed correctly or waits in the inbox.

use crate::support::scan::{Picture, code, pages_of_text, sheet, text_and_picture};
use crate::support::{Actor, App, Load, versions};

async fn issued(app: &App, office: &Actor) -> (String, Vec<u8>) {
    let number = Load::today(app).await.issue(office).await;
    let pdf = office.download(&format!("/bols/{number}/download")).await;
    (number, pdf)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_is_read_by_its_code() {
    let app = App::ready_to_issue().await;
    let office = app.office().await;
    let (number, pdf) = issued(&app, &office).await;
    let (mut right, mut tried) = (0, 0);
    for (dpi, turns) in [
        (100, vec![0.0, 3.0]),
        (150, vec![90.0, 181.3]),
        (200, vec![0.0, 93.0, 180.0, 267.0]),
        (300, vec![3.0, 180.0]),
        (600, vec![2.0]),
    ] {
        let picture = Picture::of(&pdf, dpi);
        for turn in turns {
            let scanned = picture.turned(turn);
            let scanned = if dpi == 200 { scanned.black_and_white() } else { scanned };
            let answer =
                office.upload(&[("kind", "signed-bol")], &format!("scan {dpi} {turn}.pdf"), &scanned.pdf()).await;
            let outcome = answer.outcomes().concat();
            assert!(
                outcome == format!("stored {number}") || outcome == "needs_review",
                "{dpi} {turn}: {}",
                answer.text()
            );
            tried += 1;
            if outcome != "needs_review" {
                right += 1;
            } else {
                println!("{dpi} dpi, {turn} degrees: in the inbox");
            }
            assert!(dpi == 100 || outcome != "needs_review", "{dpi} {turn}: {}", answer.text());
        }
    }
    assert!(right >= tried - 1, "{right} of {tried}");
    // Each scan is a version of its own, and the customer can download all of them.
    let mut scans = app.documents_of_kind("signed-bol").await;
    scans.retain(|document| document.arrived_as.starts_with("scan") && document.bol_id.is_some());
    assert_eq!(versions(&scans), (1..=right).collect::<Vec<_>>());
    let acme = app.acme().await.get(&format!("/bols/{number}")).await;
    assert!(acme.all("#documents ~ table .older li").len() == right as usize - 1 && acme.text().contains("Somebody"));
}

/// The colors of a page of 300 dpi take a moment, and not the time of the page.
#[tokio::test(flavor = "multi_thread")]
async fn a_scan_of_four_inks_is_read_in_time() {
    let app = App::ready_to_issue().await;
    let office = app.office().await;
    let (number, pdf) = issued(&app, &office).await;
    let scan = Picture::of(&pdf, 300).turned(1.0).cmyk_pdf();
    let answer = office.upload(&[("kind", "signed-bol")], "four inks.pdf", &scan).await;
    assert_eq!(answer.outcomes(), [format!("stored {number}")], "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn contradicting_codes_or_sources_wait_for_review() {
    let app = App::ready_to_issue().await;
    let office = app.office().await;
    let (first, one_pdf) = issued(&app, &office).await;
    let (second, two_pdf) = issued(&app, &office).await;
    let (a, b) = (Picture::of(&one_pdf, 150), Picture::of(&two_pdf, 150));
    let both = office.upload(&[("kind", "signed-bol")], "both.pdf", &sheet(&[&a, &b])).await;
    assert_eq!(both.outcomes(), ["needs_review"]);
    assert!(both.reason(0).contains(&first) && both.reason(0).contains(&second), "{}", both.reason(0));
    let twice = office.upload(&[("kind", "signed-bol")], "twice.pdf", &sheet(&[&a, &a])).await;
    assert_eq!(twice.outcomes(), [format!("stored {first}")]);
    let misnamed =
        office.upload(&[("kind", "signed-bol")], &format!("{second}_signed.pdf"), &a.turned(1.0).pdf()).await;
    assert_eq!(misnamed.outcomes(), ["needs_review"]);
    assert!(misnamed.reason(0).contains("QR code") && misnamed.reason(0).contains("file name"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_in_the_text_counts_unless_it_is_ambiguous() {
    let app = App::ready_to_issue().await;
    let office = app.office().await;
    let files = [
        ("a.pdf", pages_of_text(&["one page", "PRT-2025-0005 on the other"])),
        ("b.pdf", pages_of_text(&["PRT-2025-0005", "PRT-2025-0003"])),
        ("c.pdf", pages_of_text(&["PRT-2025-12345 and XPRT-2025-0005, PRT-2025-00051"])),
        ("bol 2025-5.pdf", pages_of_text(&["nothing"])),
        ("prt-2025-0005.PDF", pages_of_text(&["nothing at all"])),
        ("d.pdf", pages_of_text(&vec!["PRT-2025-0005 on every page"; 41])),
    ];
    let answer = office.upload_all(&[("kind", "other")], &files).await;
    assert_eq!(
        answer.outcomes(),
        [
            "stored PRT-2025-0005",
            "needs_review",
            "needs_review",
            "needs_review",
            "stored PRT-2025-0005",
            "needs_review"
        ]
    );
    assert!(answer.reason(2).contains("BOL PRT-2025-12345 doesn't exist"), "{}", answer.reason(2));
    assert!(answer.reason(5).contains("41 pages"));
}

/// Invisible text is no evidence. Small codes are.
#[tokio::test(flavor = "multi_thread")]
async fn invisible_text_is_no_evidence_and_a_small_code_is() {
    let app = App::ready_to_issue().await;
    let office = app.office().await;
    let blank = code("nothing in particular");
    let below = office.upload(&[("kind", "other")], "a.pdf", &text_and_picture("PRT-2025-0003", &blank, true)).await;
    assert_eq!(below.outcomes(), ["needs_review"]);
    assert!(below.reason(0).contains("text recognition"), "{}", below.reason(0));
    let small = code("https://portal.example/bols/PRT-2025-0003");
    let agrees = text_and_picture("PRT-2025-0003", &small, false);
    assert_eq!(office.upload(&[("kind", "other")], "b.pdf", &agrees).await.outcomes(), ["stored PRT-2025-0003"]);
    let differs = text_and_picture("PRT-2025-0005", &small, false);
    let differs = office.upload(&[("kind", "other")], "c.pdf", &differs).await;
    assert_eq!(differs.outcomes(), ["needs_review"], "{}", differs.text());
}
