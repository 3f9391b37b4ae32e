use super::super::Item;
use super::*;
use crate::config::SecretKey;

const ORIGIN: &str = "https://portal.example";

fn render_from(template: &EmailTemplate, office: &Office) -> Rendered {
    let key = LinkKey::new(&SecretKey::from_bytes(vec![7; 64]));
    template.render(&Sender { origin: ORIGIN, key: &key, office }).expect("renders")
}

fn render(template: &EmailTemplate) -> Rendered {
    render_from(template, &Office::default())
}

fn item(number: &str) -> Item {
    Item {
        bol_id: 1,
        number: number.into(),
        what: "Bill of lading".into(),
        load: "Basic pig iron · 23.45 net tons · Truck 460".into(),
    }
}

fn documents_for(has_login: bool) -> EmailTemplate {
    let items = vec![item("PRT-2026-0001"), item("PRT-2026-0002")];
    let news = News { customer_id: 1, company: "Acme & Sons <Steel>".into(), items };
    EmailTemplate::Documents { name: "Jane".into(), digest: false, news: vec![news], has_login }
}

#[test]
fn text_and_html_say_the_same() {
    let Rendered { subject, text, html, unsubscribe } = render(&documents_for(true));
    assert_eq!(subject, "New in the portal: 2 bills of lading");
    assert!(text.starts_with("Hello Jane,\n\nThese documents"), "{text}");
    assert!(text.contains("\nAcme & Sons <Steel>\n\n  PRT-2026-0001  Bill of lading\n  Basic pig iron · 23.45 net tons · Truck 460\n  https://portal.example/bols/PRT-2026-0001\n"), "{text}");
    assert!(!text.contains("\n\n\n") && text.ends_with("https://portal.example"), "{text:?}");
    assert!(html.contains("Acme &#38; Sons &#60;Steel&#62;"), "{html}");
    assert!(html.contains(r#"href="https://portal.example/bols/PRT-2026-0002""#), "{html}");
    assert!(html.contains("Basic pig iron · 23.45 net tons · Truck 460"), "{html}");
    let settings = "https://portal.example/account#mail";
    assert_eq!(unsubscribe.as_deref(), Some(settings));
    assert!(text.contains(&format!("or to stop them, open\n{settings}\n")), "{text}");
    assert!(html.contains(&format!("<a href=\"{settings}\"")), "{html}");
    for nothing in ["<img", "<script", "http://", "url("] {
        assert!(!html.contains(nothing), "{nothing} in {html}");
    }
}

#[test]
fn a_link_is_made_of_its_seed() {
    let email = |seed: &str| EmailTemplate::Reset { name: "Jane".into(), seed: seed.into(), minutes: 60, issuer: None };
    let (one, same, other) = (render(&email("a")), render(&email("a")), render(&email("b")));
    assert_eq!(one.text, same.text);
    assert_ne!(one.text, other.text);
    let stored = serde_json::to_string(&email("a")).expect("JSON");
    let secret = one.text.split("token=").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("a token");
    assert_eq!(secret.len(), 64);
    assert!(!stored.contains(secret));
}

#[test]
fn a_long_list_is_cut_and_counted() {
    let items = (0..60)
        .map(|n| Item { bol_id: n, number: format!("PRT-2026-{n:04}"), what: "Invoice".into(), load: String::new() })
        .collect();
    let template = EmailTemplate::Reminder {
        name: "Jane".into(),
        news: News { customer_id: 1, company: "Acme".into(), items },
        has_login: false,
    };
    let Rendered { subject, text, html, unsubscribe } = render(&template);
    assert_eq!(subject, "Not fetched yet: 60 bills of lading");
    assert_eq!(text.matches("Invoice").count(), 50);
    assert!(text.contains("and 10 more") && html.contains("and 10 more"));
    assert!(text.contains("ask the terminal office") && unsubscribe.is_none(), "{text}");
}

#[test]
fn an_address_without_a_login_is_removed_by_the_office() {
    let office = Office { phone: "251 555 0100".into(), email: Some("o'dock@terminal.example".into()) };
    let Rendered { text, html, unsubscribe, .. } = render_from(&documents_for(false), &office);
    let href = "mailto:o%27dock@terminal.example?subject=Stop%20emails%20about%20BOLs";
    assert_eq!(unsubscribe.as_deref(), Some(href));
    assert!(text.contains("To stop them, write to\no'dock@terminal.example\n"), "{text}");
    assert!(html.contains(href) && !text.contains("/account"), "{html}");
    let Rendered { text, unsubscribe, .. } =
        render_from(&EmailTemplate::PasswordChanged { name: "Jane".into() }, &office);
    assert!(text.contains("call the terminal office (251 555 0100).") && unsubscribe.is_none(), "{text}");
}

#[test]
fn a_name_that_ends_in_a_period_gets_no_second_one() {
    for (company, end) in [("Acme, Inc.", "Acme, Inc."), ("Acme Steel", "Acme Steel.")] {
        let (name, by, company) = (String::new(), "Dana".to_owned(), company.to_owned());
        let joined = EmailTemplate::Joined { name: name.clone(), by: by.clone(), company: company.clone() };
        let seed = String::new();
        let invitation = EmailTemplate::Invitation { name, by, company, seed, days: 7, issuer: None };
        assert!(render(&joined).text.contains(&format!("portal to {end} Log in")));
        assert!(render(&invitation).text.contains(&format!("bills of lading of {end}\n")));
    }
}

#[test]
fn a_login_without_a_password_gets_no_link_that_sets_one() {
    let (name, by, company, seed) = (String::new(), "Dana".to_owned(), String::new(), "seed".to_owned());
    let issuer = Some("Mill ID".to_owned());
    let invitation =
        EmailTemplate::Invitation { name, by, company, seed: seed.clone(), days: 7, issuer: issuer.clone() };
    let reset = EmailTemplate::Reset { name: "Jo".into(), seed, minutes: 60, issuer };
    for template in [invitation, reset] {
        let Rendered { text, html, .. } = render(&template);
        assert!(text.contains("has no password: you log in with Mill ID."), "{text}");
        assert!(text.contains("Log in with Mill ID:\nhttps://portal.example/login\n"), "{text}");
        assert!(!text.contains("token=") && !html.contains("token="), "{html}");
    }
}

#[test]
fn an_email_of_an_earlier_version_can_be_sent() {
    let json = r#"{"letter": "reset", "name": "Jo", "seed": "seed", "minutes": 60}"#;
    let template: EmailTemplate = serde_json::from_str(json).expect("an email");
    assert!(render(&template).text.contains("https://portal.example/password?token="));
    let json = r#"{"bol_id": 1, "number": "PRT-2026-0001", "what": "Invoice"}"#;
    let item: Item = serde_json::from_str(json).expect("an item");
    let news = News { customer_id: 1, company: "Acme".into(), items: vec![item] };
    let template = EmailTemplate::Reminder { name: String::new(), news, has_login: true };
    assert!(render(&template).text.contains("  PRT-2026-0001  Invoice\n  https://portal.example/bols/"));
}

#[test]
fn unusual_activity_is_listed_and_counted() {
    let finding = |event: i64, who: &str| UnusualFinding {
        event,
        who: who.into(),
        hour: "Nov 12, 2025, 3:00 PM EST".into(),
        reasons: "was refused 12 times in a row".into(),
    };
    let email = |findings: Vec<UnusualFinding>, more| {
        render(&EmailTemplate::UnusualActivity { name: "Ada".into(), findings, more })
    };
    let one = email(vec![finding(7, "jo@acme.example")], 0);
    assert_eq!(one.subject, "Unusual activity: jo@acme.example");
    let line = "  Nov 12, 2025, 3:00 PM EST  was refused 12 times in a row\n  https://portal.example/audit/events/7\n";
    assert!(one.text.starts_with("Hello Ada,\n\nThe PrimeTrade BOL portal found this"), "{}", one.text);
    assert!(
        one.text.contains(&format!("\njo@acme.example\n\n{line}")) && !one.text.contains(" more\n"),
        "{}",
        one.text
    );
    assert!(one.html.contains(r#"href="https://portal.example/audit/events/7""#), "{}", one.html);
    assert_eq!(one.unsubscribe, None);
    let many = email(vec![finding(7, "jo@acme.example"), finding(8, "al@acme.example")], 3);
    assert_eq!(many.subject, "Unusual activity: 5 findings");
    for text in [&many.text, &many.html] {
        assert_eq!(text.matches("and 3 more").count(), 1, "{text}");
    }
}
