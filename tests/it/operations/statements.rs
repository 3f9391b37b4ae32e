//! How many statements a page sends to Postgres, so that no query for each row creeps in.

use std::collections::BTreeMap;

use crate::support::{Actor, App, World};

/// Requests of one path. The statements of background tasks are fewer than this in that time.
const REQUESTS: u32 = 40;

type Counts = BTreeMap<String, u32>;

async fn counts(app: &App) -> Counts {
    let scrape = app.scrape().await;
    let line = |line: &str| {
        let rest = line.strip_prefix("primetrade_statement_duration_seconds_count{query=\"")?;
        let (name, value) = rest.split_once("\"} ")?;
        Some((name.to_owned(), value.parse::<f64>().ok()? as u32))
    };
    scrape.text.lines().filter_map(line).collect()
}

/// Returns the statements of one request by name, without those that only begin or end a transaction.
async fn statements(app: &App, actor: &Actor, path: &str, status: u16) -> Counts {
    // Statements are prepared at the first requests.
    for _ in 0..8 {
        assert_eq!(actor.get(path).await.status, status, "{path}");
    }
    let before = counts(app).await;
    for _ in 0..REQUESTS {
        actor.get(path).await;
    }
    let after = counts(app).await;
    let of_one = after.into_iter().map(|(name, count)| {
        let earlier = before.get(&name).copied().unwrap_or_default();
        (name, (count - earlier) / REQUESTS)
    });
    of_one.filter(|(name, count)| *count > 0 && !["BEGIN", "COMMIT", "ROLLBACK"].contains(&name.as_str())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_sends_few_statements_however_much_it_shows() {
    let (app, _smtp) = App::with_metrics().await;
    app.sql(&format!(
        "INSERT INTO bols (number, number_year, number_seq, customer_id, bol_date, product, net_lb)
         SELECT 'PRT-2019-' || n, 2019, n, CASE n % 3 WHEN 0 THEN {} ELSE {} END, date '2019-01-01', 'Pig iron', 40000
         FROM generate_series(1000, 1300) n",
        app.world.rival, app.world.acme
    ))
    .await;
    let bol = format!("/bols/{}", World::ACME_BOL);
    let (list, filtered, download) = ("/bols", "/bols?q=pig", format!("{bol}/download"));
    let (acme, broker, office) = (app.acme().await, app.user(World::BROKER).await, app.office().await);
    for (actor, path, status, most) in [
        (&acme, list, 200, 3),
        (&broker, list, 200, 3),
        (&acme, filtered, 200, 4),
        (&acme, "/api/bols", 200, 3),
        // The names of the customers, and those to whom the office can assign.
        (&office, list, 200, 5),
        (&acme, &*bol, 200, 6),
        (&office, &*bol, 200, 6),
        (&acme, &*download, 303, 4),
        (&office, &*download, 303, 4),
    ] {
        let sent = statements(&app, actor, path, status).await;
        let count: u32 = sent.values().sum();
        assert!((2..=most).contains(&count), "{path}: {count} statements, {sent:?}");
    }
}
