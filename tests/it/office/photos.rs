//! Photos as proof of delivery. The samples in `tests/samples/photos` were made with Pillow 13, libtiff 4.7 and libheif
//! 1.23.

use chrono::TimeDelta;
use sha2::{Digest, Sha256};

use super::sweeper::sweep;
use crate::support::photo::{self, BLUE, GREEN, PLACE, RED, Shown, WHITE};
use crate::support::scan::Picture;
use crate::support::{Action, Actor, App, DocumentRow, Load, World};

const UPRIGHT: [[u8; 3]; 4] = [RED, GREEN, BLUE, WHITE];
const BLACK: [u8; 3] = [0; 3];

fn sample(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/samples/photos/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Uploads a photo under the number of a BOL, and returns its PDF.
async fn pdf_of(office: &Actor, name: &str, bytes: &[u8]) -> Vec<u8> {
    let answer = office.upload(&[("kind", "")], &format!("PRT-2025-0005 {name}"), bytes).await;
    // Two photos may give the same PDF.
    let outcome = answer.outcomes().concat();
    assert!(["stored PRT-2025-0005", "duplicate PRT-2025-0005"].contains(&&*outcome), "{name}: {}", answer.text());
    office.download(&format!("/documents/{}/download", answer.document_id(0))).await
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// The photos and the other uploads.
async fn kept(app: &App) -> (Vec<DocumentRow>, Vec<DocumentRow>) {
    app.uploads().await.into_iter().partition(DocumentRow::is_photo)
}

#[tokio::test(flavor = "multi_thread")]
async fn photos_of_every_orientation_become_upright_pages() {
    let app = App::start().await;
    let office = app.office().await;
    for orientation in 1..=8 {
        let bytes = photo::jpeg(320 + usize::from(orientation), 240, orientation);
        let pdf = pdf_of(&office, &format!("{orientation}.jpg"), &bytes).await;
        let shown = Shown::page(&pdf, 1);
        assert_eq!(shown.quarters(), UPRIGHT, "{orientation}");
        assert!(shown.width > shown.height, "{orientation}: {} by {}", shown.width, shown.height);
    }
    // The container of HEIC says which side is up.
    for (name, is_wide) in [("photo.heic", true), ("on-its-side.heic", false)] {
        let shown = Shown::page(&pdf_of(&office, name, &sample(name)).await, 1);
        assert_eq!((shown.quarters(), shown.width > shown.height), (UPRIGHT, is_wide), "{name}");
    }
    let (photos, pdfs) = kept(&app).await;
    assert_eq!((photos.len(), pdfs.len()), (10, 10));
    assert!(pdfs.iter().all(|pdf| pdf.kind == "signed-bol"), "a photo is proof of delivery");
    assert_eq!(app.reconcile(&[]).await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pdf_says_nothing_about_who_took_the_photo_and_where() {
    let app = App::start().await;
    let office = app.office().await;
    let photos = [
        ("a.jpg", photo::jpeg(320, 240, 6)),
        ("a.png", photo::png(328, 240)),
        ("photo.heic", sample("photo.heic")),
        ("progressive.jpg", sample("progressive.jpg")),
    ];
    for (name, bytes) in photos {
        assert!(contains(&bytes, PLACE) || contains(&bytes, "Gate 7"), "{name}");
        let pdf = pdf_of(&office, name, &bytes).await;
        for left in [PLACE, "Gate 7", "PhoneMaker", "Exif", "xmpmeta", "ICC_PROFILE", "Comment"] {
            assert!(!contains(&pdf, left), "{name}: {left}");
        }
        assert_eq!(Shown::page(&pdf, 1).quarters(), UPRIGHT, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_of_48_megapixels_is_reduced_to_what_a_page_needs() {
    let app = App::start().await;
    let photo = photo::jpeg(8_000, 6_000, 8);
    let pdf = pdf_of(&app.office().await, "large.jpg", &photo).await;
    assert!(contains(&pdf, "/Width 2750") && contains(&pdf, "/Height 2062"), "{} bytes", pdf.len());
    assert!(pdf.len() < photo.len() / 2, "{} of {}", pdf.len(), photo.len());
    let shown = Shown::page(&pdf, 1);
    assert_eq!((shown.quarters(), shown.width, shown.height), (UPRIGHT, 1_100, 825));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zip_of_every_document_has_the_photo_for_the_office_alone() {
    let app = App::start().await;
    let (office, acme) = (app.office().await, app.acme().await);
    let photo = photo::jpeg(320, 240, 6);
    let pdf = pdf_of(&office, "proof.jpg", &photo).await;
    let zip = async |actor: &Actor, documents: &str| {
        let path = format!("/bols/download.zip?list=&number={}&documents={documents}", World::ACME_BARE);
        let mut files = actor.get(&path).await.unzipped();
        files.retain(|name, _| name.starts_with(World::ACME_BARE));
        files
    };
    let (pdf_name, photo_name) = ("PRT-2025-0005-signed-bol.pdf", "PRT-2025-0005-signed-bol-photo.jpg");
    let all = zip(&office, "all").await;
    assert_eq!((all.len(), &all[pdf_name], &all[photo_name]), (2, &pdf, &photo));
    let zipped = app.events().await.only(Action::BolsZipped);
    assert_eq!(zipped.list(|event| event.sha256.clone().unwrap().len()), [32, 32], "both are recorded");
    assert_eq!(zipped[1].sha256.clone().unwrap(), Sha256::digest(&photo).to_vec());
    for (actor, documents) in [(&office, "signed-bol"), (&acme, "all"), (&acme, "signed-bol")] {
        assert_eq!(zip(actor, documents).await.into_keys().collect::<Vec<_>>(), [pdf_name], "{documents}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_and_hostile_photos_get_a_clear_answer() {
    let app = App::start().await;
    let office = app.office().await;
    let whole = photo::jpeg(640, 480, 1);
    let data = whole.windows(2).rposition(|pair| pair == [0xff, 0xda]).unwrap();
    let heic = sample("photo.heic");
    // 900,000,000 pixels in less than a hundredth of that.
    let bomb = photo::black_png(30_000, 30_000);
    assert!(bomb.len() < 9_000_000, "{}", bomb.len());
    let mut wrong_sum = photo::png(64, 64);
    let at = wrong_sum.len() - 20;
    wrong_sum[at] ^= 0xff;
    // The JPEG compression of TIFF 6.0, before its Technical Note 2.
    let mut old_jpeg = sample("color-jpeg.tif");
    let tag = old_jpeg.windows(9).position(|entry| entry == b"\x03\x01\x03\0\x01\0\0\0\x07").unwrap();
    old_jpeg[tag + 8] = 6;
    for (name, bytes, outcome, reason) in [
        ("cut.jpg", &whole[..data + (whole.len() - data) / 2], "needs_review", "end of the photo is missing"),
        ("header.jpg", &whole[..data], "rejected", "can't be read"),
        ("bomb.png", &bomb, "rejected", "larger than 120 megapixels"),
        ("sum.png", &wrong_sum, "rejected", "can't be read"),
        ("cut.heic", &heic[..heic.len() - 200], "rejected", "Most Compatible"),
        ("palette.tif", &sample("palette.tif"), "rejected", "Save it as PDF or JPEG"),
        ("old-jpeg.tif", &old_jpeg, "rejected", "Save it as PDF or JPEG"),
        ("avif.jpg", b"\0\0\0\x18ftypavif\0\0\0\0avifmif1", "rejected", "Nor is it a photo in JPEG, PNG, HEIC or TIFF"),
        ("pixel.png", &photo::png(2, 2), "stored", "a PDF made of the photo"),
    ] {
        let answer = office.upload(&[("kind", "")], &format!("PRT-2025-0005 {name}"), bytes).await;
        assert!(answer.outcomes()[0].starts_with(outcome), "{name}: {}", answer.text());
        assert!(answer.reason(0).contains(reason), "{name}: {}", answer.reason(0));
    }
    let rejected = app.events().await.only(Action::DocumentRejected);
    let sums: Vec<_> = rejected.iter().map(|event| event.sha256.clone().unwrap()).collect();
    assert!(sums.contains(&Sha256::digest(&bomb).to_vec()), "the sum of the photo is recorded");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_of_a_tiff_becomes_a_page() {
    let app = App::start().await;
    let office = app.office().await;
    for name in ["color-lzw.tif", "color-deflate.tif", "color-packbits.tif", "color-jpeg.tif"] {
        let pdf = pdf_of(&office, name, &sample(name)).await;
        let (wide, high) = (Shown::page(&pdf, 1), Shown::page(&pdf, 2));
        assert_eq!((wide.quarters(), high.quarters()), (UPRIGHT, UPRIGHT), "{name}");
        assert!(wide.width > wide.height && high.width < high.height, "{name}");
    }
    // Faxes have 204 dots per inch across and 98 down.
    for name in ["fax-group-4.tif", "fax-group-3.tif", "fax-huffman.tif"] {
        let pdf = pdf_of(&office, name, &sample(name)).await;
        let (first, second) = (Shown::page(&pdf, 1), Shown::page(&pdf, 2));
        assert_eq!(first.quarters(), [BLACK, WHITE, WHITE, WHITE], "{name}");
        assert_eq!(second.quarters(), [WHITE, WHITE, WHITE, BLACK], "{name}");
        assert_eq!((first.width, first.height), (831, 1_100), "{name}");
    }
    let pdf = pdf_of(&office, "inks.tif", &sample("inks.tif")).await;
    assert_eq!(Shown::page(&pdf, 1).quarters(), UPRIGHT);
    let cut = sample("fax-group-3.tif");
    let answer = office.upload(&[("kind", "")], "PRT-2025-0005 cut.tif", &cut[..cut.len() - 2_000]).await;
    assert!(answer.outcomes() == ["needs_review"] || answer.outcomes() == ["rejected"], "{}", answer.text());
}

/// A photo of a printed BOL, on its side.
async fn photo_of_a_bol(app: &App, office: &Actor) -> (String, Vec<u8>) {
    let number = Load::today(app).await.issue(office).await;
    let pdf = office.download(&format!("/bols/{number}/download")).await;
    (number, Picture::of(&pdf, 150).turned(90.0).jpeg(8))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_is_matched_by_the_code_on_it_and_kept_beside_its_pdf() {
    let app = App::ready_to_issue().await;
    let office = app.office().await;
    let (number, photo) = photo_of_a_bol(&app, &office).await;
    // Its bytes count, not its name.
    let answer = office.upload(&[("kind", "")], "scan.pdf", &photo).await;
    assert_eq!(answer.outcomes(), [format!("stored {number}")], "{}", answer.text());
    let (photos, pdfs) = kept(&app).await;
    let (kept_photo, made) = (&photos[0], &pdfs[0]);
    assert_eq!((made.kind.as_str(), made.original_id, photos.len()), ("signed-bol", Some(kept_photo.id), 1));
    let sum = Sha256::digest(&photo).to_vec();
    assert_eq!((&kept_photo.sha256, kept_photo.size_bytes), (&sum, photo.len() as i64));
    assert_eq!((kept_photo.bol_id, kept_photo.customer_id, kept_photo.is_stored()), (None, None, true));
    assert!(kept_photo.object_key.ends_with(&format!("{}.jpg", hex::encode(&sum))));
    let uploaded = app.events().await.single(Action::DocumentUploaded);
    assert_eq!(uploaded.detail["photo"]["sha256"], hex::encode(&sum));
    assert_eq!(uploaded.sha256.as_deref(), Some(&*made.sha256));

    let page = office.get(&format!("/bols/{number}")).await;
    let href = format!("/documents/{}/download", kept_photo.id);
    assert!(page.text().contains("Photo turned into a PDF") && page.attributes("a", "href").contains(&href));
    let mark = app.events().await.mark();
    let link = office.get(&format!("{href}?inline=1")).await;
    let file = office.get(link.header("location")).await;
    assert_eq!((file.body == photo, file.header("content-type")), (true, "image/jpeg"));
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"scan.pdf.jpg\"");
    let event = app.events().await.since(mark).single(Action::BolPreviewed);
    assert_eq!((event.document_id, event.sha256.as_deref()), (Some(kept_photo.id), Some(&sum[..])));

    let acme = app.acme().await;
    for other in [&acme, &app.user(World::RIVAL).await] {
        assert_eq!(other.get(&href).await.status, 404);
    }
    let page = acme.get(&format!("/bols/{number}")).await;
    assert!(!page.text().contains("Photo") && !page.attributes("a", "href").contains(&href));
    assert!(acme.download(&format!("/documents/{}/download", made.id)).await.starts_with(b"%PDF-"));
    assert_eq!(app.reconcile(&[]).await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_photo_is_stored_once() {
    let app = App::start().await;
    let office = app.office().await;
    let photo = photo::jpeg(320, 240, 3);
    assert_eq!(office.upload(&[("kind", "")], "IMG_0001.jpg", &photo).await.outcomes(), ["needs_review"]);
    let page = office.get("/office/inbox").await;
    let (photos, pdfs) = kept(&app).await;
    assert_eq!(page.all(".intake > li").len(), 1, "the photo itself doesn't wait");
    assert!(page.one(".intake li").contains("Photo turned into a PDF"), "{}", page.text());
    assert!(page.attributes(".intake a", "href").contains(&format!("/documents/{}/download", photos[0].id)));
    assert_eq!(office.upload(&[("kind", "")], "again.jpg", &photo).await.outcomes(), ["duplicate"]);
    // The number in its name files what waits.
    let filed = office.upload(&[("kind", "")], "PRT-2025-0005.jpg", &photo).await;
    assert_eq!(filed.outcomes(), ["stored PRT-2025-0005"], "{}", filed.text());
    let again = office.upload(&[("kind", "")], "IMG_0001.jpg", &photo).await;
    assert_eq!(again.outcomes(), ["duplicate PRT-2025-0005"]);
    // The same picture with other metadata gives the same PDF.
    let mut other = photo.clone();
    other.extend(b"another film");
    assert_eq!(office.upload(&[("kind", "")], "x.jpg", &other).await.outcomes(), ["duplicate PRT-2025-0005"]);
    let elsewhere = office.upload(&[("kind", "")], "PRT-2025-0003.jpg", &photo).await;
    assert_eq!(elsewhere.outcomes(), ["needs_review"]);
    assert!(elsewhere.reason(0).contains("already filed with PRT-2025-0005"), "{}", elsewhere.reason(0));
    let now = kept(&app).await;
    assert_eq!((now.0, now.1.len(), pdfs.len()), (photos, 2, 1));
    assert_eq!(app.reconcile(&[]).await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_uploads_of_a_photo_at_once_store_it_once() {
    let app = App::start().await;
    let (office, admin) = (app.office().await, app.user(World::ADMIN).await);
    let photo = photo::jpeg(320, 240, 1);
    let (one, two) = tokio::join!(
        office.upload(&[("kind", "")], "PRT-2025-0005.jpg", &photo),
        admin.upload(&[("kind", "")], "PRT-2025-0005.jpg", &photo)
    );
    let mut outcomes = [one.outcomes(), two.outcomes()].concat();
    outcomes.sort_unstable();
    assert_eq!(outcomes[1], "stored PRT-2025-0005", "{outcomes:?}");
    let (photos, pdfs) = kept(&app).await;
    assert_eq!((photos.len(), pdfs.len(), pdfs[0].original_id), (1, 1, Some(photos[0].id)));
    assert_eq!(app.reconcile(&[]).await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_photo_waits_in_the_inbox_and_is_filed_as_a_pdf() {
    let app = App::start().await;
    let office = app.office().await;
    let photo = photo::jpeg(320, 240, 6);
    office.upload(&[("kind", "")], "PRT-2025-0005.jpg", &photo).await;
    let (photos, pdfs) = kept(&app).await;
    let id = photos[0].id;
    // The process ended after it had put the photo, and before it put the PDF.
    app.interrupt_upload(&[id, pdfs[0].id], app.user_id(World::OFFICE).await).await;
    app.sql(&format!("UPDATE documents SET cleaned_at = NULL WHERE id = {id}")).await;
    std::fs::remove_file(app.media(&pdfs[0].object_key)).unwrap();
    app.clock.advance(TimeDelta::minutes(16));
    assert_eq!(sweep(&app).await, 2);
    assert_eq!(app.reconcile(&[]).await.0, 0);
    let page = office.get("/office/inbox").await;
    assert!(page.one(".intake .why").contains("was interrupted"), "{}", page.text());
    assert!(page.one(".intake button[name=form]").starts_with("File as PDF"));
    let preview = office.get(&format!("/office/documents/{id}/preview")).await;
    assert!(preview.status == 200 && preview.body.starts_with(b"\x89PNG"), "{}", preview.status);
    app.sql("UPDATE settings SET releases_originals = true").await;
    let path = format!("/office/documents/{id}/file");
    for form in ["", "original"] {
        let fields = [("number", "25-5"), ("kind", "signed-bol"), ("form", form), ("why", "x")];
        assert_eq!(office.post(&path, &fields).await.status, 422, "{form}");
    }
    let fields = [("number", "25-5"), ("kind", "signed-bol"), ("form", "cleaned")];
    assert_eq!(office.post(&path, &fields).await.status, 303);
    let (_, pdfs) = kept(&app).await;
    let pdf = app.acme().await.download(&format!("/documents/{}/download", pdfs[0].id)).await;
    assert_eq!((pdfs[0].original_id, Shown::page(&pdf, 1).quarters()), (Some(id), UPRIGHT));
    let filed = app.events().await.single(Action::DocumentFiled);
    assert_eq!(filed.detail["photo"]["document"].as_i64(), Some(id));
    let again = office.upload(&[("kind", "")], "IMG_0001.jpg", &photo).await;
    assert_eq!(again.outcomes(), ["duplicate PRT-2025-0005"]);
    assert_eq!(app.reconcile(&[]).await.0, 0);
}
