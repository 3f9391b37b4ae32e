//! Proofs of single events, checked with only the proof and the log's public key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use primetrade::audit::prove::prove;

use crate::support::{Action, App, World, primetrade, script};

/// Runs the script over a proof, and returns whether it accepts it and what it prints.
async fn check(proof: &str, key: &str) -> (bool, String) {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("event.tlog-proof");
    std::fs::write(&file, proof).unwrap();
    script(&[concat!(env!("CARGO_MANIFEST_DIR"), "/tools/check_proof.py").as_ref(), file.as_ref(), key.as_ref()]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_proved_without_the_log() {
    let app = App::start().await;
    app.acme().await.get(&format!("/bols/{}", World::ACME_BOL)).await;
    for count in [1, 60, 300] {
        app.sql(&format!("INSERT INTO audit_events (action, outcome, user_agent) SELECT 'X', 'success', E'two\\nlines \"é\"' FROM generate_series(1, {count})")).await;
        app.sealed().await;
        app.published().await;
    }
    // This event is sealed, but its checkpoint is not in the storage yet.
    app.sql("INSERT INTO audit_events (action, outcome) VALUES ('X', 'success')").await;
    app.sealed().await;
    let key = app.public_key().await;
    for id in [1, 2, 3, 4, 40, 63, 64, 65, 200, 363, 364] {
        let proof = prove(&app.db(), &app.seals(), id).await.unwrap();
        let (is_proved, told) = check(&proof, &key).await;
        assert!(is_proved && told.contains(&format!("{{\"id\":{id},")), "{id}: {told}");
        // An independent implementation accepts the proof too.
        let lines: Vec<&str> = proof.lines().collect();
        let index: u64 = lines[2].strip_prefix("index ").unwrap().parse().unwrap();
        let event = STANDARD.decode(lines[1].strip_prefix("extra ").unwrap()).unwrap();
        let hashes: Vec<tlog_tiles::Hash> = lines[3..]
            .iter()
            .take_while(|line| !line.is_empty())
            .map(|line| tlog_tiles::Hash::parse_hash(line).unwrap())
            .collect();
        let note = proof.split_once("\n\n").unwrap().1;
        let checkpoint =
            tlog_tiles::Checkpoint::from_bytes(signed_note::Note::from_bytes(note.as_bytes()).unwrap().text()).unwrap();
        tlog_tiles::check_record(
            &hashes,
            checkpoint.size(),
            *checkpoint.hash(),
            index,
            tlog_tiles::record_hash(&event),
        )
        .unwrap();
    }
    // Every changed character is noticed.
    let proof = prove(&app.db(), &app.seals(), 200).await.unwrap();
    let mut noticed = 0;
    for at in (0..proof.len()).filter(|at| proof.is_char_boundary(*at) && proof.is_char_boundary(at + 1)) {
        // The last character of base64 has unused bits.
        if at % 23 != 0 || &proof[at..=at] == "\n" || proof[at + 1..].starts_with('=') {
            continue;
        }
        let other = if &proof[at..=at] == "A" { "B" } else { "A" };
        let changed = format!("{}{other}{}", &proof[..at], &proof[at + 1..]);
        let (is_proved, told) = check(&changed, &key).await;
        assert!(!is_proved, "{at}: {told}");
        noticed += 1;
    }
    assert!(noticed > 50);
    let other = primetrade(&[], &["audit", "keygen"], "").await;
    let other = String::from_utf8(other.stderr).unwrap().lines().last().unwrap().to_owned();
    let (is_proved, told) = check(&proof, &other).await;
    assert!(!is_proved && told.contains("isn't signed with this key"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_a_proof_gets_a_reason() {
    let app = App::start().await;
    let auditor = app.auditor().await;
    app.sealed().await;
    let told = primetrade(app.environment(), &["audit", "prove", "77"], "").await;
    assert!(
        told.status.code() == Some(1) && String::from_utf8_lossy(&told.stderr).contains("no event has this id"),
        "{told:?}"
    );
    assert_eq!(auditor.get("/audit/events/77/proof").await.status, 404);
    assert_eq!(auditor.get("/audit/events/x/proof").await.status, 404);
    let told = primetrade(app.environment(), &["audit", "prove", "1"], "").await;
    assert!(told.status.success());
    // The page of the event offers the same proof, and each one is recorded.
    let page = auditor.get("/audit/events/1").await;
    let href = page.attributes("section:has(#seal) a", "href").remove(0);
    let answer = auditor.get(&href).await;
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"event-1.tlog-proof\"");
    assert!(check(&answer.text(), &app.public_key().await).await.0);
    assert_eq!(app.events().await.filter(|event| event.detail("proof") == "1").len(), 2);
    for refused in [app.office().await, app.acme().await] {
        assert_eq!(refused.get("/audit/events/1/proof").await.status, 403);
        assert_eq!(refused.get("/audit/integrity").await.status, 403);
    }
    // An event that was changed is not proved.
    app.tamper("UPDATE audit_events SET user_agent = 'x' WHERE id = 1").await;
    assert_eq!(auditor.get(&href).await.status, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_verifies_on_a_page() {
    let app = App::start().await;
    let auditor = app.auditor().await;
    app.sealed().await;
    app.published().await;
    let page = auditor.get("/audit/integrity").await;
    assert!(page.one("section:has(#seals)").contains("1 events") && page.text().contains("hasn't been verified yet"));
    assert!(page.text().contains(&app.public_key().await));
    let verify = async || {
        let answer = auditor.post("/audit/integrity", &[]).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/audit/integrity?done=begun"));
        for _ in 0..100 {
            let page = auditor.get("/audit/integrity").await;
            if !page.text().contains("is running") {
                return page;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("it doesn't end");
    };
    let page = verify().await;
    let row = page.one("section:has(#runs) tbody tr");
    assert!(row.contains("Everything matches what was sealed") && row.contains(World::AUDITOR), "{row}");
    app.tamper("DELETE FROM audit_events WHERE id = 1").await;
    let page = verify().await;
    let row = page.all("section:has(#runs) tbody tr").remove(0);
    assert!(row.contains("Not as sealed") && row.contains("Event 1 is missing: it was sealed at position 0"), "{row}");
    let runs = app.events().await.only(Action::AuditVerified);
    assert_eq!(runs.list(|event| event.outcome.as_str()), ["success", "failed"]);
    // A copy of the good result, and one without a signature, prove nothing.
    for detail in ["detail", "detail - 'note'"] {
        app.sql(&format!(
            "INSERT INTO audit_events (action, outcome, user_email, detail) \
             SELECT action, outcome, user_email, {detail} FROM audit_events WHERE action = 'AUDIT_VERIFIED' AND outcome = 'success' LIMIT 1"
        ))
        .await;
        let row = auditor.get("/audit/integrity").await.all("section:has(#runs) tbody tr").remove(0);
        assert!(row.contains("Not signed with the key of this log, so the result proves nothing"), "{row}");
    }
}
