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
