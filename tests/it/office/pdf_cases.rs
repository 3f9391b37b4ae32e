//! PDFs from the field that honest or hostile writers made, each with its outcome.

use crate::support::raw_pdf::{RawPdf, ascii_85, ascii_hex, flate, lzw, packed, run_length};
use crate::support::{Action, Actor, App};

/// Words of the reason of a file that is taken: only its number is missing.
const TAKEN: &str = "No BOL number was found";
const SCRIPTS: &str = "contains scripts";

fn case(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/samples/cases/{name}.pdf", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Expects each file in the inbox, with these words in its reason.
async fn expect_reviews(office: &Actor, files: &[(&str, Vec<u8>, &str)]) {
    for (name, bytes, words) in files {
        let answer = office.upload(&[("kind", "other")], "scan.pdf", bytes).await;
        assert_eq!(answer.outcomes(), ["needs_review"], "{name}: {}", answer.text());
        assert!(answer.reason(0).contains(words), "{name}: {}", answer.reason(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_case_from_the_field_has_its_outcome() {
    let app = App::start().await;
    let office = app.office().await;
    let cases = [
        ("00-plain", TAKEN),
        ("01-bom-before-header", TAKEN),
        ("03-mime-header-before", TAKEN),
        ("06-nul-4845-behind", TAKEN),
        ("08-html-behind", "other data behind its end"),
        ("10-startxref-zero", TAKEN),
        ("11-no-eof-mark", TAKEN),
        ("13-text-says-slash-javascript", TAKEN),
        ("15-link-to-javascript", TAKEN),
        ("17-openaction-null", TAKEN),
        ("19-openaction-named-dest", TAKEN),
        ("20-openaction-print", TAKEN),
        ("21-openaction-js-print", SCRIPTS),
        ("22-title-slash-encrypt", TAKEN),
        ("29-annot-aa-enter-gotoe", "opens or loads other files"),
        ("31-submit-form", SCRIPTS),
        ("32-exe-attachment", "has attached files"),
        ("35-owner-password-aes-256", TAKEN),
        ("35-owner-password-rc4-40", TAKEN),
        ("37-form-calculates", SCRIPTS),
        ("45-objstm-5000", TAKEN),
        ("47-name-with-hash", TAKEN),
        ("48-script-behind-crypt-filter", SCRIPTS),
        ("49-text-maps-another-number", "shows other digits than its text says (PRT-2026-0134)"),
    ];
    expect_reviews(&office, &cases.map(|(name, words)| (name, case(name), words))).await;
    let locked = office.upload(&[("kind", "other")], "scan.pdf", &case("36-user-password")).await;
    assert_eq!(locked.outcomes(), ["rejected"]);
    assert!(locked.reason(0).contains("protected with a password"));
    let events = app.events().await.only(Action::DocumentUploaded);
    let preambles: Vec<_> =
        events.iter().map(|event| &event.detail["preamble"]).filter(|found| !found.is_null()).collect();
    assert_eq!((preambles.len(), preambles[0]["bytes"].as_u64()), (2, Some(3)), "{preambles:?}");
    assert!(preambles[1]["begins"].as_str().unwrap().starts_with("--b7 Content-Type: application/pdf"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_behind_any_filter_waits_for_review() {
    let app = App::start().await;
    let office = app.office().await;
    let script = packed("<< /JavaScript << /Names [(a) << /S /JavaScript /JS (app.alert(1)) >>] >> >>");
    let predicted: Vec<u8> = script.chunks(4).flat_map(|row| [&[0], row].concat()).collect();
    let unread = "parts that the portal can't read";
    let junk = |data: Vec<u8>| [b"\x80\x80".to_vec(), data].concat();
    let mut cut = flate(&script);
    cut.truncate(cut.len() - 6);
    let files = [
        ("", script.clone(), SCRIPTS),
        ("/Filter /FlateDecode", flate(&script), SCRIPTS),
        ("/F /Fl", flate(&script), SCRIPTS),
        ("/Filter /Fl#61teDecode", flate(&script), SCRIPTS),
        ("/Filter [/ASCIIHexDecode]", ascii_hex(&script), SCRIPTS),
        ("/Filter [/AHx]", junk(ascii_hex(&script)), SCRIPTS),
        ("/Filter /ASCII85Decode", ascii_85(&script), SCRIPTS),
        ("/Filter /A85", junk(ascii_85(&script)), SCRIPTS),
        ("/Filter /RunLengthDecode", run_length(&script), SCRIPTS),
        ("/Filter /LZWDecode", lzw(&script), SCRIPTS),
        ("/Filter [/ASCII85Decode /FlateDecode]", ascii_85(&flate(&script)), SCRIPTS),
        ("/Filter [/AHx /A85 /RL /LZW /Fl]", ascii_hex(&ascii_85(&run_length(&lzw(&flate(&script))))), SCRIPTS),
        ("/Filter [/Crypt /FlateDecode] /DecodeParms [<< /Name /Identity >> null]", flate(&script), SCRIPTS),
        ("/Filter [/FlateDecode /Crypt]", flate(&script), SCRIPTS),
        ("/Filter /FlateDecode /DecodeParms << /Predictor 12 /Columns 4 >>", flate(&predicted), SCRIPTS),
        ("/Filter 9 0 R", flate(&script), SCRIPTS),
        ("/Filter /FlateDecode", cut, unread),
        ("/Filter /FlateDecode", b"nonsense".to_vec(), unread),
        ("/Filter /JPXDecode", flate(&script), unread),
        ("/Filter [/FlateDecode /Unheard]", flate(&script), unread),
        ("/Filter [/FlateDecode /DCTDecode]", flate(&script), SCRIPTS),
        ("/Filter 10 0 R", flate(&script), unread),
    ];
    for (entries, data, words) in files {
        let mut pdf = RawPdf::new("/Names 8 0 R", "");
        pdf.object(9, "[/FlateDecode]").object(10, "<< >>").pack(6, entries, &data);
        expect_reviews(&office, &[(entries, pdf.finish(), words)]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_waits_for_review_wherever_it_is() {
    let app = App::start().await;
    let office = app.office().await;
    let script = "<< /S /JavaScript /JS (app.alert(1)) >>";
    let catalog = |entries: &str| RawPdf::new(entries, "").finish();
    let page = |entries: &str| RawPdf::new("", entries).finish();
    let older = {
        let mut pdf = RawPdf::new("", "");
        pdf.object(1, "<< /Type /Catalog /Pages 2 0 R >>").finish()
    };
    let revised = [catalog(&format!("/OpenAction {script}")), older[9..].to_vec()].concat();
    let mut unlisted = catalog("");
    unlisted.extend_from_slice(format!("7 0 obj {script} endobj\nstartxref\n0\n%%EOF\n").as_bytes());
    let in_comment = catalog(&format!("/X (%7 0 obj {script} endobj)"));
    let mut far = RawPdf::new("/OpenAction 6 0 R", "");
    far.object(6, "7 0 R").object(7, "<< /S 8 0 R /JS 9 0 R >>").object(8, "/Java#53cript").stream(9, "", b"x");
    let mut field = RawPdf::new("/AcroForm << /Fields [6 0 R] >>", "");
    field.object(6, &format!("<< /FT /Tx /T (a) /AA << /K {script} >> >>"));
    let mut outline = RawPdf::new("/Outlines 6 0 R", "");
    outline.object(6, "<< /First 7 0 R /Last 7 0 R >>").object(7, &format!("<< /Title (a) /A {script} >>"));
    expect_reviews(
        &office,
        &[
            ("opening", catalog(&format!("/OpenAction {script}")), SCRIPTS),
            ("names", catalog(&format!("/Names << /JavaScript << /Names [(a) {script}] >> >>")), SCRIPTS),
            ("catalog", catalog(&format!("/AA << /WC {script} >>")), SCRIPTS),
            ("page", page(&format!("/AA << /O {script} >>")), SCRIPTS),
            ("annotation", page(&format!("/Annots [<< /Subtype /Link /A {script} >>]")), SCRIPTS),
            ("next", page(&format!("/AA << /C << /S /GoTo /Next [{script}] >> >>")), SCRIPTS),
            ("form", catalog("/AcroForm << /XFA [(a) 5 0 R] >>"), SCRIPTS),
            ("in a string", in_comment, SCRIPTS),
            ("older revision", revised, SCRIPTS),
            ("not in the table", unlisted, SCRIPTS),
            ("by references", far.finish(), SCRIPTS),
            ("field", field.finish(), SCRIPTS),
            ("outline", outline.finish(), SCRIPTS),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_harmless_actions_annotations_and_objects_are_taken() {
    let app = App::start().await;
    let office = app.office().await;
    let catalog = |entries: &str| RawPdf::new(entries, "").finish();
    let annotation = |entries: &str| RawPdf::new("", &format!("/Annots [<< /Type /Annot {entries} >>]")).finish();
    let click = |action: &str| annotation(&format!("/Subtype /Link /Rect [0 0 9 9] /A << /S {action} >>"));
    let unknown = "actions that the portal doesn't know";
    expect_reviews(
        &office,
        &[
            ("launch", click("/Launch /F (cmd.exe)"), "start a program"),
            ("import", click("/ImportData /F (x.fdf)"), "send or load form data"),
            ("remote", click("/GoToR /F (x.pdf)"), "other files"),
            ("embedded", click("/GoToE /T << /R /C >>"), "other files"),
            ("hide", click("/Hide /T (a)"), unknown),
            ("unheard", click("/Unheard"), unknown),
            ("save", click("/Named /N /SaveAs"), unknown),
            ("script address", click("/URI /URI (javascript:alert)"), "other than a web page"),
            ("file address", click("/URI /URI (file:///c:/a.exe)"), "other than a web page"),
            ("mail", click("/URI /URI (mailto:office@terminal.example)"), TAKEN),
            ("relative", click("/URI /URI (www.terminal.example/a?b=c:d)"), TAKEN),
            ("place", click("/GoTo /D [3 0 R /Fit]"), TAKEN),
            ("opened address", catalog("/OpenAction << /S /URI /URI (https://a.example) >>"), "without a click"),
            ("film", annotation("/Subtype /Movie"), "video or 3D"),
            ("rich media", annotation("/Subtype /RichMedia"), "video or 3D"),
            ("3D", annotation("/Subtype /3D /3DD 5 0 R"), "video or 3D"),
            ("file", annotation("/Subtype /FileAttachment"), "attached files"),
            ("new kind", annotation("/Subtype /Unheard"), "annotations that the portal doesn't know"),
            ("no kind", annotation("/Rect [0 0 9 9]"), "annotations that the portal doesn't know"),
            ("note", annotation("/Subtype /Text /Contents (looks good)"), TAKEN),
            ("portfolio", catalog("/Collection << /View /T >>"), "attached files"),
            ("associated", catalog("/AF [<< /Type /Filespec /EF << /F 5 0 R >> >>]"), "attached files"),
            ("no attachment", catalog("/Names << /EmbeddedFiles << /Names [] >> >>"), TAKEN),
        ],
    )
    .await;
}
