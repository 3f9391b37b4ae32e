//! The pages in Chromium, as people use them, with the keyboard where possible.

use fantoccini::Locator;

use crate::support::scan::paper;
use crate::support::{App, Browser, Load, PASSWORD, World, text_of};

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_logs_in_and_downloads_a_file() {
    let app = App::start().await;
    let browser = Browser::start(1280, 900).await;
    browser.open(&format!("{}/bols/{}", app.url, World::ACME_BOL)).await;
    browser.text_with("Log in").await;
    browser.type_into("#email", World::ACME).await;
    browser.type_into("#password", PASSWORD).await;
    browser.click(".login button[type=submit]").await;
    browser.text_with("Download history").await;
    assert!(browser.current_url().await.unwrap().path().ends_with(World::ACME_BOL), "back to what was asked for");

    browser.open(&format!("{}/bols", app.url)).await;
    browser.type_into("#q", "ruck-sesame-1\n").await;
    browser.text_with("1 BOL matches").await;
    browser.click(".ledger td.get a").await;
    // The signed copy comes first.
    let file = browser.downloaded("PRT-2025-0001-signed-bol.pdf").await;
    assert!(file.starts_with(b"%PDF"));
    browser.click(".ledger .number").await;
    browser.text_with("Download link issued").await;

    browser.click(".logout button").await;
    browser.text_with("Forgot your password?").await;
    browser.back().await.unwrap();
    let text = browser.text_with("Forgot your password?").await;
    assert!(!text.contains("sesame"), "Back shows nothing: {text}");
    browser.close().await;
}

/// The bucket is another origin, and a form redirects to it, so the content security policy must allow that.
#[tokio::test(flavor = "multi_thread")]
async fn the_login_leads_straight_to_a_file_in_the_bucket() {
    let app = App::on_s3(&[]).await;
    let browser = Browser::start(1280, 900).await;
    browser.open(&format!("{}/bols/{}/download", app.url, World::ACME_BOL)).await;
    browser.type_into("#email", World::ACME).await;
    browser.type_into("#password", PASSWORD).await;
    browser.click(".login button[type=submit]").await;
    let file = browser.downloaded("PRT-2025-0001.pdf").await;
    assert!(file.starts_with(b"%PDF"));
    browser.close().await;
}

/// On a phone no page is wider than the window, and everything can be reached.
#[tokio::test(flavor = "multi_thread")]
async fn pages_fit_a_phone() {
    let app = App::start().await;
    let browser = Browser::start(500, 800).await;
    browser.log_in(&app.url, World::ACME, PASSWORD).await;
    for path in ["/bols", "/bols?from=x", "/bols/PRT-2025-0001", "/account", "/bols/PRT-2025-0999"] {
        browser.open(&format!("{}{path}", app.url)).await;
        let script = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]";
        let widths = browser.execute(script, vec![]).await.unwrap();
        assert!(widths[0].as_i64() <= widths[1].as_i64(), "{path}: {widths}");
    }
    browser.close().await;
}

/// Uses the keyboard alone.
#[tokio::test(flavor = "multi_thread")]
async fn every_page_works_with_the_keyboard_alone() {
    use fantoccini::key::Key;
    let app = App::start().await;
    let browser = Browser::start(1280, 900).await;
    browser.open(&format!("{}/login", app.url)).await;
    // The first field has the focus.
    let keys = format!("{}{}{PASSWORD}{}", World::ACME, char::from(Key::Tab), char::from(Key::Enter));
    browser.active_element().await.unwrap().send_keys(&keys).await.unwrap();
    browser.wait().for_element(Locator::Css(".ledger")).await.unwrap();
    let tab = char::from(Key::Tab).to_string();
    browser.find(Locator::Css("body")).await.unwrap().send_keys(&tab).await.unwrap();
    let skip = browser.active_element().await.unwrap();
    assert_eq!(skip.text().await.unwrap(), "Skip to content");
    assert!(skip.is_displayed().await.unwrap());
    browser.close().await;
}

