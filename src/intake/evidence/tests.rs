use super::*;
use crate::config::SecretKey;
use crate::intake::examine::QrCode;

const TWO: &str = "PRT-2025-0002";
const THREE: &str = "PRT-2025-0003";

/// Each source of [`Evidence::sources`] in its order.
const SOURCES: [&str; 7] =
    ["QR code of this portal", "QR code", "text", "file name", "list", "QR code of another site", "text recognition"];
const RELIABLE: usize = 5;

fn codes() -> PrintedCodes {
    PrintedCodes::new(vec!["https://portal.example".into()], Some(&SecretKey::from_bytes(vec![7; 64])))
}

fn mac(number: &str) -> Option<String> {
    let address = codes().address(&number.parse().expect("a number"));
    address.code.split_once("?c=").map(|(_, mac)| mac.to_owned())
}

/// An address of the number at a site, with the MAC of a number.
fn address(origin: &str, number: &str, mac: Option<String>) -> QrCode {
    QrCode { number: number.into(), holds: Holds::Address { origin: origin.into(), mac } }
}

fn evidence(findings: &Findings, name: &str, list: &[&str]) -> Evidence {
    let findings = Findings {
        pages: 1,
        codes: findings.qr_codes.iter().map(|code| code.number.clone()).collect(),
        is_complete: true,
        ..findings.clone()
    };
    let numbers: Vec<_> = list.iter().map(|number| number.parse().expect("a number")).collect();
    let row = UploadListRow { numbers, kind: None, customer: String::new() };
    Evidence::new(&findings, &FileName::cleaned(name), (!list.is_empty()).then_some(&row), "PRT", &codes())
}

/// Evidence from pairs of a source and a number.
fn of(pairs: &[(&str, &str)]) -> Evidence {
    let (mut findings, mut name, mut list) = (Findings::default(), "scan.pdf".to_owned(), Vec::new());
    for (source, number) in pairs {
        let owned = (*number).to_owned();
        match *source {
            "QR code of this portal" => {
                findings.qr_codes.insert(address("https://moved.example", number, mac(number)));
            }
            "QR code" => drop(findings.qr_codes.insert(address("https://portal.example", number, None))),
            "text" => drop(findings.text.insert(owned)),
            "file name" => name = format!("{number} {name}"),
            "list" => list.push(*number),
            "QR code of another site" => drop(findings.qr_codes.insert(address("https://evil.example", number, None))),
            "text recognition" => drop(findings.ocr.insert(owned)),
            other => panic!("{other}"),
        }
    }
    evidence(&findings, &name, &list)
}

fn is_clear(evidence: &Evidence) -> bool {
    matches!(evidence.verdict(), Verdict::Clear(number) if number == TWO)
}

fn why(evidence: &Evidence) -> String {
    match evidence.verdict() {
        Verdict::Unclear(why) => why,
        Verdict::Clear(number) => panic!("{number}: {evidence:?}"),
    }
}

#[test]
fn every_source_contradicts_every_other_one_and_itself() {
    for (index, source) in SOURCES.into_iter().enumerate() {
        assert_eq!(is_clear(&of(&[(source, TWO)])), index < RELIABLE, "{source} alone");
        for (other_index, other) in SOURCES.into_iter().enumerate() {
            let agree = of(&[(source, TWO), (other, TWO)]);
            assert_eq!(is_clear(&agree), index.min(other_index) < RELIABLE, "{source} and {other} agree");
            let words = why(&of(&[(source, TWO), (other, THREE)]));
            assert!(words.starts_with("The file names different BOLs: "), "{source} and {other}: {words}");
            for (source, number) in [(source, TWO), (other, THREE)] {
                assert!(words.contains(&format!("the {source} says ")) && words.contains(number), "{words}");
            }
        }
    }
    assert!(is_clear(&of(&SOURCES.map(|source| (source, TWO)))), "all agree");
    assert_eq!(
        why(&of(&[("QR code of this portal", TWO), ("file name", THREE)])),
        "The file names different BOLs: the QR code of this portal says PRT-2025-0002, the file name says PRT-2025-0003."
    );
}

#[test]
fn digits_that_the_page_does_not_show_always_wait_for_review() {
    for source in SOURCES {
        let mut evidence = of(&[(source, TWO)]);
        for number in [TWO, THREE] {
            evidence.disputed = [number.to_owned()].into();
            let words = format!("The page shows other digits than its text says ({number}). Open the file");
            assert!(why(&evidence).starts_with(&words), "{source}: {}", why(&evidence));
        }
        assert_eq!(evidence.to_json()["text that shows other digits"], json!([THREE]));
    }
}

