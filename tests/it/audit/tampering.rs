//! `audit verify` notices every tampering that a random generator makes up.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use crate::support::SealedLog;

/// The text columns of an event that a tampering may change.
const FIELDS: [&str; 9] = [
    "user_email",
    "user_role",
    "customer_code",
    "bol_number",
    "document_kind",
    "file_name",
    "object_key",
    "user_agent",
    "request_id",
];

const NUMBERS: [&str; 4] = ["user_id", "customer_id", "bol_id", "document_id"];

/// The SQL of one tampering, or nothing for one in the storage.
fn tampering(dice: &mut StdRng) -> String {
    let (id, other) = (dice.random_range(1..=1802), dice.random_range(0..1802));
    let field = FIELDS.choose(dice).unwrap();
    match dice.random_range(0..12) {
        0 => format!("UPDATE audit_events SET {field} = coalesce({field}, '') || 'x' WHERE id = {id}"),
        1 => format!(
            "UPDATE audit_events SET {} = {} WHERE id = {id}",
            NUMBERS.choose(dice).unwrap(),
            dice.random_range(10_000..20_000)
        ),
        2 => format!(
            "UPDATE audit_events SET occurred_at = occurred_at - {} * interval '1 second' WHERE id = {id}",
            dice.random_range(1..100_000)
        ),
        3 => format!("UPDATE audit_events SET detail = detail || '{{\"x\": {other}}}' WHERE id = {id}"),
        4 => format!("DELETE FROM audit_events WHERE id = {id}"),
        5 => format!("DELETE FROM audit_events WHERE id > {id}"),
        6 => format!(
            "INSERT INTO audit_events SELECT (jsonb_populate_record(e, jsonb_build_object('id', 5000 + {other}))).* FROM audit_events e WHERE id = {id}"
        ),
        7 => format!(
            "UPDATE audit_leaves SET hash = set_byte(hash, {}, (get_byte(hash, 0) + 1) % 256) WHERE position = {other} AND get_byte(hash, 0) <> 255",
            0
        ),
        8 => format!(
            "DELETE FROM audit_leaves WHERE position >= {other}; DELETE FROM audit_checkpoints WHERE size > {other}; DELETE FROM audit_events WHERE id > {other}"
        ),
        9 => format!(
            "UPDATE audit_checkpoints SET note = overlay(note placing '+' from {}) WHERE size = (SELECT size FROM audit_checkpoints WHERE size > {other} ORDER BY size LIMIT 1)",
            dice.random_range(1..60)
        ),
        10 => format!(
            "DELETE FROM audit_checkpoints WHERE size = (SELECT size FROM audit_checkpoints WHERE size > {other} ORDER BY size LIMIT 1)"
        ),
        _ => String::new(),
    }
}

/// `TAMPERINGS=1000 cargo test --test it -- tampering::` runs more of them.
#[tokio::test(flavor = "multi_thread")]
async fn tamperings_at_random_are_all_noticed() {
    #[allow(clippy::disallowed_methods, reason = "a variable of the tests, not of the program")]
    let count = std::env::var("TAMPERINGS").ok().and_then(|count| count.parse().ok()).unwrap_or(40);
    let mut log = SealedLog::new().await;
    let mut dice = StdRng::seed_from_u64(7);
    let mut published = log.app.checkpoints().await;
    published.retain(|checkpoint| checkpoint.is_published);
    for round in 0..count {
        let sql = tampering(&mut dice);
        let changes = ["events", "leaves", "checkpoints"].map(|name| {
            let (now, kept) = (format!("SELECT * FROM audit_{name}"), format!("SELECT * FROM kept_{name}"));
            format!("(({now} EXCEPT ALL {kept}) UNION ALL ({kept} EXCEPT ALL {now}))")
        });
        let changes = format!("SELECT {}", changes.map(|rows| format!("(SELECT count(*) FROM {rows} x)")).join(" + "));
        if sql.is_empty() {
            let path = log.app.media(&published.choose(&mut dice).unwrap().key());
            let kept = std::fs::read(&path).unwrap();
            std::fs::remove_file(&path).unwrap();
            assert!(!log.verify().await.is_fine(), "{round}: {path:?} removed");
            std::fs::write(path, kept).unwrap();
            continue;
        }
        log.change(&sql).await;
        let is_changed = log.number(&changes).await > 0;
        let report = log.verify().await;
        assert_eq!(report.is_fine(), !is_changed, "{round}: {sql}: {report:?}");
        log.undo().await;
    }
}
