//! Emails with which a user gets into a login: invitations and passwords.

use super::{Sender, Words, sentence_end};

/// Who has set up a login, and for what.
fn set_up(by: &str, company: &str) -> String {
    if company.is_empty() {
        format!("{by} has set up a login for you at the PrimeTrade BOL portal.")
    } else {
        format!(
            "{by} has set up a login for you at the PrimeTrade BOL portal, where you find the bills of lading of {}",
            sentence_end(company)
        )
    }
}

pub(super) fn invited_to_sso(by: &str, company: &str, issuer: &str, origin: &str) -> Words {
    Words {
        subject: "Your login for the PrimeTrade BOL portal".into(),
        paragraphs: vec![set_up(by, company), format!("It has no password: you log in with {}", sentence_end(issuer))],
        action: Some((format!("Log in with {issuer}").into(), format!("{origin}/login"))),
        closing: vec!["If you didn't expect this email, ignore it.".into()],
        ..Words::default()
    }
}

pub(super) fn no_password(issuer: &str, origin: &str) -> Words {
    Words {
        subject: format!("Log in to the PrimeTrade BOL portal with {issuer}"),
        paragraphs: vec![format!(
            "A new password was requested for your login at the PrimeTrade BOL portal. Your login has no password: you log in with {}",
            sentence_end(issuer)
        )],
        action: Some((format!("Log in with {issuer}").into(), format!("{origin}/login"))),
        closing: vec!["If you didn't ask for it, ignore this email.".into()],
        ..Words::default()
    }
}

pub(super) fn invitation(by: &str, company: &str, days: i64, link: String) -> Words {
    Words {
        subject: "Your login for the PrimeTrade BOL portal".into(),
        paragraphs: vec![set_up(by, company)],
        action: Some(("Choose your password".into(), link)),
        closing: vec![format!(
            "The link works once, for {days} days. If it has expired, ask for a new one with “Forgot your password?” on the login page. If you didn't expect this email, ignore it."
        )],
        ..Words::default()
    }
}

pub(super) fn reset(minutes: i64, link: String) -> Words {
    Words {
        subject: "Set a new password for the PrimeTrade BOL portal".into(),
        paragraphs: vec!["A new password was requested for your login at the PrimeTrade BOL portal.".into()],
        action: Some(("Choose a new password".into(), link)),
        closing: vec![format!(
            "The link works once, for {minutes} minutes. If you didn't ask for it, ignore this email. Your password stays the same."
        )],
        ..Words::default()
    }
}

pub(super) fn password_changed(Sender { origin, office, .. }: &Sender<'_>) -> Words {
    let phone = office.phone_in_brackets();
    Words {
        subject: "Your password for the PrimeTrade BOL portal was changed".into(),
        paragraphs: vec![
            "The password of your login at the PrimeTrade BOL portal was just changed, and all other sessions were ended.".into(),
        ],
        action: Some(("Your account".into(), format!("{origin}/account"))),
        closing: vec![format!(
            "If that wasn't you, set a new password at once with “Forgot your password?” on the login page, and call the terminal office{phone}."
        )],
        ..Words::default()
    }
}