#[test]
fn no_evidence_and_weak_evidence_say_what_to_do() {
    assert!(why(&of(&[])).starts_with("No BOL number"));
    assert!(why(&evidence(&Findings::default(), "bol 2025-2.pdf", &[])).starts_with("No BOL number"));
    let foreign = why(&of(&[("QR code of another site", TWO)]));
    assert!(foreign.starts_with("Only a QR code of another site gives a number, PRT-2025-0002."), "{foreign}");
    assert!(why(&of(&[("text recognition", TWO)])).starts_with("Only text recognition"));
    let both = why(&of(&[("text recognition", TWO), ("QR code of another site", TWO)]));
    assert!(both.starts_with("Only a QR code of another site"), "{both}");
}

#[test]
fn a_code_is_worth_what_its_mac_and_its_address_say() {
    let source = |code: QrCode| {
        let findings = Findings { qr_codes: [code].into(), ..Findings::default() };
        let json = evidence(&findings, "scan.pdf", &[]).to_json();
        json.as_object().and_then(|sources| sources.keys().next().cloned()).expect("one source")
    };
    let (ours, other) = ("https://portal.example", "https://evil.example");
    assert_eq!(source(address(ours, TWO, mac(TWO))), "QR code of this portal");
    assert_eq!(source(address(other, TWO, mac(TWO))), "QR code of this portal");
    for wrong in [None, mac(THREE), Some(String::new()), Some("AAAAAAAAAAAA".into())] {
        assert_eq!(source(address(ours, TWO, wrong.clone())), "QR code", "{wrong:?}");
        assert_eq!(source(address(other, TWO, wrong.clone())), "QR code of another site", "{wrong:?}");
    }
    for near in ["https://portal.example:8443", "http://portal.example", "https://portal.example.evil.example", "null"]
    {
        assert_eq!(source(address(near, TWO, None)), "QR code of another site", "{near}");
    }
    let holding = |holds: Holds| source(QrCode { number: TWO.into(), holds });
    assert_eq!(holding(Holds::Text), "QR code");
    assert_eq!(holding(Holds::OtherAddress), "QR code of another site");
}

/// The report of a page full of codes is shortened. The number that fell out still contradicts.
#[test]
fn a_code_that_was_not_reported_in_full_counts_as_foreign() {
    let qr_codes = [address("https://portal.example", TWO, mac(TWO))].into();
    let findings = Findings { qr_codes, ..Findings::default() };
    let mut evidence = evidence(&findings, "scan.pdf", &[]);
    assert!(is_clear(&evidence));
    let codes = [TWO.to_owned(), THREE.to_owned()].into();
    evidence.foreign_code = Evidence::of_codes(&Findings { codes, ..findings }, &self::codes()).foreign_code;
    assert!(why(&evidence).contains("the QR code of another site says PRT-2025-0003"));
}

#[test]
fn an_invoice_needs_a_kind_if_only_its_text_names_the_bol() {
    for source in &SOURCES[..RELIABLE] {
        let mut evidence = of(&[("text", TWO), (source, TWO)]);
        assert_eq!(evidence.needs_kind(TWO), None);
        evidence.other_kind = Some(OtherKind::Invoice);
        let reason = "The heading says that this is an invoice. Choose a kind to file it under PRT-2025-0002.";
        assert_eq!(evidence.needs_kind(TWO).as_deref(), (*source == "text").then_some(reason), "{source}");
    }
}

#[test]
fn our_own_paper_as_a_scan_has_been_signed() {
    let kind = |evidence: &Evidence, name: &str| evidence.kind(&FileName::cleaned(name), "PRT", false);
    for code in ["QR code of this portal", "QR code"] {
        let scan = of(&[(code, TWO)]);
        assert_eq!(kind(&scan, "scan.pdf"), Kind::SignedBol);
        assert_eq!(kind(&scan, "PRT-2025-0002.pdf"), Kind::SignedBol);
        assert_eq!(kind(&scan, "PRT-2025-0002_ticket.pdf"), Kind::ScaleTicket);
        let printed = of(&[(code, TWO), ("text", TWO)]);
        assert_eq!((kind(&printed, "PRT-2025-0002.pdf"), kind(&printed, "x.pdf")), (Kind::Bol, Kind::Other));
    }
    assert_eq!(kind(&of(&[("QR code of another site", TWO)]), "scan.pdf"), Kind::Other);
}

#[test]
fn what_was_not_looked_at_may_say_otherwise() {
    let mut long = of(&[("QR code of this portal", TWO)]);
    (long.is_complete, long.pages) = (false, 60);
    assert!(why(&long).contains("60 pages"));
    (long.slow_page, long.pages) = (Some(3), 4);
    assert!(why(&long).contains("Page 3 takes too long"));
}
