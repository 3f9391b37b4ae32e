//! The printed BOL: its content, that it never changes after issuing, and that every PDF reader can read it.

use crate::support::{App, Load, text_of};

/// An issued BOL stays unchanged when its customer, product, carrier, lot or the settings change.
#[tokio::test(flavor = "multi_thread")]
async fn an_issued_bol_never_drifts() {
    let app = App::ready_to_issue().await;
    let (office, acme) = (app.office().await, app.acme().await);
    let number = Load::today(&app).await.issue(&office).await;
    let before = acme.download(&format!("/bols/{number}/download")).await;
    let page = acme.get(&format!("/bols/{number}")).await.all(".facts dd");
    app.sql(
        "UPDATE customers SET name = 'Renamed Steel'; UPDATE products SET name = 'Renamed iron'; \
         UPDATE carriers SET name = 'Renamed carrier', scac = 'NEWC'; UPDATE lots SET number = 'NEW', chemistry = 'C 1%'; \
         UPDATE ship_tos SET address = E'Elsewhere\nTown'; UPDATE settings SET company_name = 'Renamed Terminal'",
    )
    .await;
    assert_eq!(acme.download(&format!("/bols/{number}/download")).await, before);
    assert_eq!(acme.get(&format!("/bols/{number}")).await.all(".facts dd"), page);
    // The stamped copy prints the values of the issued BOL too.
    let weighed = office.post(&format!("/office/bols/{number}/weight"), &[("official_weight_lb", "46,180")]).await;
    assert_eq!(weighed.status, 303);
    let text = text_of(&acme.download(&format!("/bols/{number}/download")).await);
    assert!(!text.contains("Renamed") && text.contains("Acme Steel") && text.contains("River Terminal LLC"), "{text}");
}

fn tool(name: &str, arguments: &[&str], pdf: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pdf).unwrap();
    let output = std::process::Command::new(name).args(arguments).arg(file.path()).output().unwrap();
    assert!(output.status.success(), "{name}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The requirements of PDF/UA, as far as poppler and qpdf can check them.
#[tokio::test(flavor = "multi_thread")]
async fn the_pdf_is_tagged_titled_and_clean() {
    let app = App::ready_to_issue().await;
    let office = app.office().await;
    let number = Load::today(&app).await.issue(&office).await;
    office.post(&format!("/office/bols/{number}/void"), &[("reason", "Wrong truck")]).await;
    let pdf = office.download(&format!("/bols/{number}/download")).await;
    assert!(tool("qpdf", &["--check"], &pdf).contains("No syntax or stream encoding errors"));
    let info = tool("pdfinfo", &[], &pdf);
    for part in [&format!("Bill of lading {number}"), "River Terminal LLC", "yes", "letter"] {
        assert!(info.contains(part), "{part} in {info}");
    }
    assert!(info.lines().any(|line| line.starts_with("Tagged:") && line.ends_with("yes")), "{info}");
    let tags = tool("pdfinfo", &["-struct"], &pdf);
    for tag in ["Document", "H1", "H2", "Table", "TH", "TD", "Figure", "Link"] {
        assert!(
            tags.lines().any(|line| line.split_whitespace().next().map(|word| word.trim_end_matches(':')) == Some(tag)),
            "{tag} in {tags}"
        );
    }
    let read_aloud = tool("pdfinfo", &["-struct-text"], &pdf);
    for words in [format!("\"Number {number}\""), "\"SCAC ".to_owned(), "River Terminal LLC".to_owned()] {
        assert!(read_aloud.contains(&words), "{words} in {read_aloud}");
    }
    let catalog = tool("qpdf", &["--json"], &pdf);
    assert!(catalog.contains("\"/Lang\": \"u:en-US\"") || catalog.contains("\"/Lang\": \"en-US\""), "the language");
    let fonts = tool("pdffonts", &[], &pdf);
    let embedded: Vec<bool> = fonts.lines().skip(2).map(|line| line.contains(" yes yes yes ")).collect();
    assert!(embedded.len() >= 2 && embedded.iter().all(|yes| *yes), "{fonts}");
}

/// Values that break forms are printed completely, over as many pages as they need.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_values_are_printed_whole() {
    let app = App::ready_to_issue().await;
    let office = app.office().await;
    let name = |word: &str| {
        format!("{} {}", word.repeat(3), "Société Łódź Übergroß 漢字 & <b>Söhne</b> ")
            .repeat(9)
            .chars()
            .take(190)
            .collect::<String>()
            .trim()
            .to_owned()
    };
    let seals = (1..=40).map(|n| format!("SEAL{n:05}")).collect::<Vec<_>>().join(", ");
    let instructions = "Tarp the load — #let x = 1; *bold* _it_ $x$ \\ @ref \"quotes\" … Straße. ".repeat(41);
    let load = Load::today(&app)
        .await
        .with("product", &name("Iron"))
        .with("carrier", &name("Carrier"))
        .with("driver_name", &name("Driver"))
        .with("ship_to", &format!("{}\n1 Mill Road", name("Foundry")))
        .with("bill_to", &format!("{}\n1 Audit Road", name("Bill")))
        .with("freight_terms", "third-party")
        .with("care_of", &"W".repeat(200))
        .with("seal_numbers", &seals)
        .with("special_instructions", instructions.trim())
        .with("lot", "")
        .with("chemistry", "")
        .with("release_number", "")
        .with("scale_ticket", "");
    let preview = load.post(&office, "/office/bols/preview").await;
    assert_eq!((preview.status, preview.header("content-type")), (200, "application/pdf"));
    assert!(text_of(&preview.body).contains("PREVIEW"));
    let number = load.issue(&office).await;
    let pdf = office.download(&format!("/bols/{number}/download")).await;
    let squeezed = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
    let text = squeezed(&text_of(&pdf));
    for field in ["product", "carrier", "driver_name", "ship_to", "bill_to", "care_of", "seal_numbers"] {
        let value = &load.0.iter().find(|(name, _)| name == field).unwrap().1;
        assert!(text.contains(&squeezed(value)), "{field}: {value} in {text}");
    }
    for part in instructions.split('.') {
        assert!(text.contains(&squeezed(part)), "{part}");
    }
    assert!(text.contains("Page2of"), "{text}");
    assert!(!text.contains("null") && !text.contains("none"), "{text}");
}

