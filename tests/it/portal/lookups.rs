//! A login that tries many numbers is slowed and noticed, on all instances together.

use std::time::Duration;

use crate::support::{Action, App, World};

const LIMIT: usize = 60;

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_tries_many_numbers_is_slowed_and_noticed() {
    let mut app = App::start().await;
    let second = app.second().await;
    let rival = app.rival().await;
    let begun = tokio::time::Instant::now();
    let mut statuses = Vec::new();
    for n in 0..300 {
        // The rival's own BOL is among them, and isn't found by trying.
        let number = if n == 250 { World::RIVAL_BOL.to_owned() } else { format!("PRT-2025-{:04}", 1000 + n) };
        let path = match n % 3 {
            0 => format!("/bols/{number}"),
            1 => format!("/bols/{number}/download"),
            _ => format!("/bols/download.zip?number={number}"),
        };
        let actor = if n % 2 == 0 { rival.clone() } else { rival.at(&second) };
        statuses.push(actor.get(&path).await.status);
    }
    let count = |status| statuses.iter().filter(|found| **found == status).count();
    println!("300 numbers in {:?}: {} denied, {} refused", begun.elapsed(), count(404), count(429));
    assert_eq!((count(404), count(429)), (LIMIT, 300 - LIMIT), "{statuses:?}");
    let events = app.events().await;
    assert_eq!(events.only(Action::AccessDenied).len(), LIMIT);
    let limited = events.single(Action::LookupsLimited);
    assert_eq!(
        (limited.email(), limited.outcome.as_str(), limited.detail("denied")),
        (World::RIVAL, "denied", "60".into())
    );
    // The list still works, and so do the lookups of others.
    let refused = rival.get(&format!("/bols/{}", World::RIVAL_BOL)).await;
    assert_eq!((refused.status, refused.one("h1")), (429, "Too many at once".into()));
    assert!(!refused.header("retry-after").is_empty() && refused.text().contains("Use the list"));
    assert_eq!(rival.get("/api/bol/3/download/").await.status, 429);
    assert_eq!(rival.get("/bols").await.status, 200);
    assert_eq!(app.user(World::BROKER).await.get(&format!("/bols/{}", World::RIVAL_BOL)).await.status, 200);
    // The office sees it, and an administrator reads on.
    let page = app.office().await.get("/office").await;
    assert!(page.one("table[aria-labelledby=limited] tbody").contains(World::RIVAL), "{}", page.text());
    let page = app.user(World::ADMIN).await.get("/office").await;
    assert_eq!(page.attributes("table[aria-labelledby=limited] a", "href").len(), 1);
    // It ends.
    app.sql("UPDATE denied_lookups SET blocked_until = blocked_until - interval '5 minutes', since = since - interval '5 minutes'").await;
    assert_eq!(rival.get(&format!("/bols/{}", World::RIVAL_BOL)).await.status, 200);
    assert_eq!(rival.get("/bols/PRT-2025-1000").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_mistypes_numbers_is_not_slowed() {
    let app = App::start().await;
    let (acme, office) = (app.acme().await, app.office().await);
    for n in 0..LIMIT - 1 {
        assert_eq!(acme.get(&format!("/bols/PRT-2025-{:04}", 2000 + n)).await.status, 404);
        // Nothing is kept from the office.
        assert_eq!(office.get(&format!("/bols/PRT-2025-{:04}", 2000 + n)).await.status, 404);
        assert_eq!(office.get(&format!("/bols/PRT-2025-{:04}", 3000 + n)).await.status, 404);
    }
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(acme.get(&format!("/bols/{}", World::ACME_BOL)).await.status, 200);
    assert_eq!(office.get(&format!("/bols/{}", World::ACME_BOL)).await.status, 200);
    assert!(app.events().await.only(Action::LookupsLimited).is_empty());
    assert!(app.office().await.get("/office").await.all("#limited").is_empty());
}
