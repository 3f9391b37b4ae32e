//! The number of BOLs above a list, which is kept instead of counted.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use primetrade::bols::counts;

use crate::support::{Actor, App, World};

async fn shown(actors: &[&Actor]) -> Vec<String> {
    let mut counts = Vec::new();
    for actor in actors {
        counts.push(actor.get("/bols").await.one(".count"));
    }
    counts
}

/// Whether the numbers are those of the table, and each company has one row.
async fn are_exact(app: &App) -> (bool, bool) {
    let kept = app
        .rows("SELECT coalesce(customer_id, 0), sum(bols), count(*) FROM bol_counts GROUP BY 1 HAVING sum(bols) <> 0 ORDER BY 1")
        .await;
    let counted = app
        .rows(
            "SELECT customer_id, count(*) FROM bols WHERE customer_id IS NOT NULL GROUP BY 1
             UNION ALL SELECT 0, count(*) FROM bols ORDER BY 1",
        )
        .await;
    let without_rows: Vec<&str> = kept.iter().filter_map(|line| Some(line.rsplit_once('|')?.0)).collect();
    (without_rows == counted, kept.iter().all(|line| line.ends_with("|1")))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_says_the_number_of_bols_whichever_rows_it_has() {
    let app = App::start().await;
    let broker = app.user(World::BROKER).await;
    assert_eq!(shown(&[&broker]).await, ["4 BOLs"], "of two companies");
    let position = |json: &str| URL_SAFE_NO_PAD.encode(json);
    let behind_all = format!("/bols?after={}", position(r#"{"d":["1999-01-01",1]}"#));
    let page = broker.get(&behind_all).await;
    assert_eq!((page.all("tbody .number").len(), page.one(".count")), (0, "4 BOLs".into()), "a page without a row");
    let behind_first = format!("/bols?after={}", position(r#"{"d":["2099-01-01",1]}"#));
    let page = broker.get(&behind_first).await;
    assert_eq!((page.all("tbody .number").len(), page.one(".count")), (4, "4 BOLs".into()), "a later page");
    app.sql("UPDATE bols SET customer_id = NULL").await;
    let page = broker.get("/bols").await;
    assert_eq!((page.all("tbody .number").len(), page.one(".count")), (0, "0 BOLs".into()), "nothing to list");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_bols_follows_every_change() {
    let app = App::start().await;
    let (acme, rival, office) = (app.acme().await, app.rival().await, app.office().await);
    let all = [&acme, &rival, &office];
    let before = shown(&all).await;
    assert_eq!(before[..2], ["3 BOLs", "1 BOL"]);
    assert!(are_exact(&app).await.0);
    app.sql(&format!("UPDATE bols SET customer_id = {} WHERE number = '{}'", app.world.rival, World::ACME_BARE)).await;
    assert_eq!(shown(&all).await, ["2 BOLs".to_owned(), "2 BOLs".into(), before[2].clone()]);
    app.sql(&format!("UPDATE bols SET customer_id = NULL WHERE number = '{}'", World::ACME_BARE)).await;
    assert_eq!(shown(&all).await, ["2 BOLs".to_owned(), "1 BOL".into(), before[2].clone()]);
    app.sql(&format!(
        "INSERT INTO bols (number, number_year, number_seq, customer_id, bol_date, product, net_lb)
         SELECT 'PRT-2019-' || n, 2019, n, CASE WHEN n % 4 = 0 THEN NULL ELSE {} END, date '2019-01-01', 'Pig iron', 40000
         FROM generate_series(1000, 12999) n",
        app.world.rival
    ))
    .await;
    assert_eq!(shown(&[&rival]).await, ["9,001 BOLs"]);
    let in_all = shown(&[&office]).await.remove(0);
    assert!(in_all.starts_with("12,0"), "beyond ten thousand, too: {in_all}");
    app.sql("DELETE FROM bols WHERE number_year = 2019 AND number_seq < 2000").await;
    assert_eq!(shown(&[&rival]).await, ["8,251 BOLs"]);
    assert!(are_exact(&app).await.0);
    // Two processes add up at once, while BOLs arrive.
    let db = app.db();
    let more = app.sql("DELETE FROM bols WHERE number_year = 2019 AND number_seq < 2010");
    let (one, other, ()) = tokio::join!(counts::add_up(&db), counts::add_up(&db), more);
    one.unwrap();
    other.unwrap();
    counts::add_up(&db).await.unwrap();
    assert_eq!(are_exact(&app).await, (true, true));
    assert_eq!(counts::add_up(&db).await.unwrap(), 0, "nothing is left to add up");
}