/// Instructions of 140 lines take several pages, each line once. All pages have a number, the last one the signatures.
#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_continues_on_the_next_page() {
    let app = App::ready_to_issue().await;
    let office = app.office().await;
    let lines: Vec<String> = (1..=140).map(|n| format!("Step {n}")).collect();
    let number = Load::today(&app).await.with("special_instructions", &lines.join("\n")).issue(&office).await;
    let text = text_of(&office.download(&format!("/bols/{number}/download")).await);
    let printed: Vec<&str> = text.lines().map(str::trim).filter(|line| line.starts_with("Step ")).collect();
    assert_eq!(printed, lines);
    let pages: Vec<&str> = text.trim_end_matches('\u{c}').split('\u{c}').collect();
    assert!(pages.len() > 2, "{text}");
    for (index, page) in pages.iter().enumerate() {
        assert!(page.contains(&format!("Page {} of {}", index + 1, pages.len())) && page.contains(&number), "{page}");
        assert_eq!(page.contains("Printed name"), index + 1 == pages.len(), "{page}");
    }
}

/// Checks the position of each word. Even words without a break opportunity stay in their box.
#[tokio::test(flavor = "multi_thread")]
async fn long_values_stay_inside_their_boxes() {
    let app = App::ready_to_issue().await;
    let office = app.office().await;
    let load = Load::today(&app)
        .await
        .with("ship_to", &format!("Foundry\n{}", "(".repeat(300)))
        .with("freight_terms", "third-party")
        .with("bill_to", &format!("Audit\n{}", "!".repeat(80)))
        .with("special_instructions", &format!("{}\n{}", "/".repeat(300), "12345\u{202f}".repeat(60)));
    let preview = load.post(&office, "/office/bols/preview").await;
    assert_eq!(preview.status, 200);
    let boxes = tool("sh", &["-c", "pdftotext -bbox \"$0\" -"], &preview.body);
    let edge = |line: &str, name: &str| -> f64 {
        line.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
    };
    let (mut ship_to, mut bill_to) = (0, 0);
    for line in boxes.lines().filter(|line| line.trim_start().starts_with("<word")) {
        let (left, right) = (edge(line, "xMin"), edge(line, "xMax"));
        // The letters of the diagonal mark may be anywhere.
        let is_of_mark = edge(line, "yMax") - edge(line, "yMin") > 30.0;
        assert!(is_of_mark || left >= 35.5 && right <= 576.5, "{line}");
        if line.contains("((((") {
            assert!(left >= 216.0 && right <= 426.5, "{line}");
            ship_to += 1;
        } else if line.contains("!!!!") {
            assert!(left >= 426.0, "{line}");
            bill_to += 1;
        }
    }
    assert!(ship_to > 1 && bill_to > 1, "{boxes}");
}
