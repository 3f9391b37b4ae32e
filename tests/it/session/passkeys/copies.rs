//! The sign count shows a copy of a passkey.

use super::{LOGIN, LOGIN_OPTIONS, add, assert_refused, log_in, options, origin, portal, register};
use crate::support::soft_key::SoftKey;
use crate::support::{Action, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_refused_recorded_and_told_to_the_owner() {
    let app = portal(&[]).await;
    let mut key = add(&app, &app.acme().await, "Phone").await;
    let sent = app.mails().await.len();
    key.sign_count = 40;
    assert_eq!(log_in(&app, &app.stranger(), &mut key).await.status, 303);
    for copied in [39, 0] {
        // The next answer counts 40 again, or not at all.
        key.sign_count = copied;
        assert_refused(&log_in(&app, &app.stranger(), &mut key).await, "someone may have a copy of it");
    }
    let failed = app.events().await.only(Action::MfaFailed);
    let told = failed.list(|event| (event.email(), event.detail("reason")));
    assert_eq!(told, [(World::ACME, "sign count".to_owned()), (World::ACME, "sign count".to_owned())]);
    let mails = app.mails().await;
    assert_eq!((mails.len(), mails.last().unwrap().purpose.as_str()), (sent + 1, "passkey-copied"), "one a day");
    // The original, which has gone on counting.
    key.sign_count = 41;
    assert_eq!(log_in(&app, &app.stranger(), &mut key).await.status, 303);
}

/// Passkeys that are synced don't count.
#[tokio::test(flavor = "multi_thread")]
async fn an_authenticator_that_does_not_count_is_accepted() {
    let app = portal(&[]).await;
    let acme = app.acme().await;
    let begun = options(&acme, super::ADD_OPTIONS).await;
    let mut key = SoftKey::new(&begun);
    key.sign_count = 0;
    register(&app, &acme, "Phone", &begun, &key).await;
    for _ in 0..2 {
        assert_eq!(log_in(&app, &app.stranger(), &mut key).await.status, 303);
    }
    // One that begins to count may go on only upwards.
    key.sign_count = 6;
    assert_eq!(log_in(&app, &app.stranger(), &mut key).await.status, 303);
    key.sign_count = 0;
    assert_eq!(log_in(&app, &app.stranger(), &mut key).await.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_names_its_own_user() {
    let app = portal(&[]).await;
    let (mut acme, mut rival) =
        (add(&app, &app.acme().await, "Phone").await, add(&app, &app.rival().await, "Phone").await);
    let stranger = app.stranger();
    let mut answer = acme.answer(&options(&stranger, LOGIN_OPTIONS).await, &origin(&app));
    answer.user_handle = Some(rival.user_handle.clone());
    assert_refused(&stranger.post(LOGIN, &[("passkey", &acme.sign(&answer))]).await, "belongs to another login");
    let mut answer = rival.answer(&options(&stranger, LOGIN_OPTIONS).await, &origin(&app));
    (answer.id, answer.raw_id) = (super::encoded(&acme.id), acme.id.clone());
    assert_refused(&stranger.post(LOGIN, &[("passkey", &rival.sign(&answer))]).await, "belongs to another login");
    answer = rival.answer(&options(&stranger, LOGIN_OPTIONS).await, &origin(&app));
    (answer.id, answer.raw_id) = (super::encoded(&acme.id), acme.id.clone());
    answer.user_handle = Some(acme.user_handle.clone());
    assert_refused(&stranger.post(LOGIN, &[("passkey", &rival.sign(&answer))]).await, "was not accepted");
    assert_eq!(log_in(&app, &stranger, &mut rival).await.status, 303);
    assert!(stranger.get("/account").await.text().contains(World::RIVAL));
}
