//! Numbers in the text of a PDF count only if the page shows them.

use crate::support::raw_pdf::RawPdf;
use crate::support::{Actor, App, World};

/// Of the world's BOLs, with a number that has different digits.
const NUMBER: &str = World::ACME_BARE;

/// Resources of every page: fonts, transparency, and a white and a black picture of one pixel.
const RESOURCES: &str = "/ExtGState << /Clear << /ca 0.05 /CA 0.05 >> /Masked << /SMask << /S /Luminosity /G 20 0 R >> >> \
     >> /XObject << /White 21 0 R /Black 22 0 R /Form 23 0 R >>";

/// Draws the number at (127, 700), where it is 85 points wide. Its last digit is at 206.
fn number() -> String {
    format!("BT /F1 12 Tf 100 700 Td (BOL {NUMBER}) Tj ET")
}

fn page(entries: &str, contents: &str) -> Vec<u8> {
    let mut pdf = RawPdf::drawn(entries, RESOURCES, contents);
    let group = "/Type /XObject /Subtype /Form /BBox [0 0 612 792] /Group << /S /Transparency /CS /DeviceGray >>";
    let font = "/Resources << /Font << /F1 4 0 R >> >>";
    let picture = "/Type /XObject /Subtype /Image /Width 1 /Height 1 /BitsPerComponent 8 /ColorSpace /DeviceGray";
    pdf.stream(20, group, b"0 g 0 0 612 792 re f");
    pdf.stream(21, picture, b"\xff").stream(22, picture, b"\x00");
    pdf.stream(23, &format!("{group} {font}"), number().as_bytes());
    pdf.finish()
}

async fn expect_unseen(office: &Actor, entries: &str, contents: &str) {
    let pdf = page(entries, contents);
    let answer = office.upload(&[("kind", "other")], "scan.pdf", &pdf).await;
    assert_eq!(answer.outcomes(), ["needs_review"], "{contents}: {}", answer.text());
    assert!(answer.reason(0).contains("text that can't be seen"), "{contents}: {}", answer.reason(0));
    assert!(answer.reason(0).contains(NUMBER), "{contents}: {}", answer.reason(0));
    // What can't be seen still contradicts.
    let other = format!("{}.pdf", World::RIVAL_BOL);
    let differs = office.upload(&[("kind", "other")], &other, &page(entries, &format!("{contents} %"))).await;
    assert!(differs.reason(0).contains("names different BOLs"), "{contents}: {}", differs.reason(0));
}

