//! The settings that the office saves.

use crate::support::{Action, App, World};

fn company<'a>(name: &'a str, address: &'a str, phone: &'a str, email: &'a str) -> [(&'static str, &'a str); 4] {
    [("company_name", name), ("company_address", address), ("company_phone", phone), ("company_email", email)]
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_saved_as_the_next_bol_prints_them() {
    let app = App::start().await;
    let office = app.office().await;
    assert!(office.get("/office/settings").await.one("main").contains("Nothing is set yet."));
    let good = company(
        " Prime  Trade ",
        " 1 River Road \r\n\r\nMobile,  AL 36602\r\n",
        "251 555 0100",
        "office@terminal.example",
    );
    let page = office.expect_saved("/office/settings", &good, "/office/settings?done=saved").await;
    assert_eq!(page.value("company_name"), "Prime Trade");
    assert_eq!(page.one("#company_address"), "1 River Road Mobile, AL 36602");
    assert_eq!(
        (page.value("company_phone"), page.value("company_email")),
        ("251 555 0100".into(), "office@terminal.example".into())
    );
    let settings = app.settings().await;
    assert_eq!(
        (settings.company_name.as_str(), settings.company_address.as_str()),
        ("Prime Trade", "1 River Road\nMobile, AL 36602")
    );
    assert_eq!(
        (settings.company_phone.as_str(), settings.company_email.as_str()),
        ("251 555 0100", "office@terminal.example")
    );
    // An unchanged form records nothing.
    office.expect_saved("/office/settings", &good, "/office/settings?done=saved").await;
    let changed = app.events().await.single(Action::SettingsChanged);
    let names = (changed.before("company_name"), changed.after("company_name"));
    assert_eq!((changed.email(), names), (World::OFFICE, (String::new(), "Prime Trade".into())));

    let (long_name, long_address) = ("x".repeat(201), "x".repeat(601));
    let (long_phone, long_email) = ("1".repeat(61), "x".repeat(255));
    for (form, field, message) in [
        (company("", "1 Road", "", ""), "company_name", "Enter the name of the company."),
        (company(&long_name, "1 Road", "", ""), "company_name", "Use at most 200 characters."),
        (company("Prime", " \r\n ", "", ""), "company_address", "Enter the street and city."),
        (company("Prime", "1\n2\n3\n4\n5\n6\n7", "", ""), "company_address", "Use at most 6 lines."),
        (company("Prime", &long_address, "", ""), "company_address", "Use at most 600 characters."),
        (company("Prime", "1 Road 😀", "", ""), "company_address", "“😀” can't be printed. Leave it out."),
        (company("Prime", "1 Road", &long_phone, ""), "company_phone", "Use at most 60 characters."),
        (company("Prime", "1 Road", "", &long_email), "company_email", "Use at most 254 characters."),
    ] {
        let page = office.expect_refused("/office/settings", &form, field, message).await;
        for (name, typed) in form {
            let shown = if name == "company_address" { page.one("#company_address") } else { page.value(name) };
            assert_eq!(shown, typed.split_whitespace().collect::<Vec<_>>().join(" "), "{name}");
        }
    }
    assert_eq!(app.settings().await, settings);
    assert_eq!(app.events().await.only(Action::SettingsChanged).len(), 1);
    let six = company("Prime", "1\r\n2\r\n3\r\n4\r\n5\r\n6", "", "");
    office.expect_saved("/office/settings", &six, "/office/settings?done=saved").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_outside_the_office_see_how_to_reach_it() {
    let app = App::start().await;
    let (office, acme, stranger) = (app.office().await, app.acme().await, app.stranger());
    assert!(stranger.get("/login").await.one("main").contains("Ask the terminal office."), "nothing is set yet");
    let form = company("Prime", "1 Road", "(251) 555-0100 ext. 4", "dock@terminal.example");
    office.expect_saved("/office/settings", &form, "/office/settings?done=saved").await;
    let links = ["tel:2515550100;ext=4", "mailto:dock@terminal.example"];
    for page in [
        stranger.get("/login").await,
        stranger.get("/nothing-here").await,
        acme.get("/account").await,
        acme.get("/bols/PRT-1999-0001").await,
        acme.get("/office").await,
        app.auditor().await.get("/office").await,
    ] {
        assert_eq!(page.attributes("main p a[href^=tel], main p a[href^=mailto]", "href"), links, "{}", page.text());
        assert!(page.one("main").contains("terminal office ((251) 555-0100 ext. 4, dock@terminal.example)"));
    }
    // The office isn't told to call itself.
    for path in ["/account", "/bols/PRT-1999-0001", "/audit"] {
        let page = office.get(path).await;
        assert!(!page.one("main").contains("terminal office"), "{path}: {}", page.text());
    }
    assert!(office.get("/audit").await.one("main").contains("ask an administrator"));
    // An error page needs no table.
    app.sql("ALTER TABLE bols RENAME TO bols_away; ALTER TABLE settings RENAME TO settings_away").await;
    let page = acme.get("/bols").await;
    assert_eq!((page.status, page.attributes("main p a[href^=tel]", "href")), (500, vec![links[0].to_owned()]));
    assert!(page.one(".lede").ends_with("If it happens again, call the terminal office with the reference below."));
    let page = office.get("/bols").await;
    assert!(page.one(".lede").ends_with("If it happens again, give an administrator the reference below."));
}
