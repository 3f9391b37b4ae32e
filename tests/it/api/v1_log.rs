//! `GET /api/v1/log/events`: a program follows the log.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use diesel_async::SimpleAsyncConnection;
use primetrade::db;
use serde_json::Value;

use crate::support::{Action, Actor, App, World};

async fn read(actor: &Actor, after: Option<i64>, query: &str) -> Vec<Value> {
    let after = after.map(|after| format!("&after={after}")).unwrap_or_default();
    let answer = actor.get(&format!("/api/v1/log/events?{query}{after}")).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/x-ndjson"), "{}", answer.text());
    answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn position(event: &Value) -> i64 {
    event["position"].as_i64().unwrap()
}

/// Commits events in another order than they got their ids.
async fn write(app: &App, writer: u64, events: usize) {
    let mut connection = db::connect(&app.database).await.unwrap();
    for event in 0..events {
        let pause = (writer * 7 + event as u64 * 13) % 5;
        let sql = format!(
            "BEGIN; INSERT INTO audit_events (action, outcome, user_email) VALUES ('LOGOUT', 'success', 'w{writer}-{event}'); \
             SELECT pg_sleep({}); COMMIT",
            pause as f64 / 1000.0
        );
        connection.batch_execute(&sql).await.unwrap();
    }
}

/// Sixteen writers while one program follows: every event once, in the sealed order.
#[tokio::test(flavor = "multi_thread")]
async fn a_follower_misses_no_event_and_gets_none_twice() {
    const WRITERS: u64 = 16;
    const EVENTS: usize = 60;
    let app = App::start().await;
    let auditor = app.auditor().await;
    let writers = futures_util::future::join_all((0..WRITERS).map(|writer| write(&app, writer, EVENTS)));
    let follow = async {
        let (mut positions, mut seen, mut last) = (Vec::new(), HashSet::new(), None);
        while seen.len() < WRITERS as usize * EVENTS {
            let events = read(&auditor, last, "limit=50&wait=10").await;
            assert!(events.len() <= 50);
            for event in &events {
                positions.push(position(event));
                let email = event["user_email"].as_str().unwrap_or_default();
                if email.starts_with('w') {
                    assert!(seen.insert(email.to_owned()), "{email} twice");
                }
            }
            last = positions.last().copied().or(last);
        }
        (positions, last)
    };
    let (_, (positions, last)) = tokio::join!(writers, follow);
    assert!(positions.iter().copied().eq(0..positions.len() as i64), "no position is missing, and none comes twice");
    // The order is the one of the tree, with the same hashes.
    let leaves = app.rows("SELECT position || ' ' || encode(hash, 'hex') FROM audit_leaves ORDER BY position").await;
    // Those of the follower's own readings come after them.
    app.sealed().await;
    let events = read(&auditor, None, "limit=5000").await;
    for (event, leaf) in events.iter().zip(leaves.iter()) {
        assert_eq!(format!("{} {}", position(event), event["leaf_hash"].as_str().unwrap()), *leaf);
    }
    assert!(events.len() > positions.len() && position(events.last().unwrap()) >= last.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_is_recorded_and_a_follower_does_not_follow_itself() {
    let app = App::start().await;
    let (auditor, acme) = (app.auditor().await, app.acme().await);
    app.sealed().await;
    let first = read(&auditor, None, "").await;
    let last = position(first.last().unwrap());
    let viewed = app.events().await.single(Action::AuditViewed);
    assert_eq!(
        (viewed.email(), viewed.detail("feed")),
        (World::AUDITOR, format!("{{\"after\":-1,\"events\":{},\"through\":{last}}}", first.len()))
    );
    app.sealed().await;
    // Only the record of the reading is new. Reading that is not recorded, or it would never end.
    let own = read(&auditor, Some(last), "wait=10").await;
    assert_eq!(own.iter().map(|event| event["action"].as_str().unwrap()).collect::<Vec<_>>(), ["AUDIT_VIEWED"]);
    let last = position(&own[0]);
    let begun = Instant::now();
    assert!(read(&auditor, Some(last), "wait=1").await.is_empty());
    assert!(begun.elapsed() >= Duration::from_secs(1));
    // Something happens while a program waits.
    let path = format!("/bols/{}", World::ACME_BOL);
    let (next, _) = tokio::join!(read(&auditor, Some(last), "wait=20"), acme.get(&path));
    assert_eq!(next[0]["action"], "BOL_VIEWED");
    assert_eq!((next[0]["user_email"].as_str(), next[0]["customer_code"].as_str()), (Some(World::ACME), Some("ACME")));
    assert_eq!(app.events().await.only(Action::AuditViewed).len(), 2);
    for wrong in ["after=x", "after=-1", "limit=0", "limit=5001", "wait=31"] {
        assert_eq!(auditor.get(&format!("/api/v1/log/events?{wrong}")).await.status, 422, "{wrong}");
    }
    for other in [app.office().await, acme] {
        assert_eq!(other.get("/api/v1/log/events").await.status, 403);
    }
}

/// A user who is disabled while the program waits gets nothing more.
#[tokio::test(flavor = "multi_thread")]
async fn access_that_ends_while_a_program_waits_ends_the_answer() {
    let app = App::start().await;
    let auditor = app.auditor().await;
    app.sealed().await;
    let last = position(read(&auditor, None, "").await.last().unwrap());
    app.sealed().await;
    let last = position(read(&auditor, Some(last), "").await.last().unwrap_or(&serde_json::json!({"position": last})));
    let path = format!("/api/v1/log/events?after={last}&wait=20");
    let disable = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        app.sql(&format!("UPDATE users SET active = false WHERE email = '{}'", World::AUDITOR)).await;
        app.acme().await;
    };
    let (answer, ()) = tokio::join!(auditor.get(&path), disable);
    assert_eq!(answer.status, 403, "{}", answer.text());
    let waiting = async || app.office().await.get("/api/v1/log/events?wait=1").await.status;
    assert_eq!(waiting().await, 403);
}