/// From choosing the customer to the stamped copy, with the page's script, and then the customer's view.
#[tokio::test(flavor = "multi_thread")]
async fn the_office_issues_weighs_voids_and_reissues() {
    let app = App::start().await;
    app.save_terminal_address().await;
    let earlier = Load::today(&app).await.issue(&app.office().await).await;
    let browser = Browser::start(1280, 900).await;
    browser.log_in(&app.url, World::OFFICE, PASSWORD).await;
    browser.open(&format!("{}/office/bols/new", app.url)).await;
    browser.type_into("#customer", &format!("Acme{}", char::from(fantoccini::key::Key::Tab))).await;
    // Leaving the field copies the customer's last load.
    browser.wait().for_element(Locator::Css("#customer_po[value='4500178823']")).await.unwrap();
    // Known trucks and lots fill in their related fields.
    browser.type_into("#truck_number", "4417").await;
    browser.type_into("#gross_lb", "81,480").await;
    browser.type_into("#tare_lb", "33,420").await;
    browser.text_with("48,060 lb net = 24.03 net tons").await;
    browser.click("button[name=confirm]").await;
    browser.text_with("81,480 lb is more than the 80,000 lb").await;
    browser.click("button[name=confirm]").await;
    browser.text_with("the customer sees this BOL from now on").await;
    let path = browser.current_url().await.unwrap().path().to_owned();
    assert_ne!(path, format!("/bols/{earlier}"));
    let number = path.rsplit('/').next().unwrap().to_owned();

    browser.open(&format!("{}/office/bols/{number}/weight", app.url)).await;
    browser.type_into("#official_weight_lb", "48,180\n").await;
    browser.text_with("Variance +120 lb, +0.25 %").await;
    browser.open(&format!("{}/office/bols/{number}/void", app.url)).await;
    browser.type_into("#reason", "Wrong trailer").await;
    browser.click(".ask button").await;
    browser.text_with("The stamped copy is the current version").await;
    browser.find(Locator::LinkText("Reissue")).await.unwrap().click().await.unwrap();
    browser.text_with(&format!("Reissue {number}")).await;
    browser.click("button[name=confirm]").await;
    browser.text_with("81,480 lb is more than").await;
    browser.click("button[name=confirm]").await;
    browser.text_with(&format!("Replaces {number}")).await;

    browser.click(".logout button").await;
    browser.text_with("Forgot your password?").await;
    browser.log_in(&app.url, World::ACME, PASSWORD).await;
    browser.open(&format!("{}/bols/{number}", app.url)).await;
    let text = browser.text_with("This bill of lading is void.").await;
    assert!(text.contains("Reason: Wrong trailer") && text.contains("Older versions (2)"), "{text}");
    assert!(!text.contains("Official weight\nVoid"), "no button of the office");
    browser.click(".actions .primary").await;
    let file = browser.downloaded(&format!("{number}.pdf")).await;
    assert!(text_of(&file).contains("VOID"));
    browser.close().await;
}

/// The form on a phone, with and without mistakes, and the office's other pages.
#[tokio::test(flavor = "multi_thread")]
async fn the_offices_pages_fit_a_phone() {
    let app = App::start().await;
    app.save_terminal_address().await;
    let number = Load::today(&app).await.with("carrier", &"W".repeat(200)).issue(&app.office().await).await;
    let browser = Browser::start(500, 800).await;
    browser.log_in(&app.url, World::OFFICE, PASSWORD).await;
    let paths = ["/office/bols/new?customer=ACME", "/office/products", "/office/carriers", "/office/settings"]
        .map(String::from);
    let stamps = ["void", "weight"].map(|what| format!("/office/bols/{number}/{what}"));
    for path in paths.into_iter().chain(stamps).chain([format!("/bols/{number}")]) {
        browser.open(&format!("{}{path}", app.url)).await;
        let script = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]";
        let widths = browser.execute(script, vec![]).await.unwrap();
        assert!(widths[0].as_i64() <= widths[1].as_i64(), "{path}: {widths}");
    }
    browser.close().await;
}

/// Files and a list are dropped onto the page. Each file has an outcome that a reload shows again. The waiting documents
/// are filed with the keyboard.
#[tokio::test(flavor = "multi_thread")]
async fn dropped_files_are_stored_and_the_others_filed_by_hand() {
    let app = App::start().await;
    let browser = Browser::start(1280, 900).await;
    browser.log_in(&app.url, World::OFFICE, PASSWORD).await;
    browser.open(&format!("{}/office/upload", app.url)).await;
    let folder = tempfile::TempDir::new().unwrap();
    let mut names = Vec::new();
    for n in 0..12 {
        let name = if n % 2 == 0 { format!("PRT-2025-0005_ticket_{n}.pdf") } else { format!("scan {n}.pdf") };
        std::fs::write(folder.path().join(&name), paper(&format!("paper {n}"))).unwrap();
        names.push(name);
    }
    std::fs::write(folder.path().join("bad.pdf"), "<html>").unwrap();
    std::fs::write(folder.path().join("list.csv"), "file,number\nscan 1.pdf,PRT-2025-0003\n").unwrap();
    names.extend(["bad.pdf".into(), "list.csv".into()]);
    let paths: Vec<String> = names.iter().map(|name| folder.path().join(name).display().to_string()).collect();
    browser.type_into("#files", &paths.join("\n")).await;
    // A script can't create files to drop, so it uses those of the input.
    let drop = "const input = document.getElementById('files'), data = new DataTransfer();
        for (const file of input.files) data.items.add(file);
        input.value = '';
        document.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));";
    browser.execute(drop, vec![]).await.unwrap();
    let told = "7 stored · 5 in the inbox · 1 rejected";
    let mut text = browser.text_with("1 rejected").await;
    for _ in 0..100 {
        if !text.contains("of 13 files") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        text = browser.text_with("1 rejected").await;
    }
    for part in told.split(" · ") {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(browser.current_url().await.unwrap().query().unwrap().starts_with("batch="));
    browser.refresh().await.unwrap();
    browser.text_with(told).await;

    browser.open(&format!("{}/office/inbox", app.url)).await;
    browser.text_with("Documents 5").await;
    // The first document's field has the focus. A number and Enter lead to the next one.
    for left in [4, 3] {
        browser.active_element().await.unwrap().send_keys("25-5\n").await.unwrap();
        browser.text_with(&format!("Documents {left}")).await;
    }
    browser.click(".bulk .check input").await;
    browser.text_with("3 of 3 selected").await;
    browser.click("button[value=discard].button.quiet:not(.small)").await;
    browser.text_with("Inbox is empty").await;
    assert_eq!(app.documents_of(World::ACME_BARE).await.len(), 8);
    browser.close().await;
}