async fn expect_stored(office: &Actor, entries: &str, contents: &str) {
    let answer = office.upload(&[("kind", "other")], "scan.pdf", &page(entries, contents)).await;
    assert_eq!(answer.outcomes(), [format!("stored {NUMBER}")], "{contents}: {}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_something_hides_waits_for_review() {
    let app = App::start().await;
    let office = app.office().await;
    let number = number();
    for contents in [
        format!("{number} 1 g 90 690 200 30 re f"),
        format!("{number} 1 g 176 690 12 30 re f"),
        format!("{number} q 200 0 0 30 90 690 cm /White Do Q"),
        format!("{number} q 30 0 0 30 150 690 cm /Black Do Q"),
        format!("q 0 0 50 50 re W n {number} Q"),
        format!("q 90 704 200 30 re W n {number} Q"),
        format!("q /Clear gs {number} Q"),
        format!("q /Masked gs {number} Q"),
        "q /Clear gs /Form Do Q".to_owned(),
        "q 0 0 50 50 re W n /Form Do Q".to_owned(),
        format!("0.9 g {number}"),
        format!("0.8 0.9 1 rg {number}"),
        format!("1 g {number}"),
        format!("0.3 g 90 690 200 30 re f 0.35 g {number}"),
        format!("BT 3 Tr ET {number}"),
        format!("BT 7 Tr ET {number}"),
    ] {
        expect_unseen(&office, "", &contents).await;
    }
    expect_unseen(&office, "/CropBox [0 0 612 690]", &number).await;
    expect_unseen(&office, "/CropBox [0 0 612 690] /Rotate 90", &number).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_no_person_reads_as_the_number_waits_for_review() {
    let app = App::start().await;
    let office = app.office().await;
    let at = |matrix: &str, text: &str| format!("BT /F1 12 Tf {matrix} Tm ({text}) Tj ET");
    let (start, end) = NUMBER.split_at(12);
    for contents in [
        format!("BT /F1 0.1 Tf 100 700 Td ({NUMBER}) Tj ET"),
        format!("BT /F1 2 Tf 100 700 Td ({NUMBER}) Tj ET"),
        format!("BT /F1 12 Tf 3 Tz 100 700 Td ({NUMBER}) Tj ET"),
        at("-1 0 0 1 300 700", NUMBER),
        at("1 0 0 -1 100 700", NUMBER),
        // Another digit is drawn over the last one, or instead of it.
        format!("{} BT /F1 12 Tf 206 700 Td (8) Tj ET", number()),
        format!("{} 1 g 206 699 8 11 re f 0 g 208 700 2 9 re f", number()),
        // A further digit follows, which isn't in the text after the number.
        format!("BT /F1 12 Tf 185.4 700 Td (7) Tj ET {}", at("1 0 0 1 100 700", NUMBER)),
        // The digits stand on each other, or on different lines.
        format!("BT /F1 12 Tf -6.6 Tc 100 700 Td ({NUMBER}) Tj ET"),
        format!("BT /F1 12 Tf 100 700 Td ({start}) Tj 8 Ts ({end}) Tj ET"),
    ] {
        let pdf = page("", &contents);
        let answer = office.upload(&[("kind", "other")], "scan.pdf", &pdf).await;
        assert_eq!(answer.outcomes(), ["needs_review"], "{contents}: {}", answer.text());
    }
    let huge = format!("BT /F1 9 Tf 100 700 Td ({NUMBER}) Tj ET");
    let mut pdf = RawPdf::drawn("/MediaBox [0 0 14400 14400]", RESOURCES, &huge);
    let answer = office.upload(&[("kind", "other")], "scan.pdf", &pdf.object(30, "null").finish()).await;
    assert_eq!(answer.outcomes(), ["needs_review"], "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_people_read_files_its_document() {
    let app = App::start().await;
    let office = app.office().await;
    let number = number();
    let line = |font: &str, text: &str| format!("BT {font} 100 700 Td ({text}) Tj ET");
    for contents in [
        number.clone(),
        format!("0.5 g {number}"),
        format!("0.8 0 0 rg {number}"),
        format!("0.9 1 0.9 rg 90 690 200 30 re f 0 g {number}"),
        format!("0 0 0.4 rg 90 690 200 30 re f 1 g {number}"),
        format!("{number} 0.5 w 100 698 m 230 698 l S 90 690 200 24 re S"),
        format!("90 690 200 30 re W n {number}"),
        format!("{number} 1 g 300 690 200 30 re f"),
        "/Form Do".to_owned(),
        line("/F1 5 Tf", NUMBER),
        line("/F1 40 Tf", NUMBER),
        line("/F1 12 Tf 1 Tc", NUMBER),
        line("/F1 12 Tf 80 Tz", NUMBER),
        line("/F1 12 Tf", &format!("Load \\({NUMBER}\\).")),
        line("/F1 12 Tf", &format!("#{NUMBER}/2: 3 pieces, {NUMBER}")),
        line("/F1 12 Tf", &format!("{} 3 pieces", NUMBER.to_lowercase())),
        format!("BT /F1 12 Tf 0 1 -1 0 300 300 Tm ({NUMBER}) Tj ET"),
        format!("BT /F1 12 Tf 0.8 0.6 -0.6 0.8 300 300 Tm ({NUMBER}) Tj ET"),
        format!("BT /F1 12 Tf 1 0 0.2 1 300 300 Tm ({NUMBER}) Tj ET"),
        format!("BT /F1 12 Tf 2 Tr 0.2 w 100 700 Td ({NUMBER}) Tj ET"),
    ] {
        expect_stored(&office, "", &contents).await;
    }
    for entries in ["/Rotate 90", "/Rotate 180", "/Rotate 270", "/CropBox [50 600 300 750]", "/UserUnit 2"] {
        expect_stored(&office, entries, &number).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_shows_other_digits_than_its_text_says_waits_for_review() {
    let app = App::start().await;
    let office = app.office().await;
    let map = "/CIDInit /ProcSet findresource begin begincmap 1 begincodespacerange <00> <ff> endcodespacerange \
               1 beginbfrange <20> <7e> <0020> endbfrange endcmap end";
    for (shown, code) in [("six", 53), ("eight", 53), ("three", 48), ("one", 53), ("seven", 50), ("nine", 48)] {
        for base in ["Helvetica", "Times-Bold", "Courier"] {
            let encoding = format!("/Encoding << /Type /Encoding /Differences [{code} /{shown}] >>");
            let mut pdf = RawPdf::in_font(&format!("/BaseFont /{base} {encoding} /ToUnicode 6 0 R"), &number());
            let bytes = pdf.stream(6, "", map.as_bytes()).finish();
            // Not even the right name makes it that document.
            for name in ["scan.pdf".to_owned(), format!("{NUMBER}.pdf")] {
                let answer = office.upload(&[("kind", "other")], &name, &bytes).await;
                assert!(!answer.outcomes()[0].starts_with("stored"), "{shown} {base}: {}", answer.text());
                let words = "The page shows other digits than its text says (PRT-2025-0005).";
                assert!(answer.reason(0).contains(words), "{shown} for {code} {base}: {}", answer.reason(0));
            }
        }
    }
}
