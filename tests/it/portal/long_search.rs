//! Searches in a list that is too long to read: they find everything, once, and no search reads all of it at a time.

use crate::support::{Action, Actor, App};

const BOLS: usize = 27_000;
/// Old BOLs of one product, too many for the index and none among the newest.
const BILLETS: usize = 2_500;

/// The BOLs of RIVAL, oldest first: slag, billets, and pig iron. ACME has slag too.
async fn long_list(app: &App) {
    let (acme, rival) = (app.world.acme, app.world.rival);
    app.sql(&format!(
        "INSERT INTO bols (number, number_year, number_seq, customer_id, customer_name, bol_date, product, net_lb, voided_at, void_reason)
         SELECT 'PRT-2020-' || lpad(n::text, 5, '0'), 2020, n, CASE n WHEN 1 THEN {acme} ELSE {rival} END, 'Rival Iron',
                date '2020-01-01' + n / 20, CASE WHEN n <= 2 THEN 'Slag' WHEN n BETWEEN 101 AND 2600 THEN 'Billets' ELSE 'Pig iron' END,
                42000, CASE n WHEN 9 THEN now() END, CASE n WHEN 9 THEN 'wrong weight' ELSE '' END
         FROM generate_series(1, {BOLS}) n;
         ANALYZE bols"
    ))
    .await;
}

/// Follows the links to further BOLs, and returns all numbers and the number of pages that stopped early.
async fn walk(actor: &Actor, first: &str) -> (Vec<String>, usize) {
    let (mut numbers, mut stops, mut path) = (Vec::new(), 0, first.to_owned());
    loop {
        let page = actor.get(&path).await;
        assert_eq!(page.status, 200, "{path}");
        numbers.extend(page.all("tbody .number"));
        stops += usize::from(page.all(".count").concat().ends_with("found so far"));
        match page.attributes(".pager a[rel=next], a.further", "href").pop() {
            Some(next) => path = next,
            None => return (numbers, stops),
        }
    }
}

fn unique(mut numbers: Vec<String>) -> usize {
    numbers.sort();
    numbers.dedup();
    numbers.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rare_is_found_wherever_it_is() {
    let app = App::start().await;
    long_list(&app).await;
    let rival = app.rival().await;
    for (filter, number) in [
        ("q=slag", "PRT-2020-00002"),
        ("q=slag&sort=product", "PRT-2020-00002"),
        ("q=product slag", "PRT-2020-00002"),
        ("status=void", "PRT-2020-00009"),
        ("q=pig+void", "PRT-2020-00009"),
        ("q=20-00012", "PRT-2020-00012"),
    ] {
        let page = rival.get(&format!("/bols?{filter}")).await;
        assert_eq!(page.all("tbody .number"), [number], "{filter}");
        assert_eq!(page.one(".count"), "1 BOL matches", "{filter}");
        assert!(page.all(".pager").is_empty(), "{filter}");
    }
    for nothing in ["kind=invoice", "q=ingots", "q=slag+void", "q=slag&kind=signed-bol"] {
        let page = rival.get(&format!("/bols?{nothing}")).await;
        assert_eq!(
            (page.one(".count"), page.one(".empty h2")),
            ("0 BOLs match".into(), "No BOL matches.".into()),
            "{nothing}"
        );
    }
    // A common word is counted as far as the search looked.
    let page = rival.get("/bols?q=iron").await;
    assert_eq!(
        (page.one(".count"), page.one(".range")),
        ("More than 4,999 BOLs match".into(), "1–50 of more than 4,999".into())
    );
    assert_eq!(app.office().await.get("/bols?q=slag").await.all("tbody .number"), ["PRT-2020-00002", "PRT-2020-00001"]);
    assert_eq!(app.acme().await.get("/bols?q=slag").await.all("tbody .number"), ["PRT-2020-00001"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_stops_says_so_and_goes_on_from_there() {
    let app = App::start().await;
    long_list(&app).await;
    let rival = app.rival().await;
    let page = rival.get("/bols?q=billets").await;
    assert_eq!(page.one(".count"), "No BOL found so far");
    assert!(
        page.one(".aside").starts_with("10,000 BOLs of this list were searched, and there are more."),
        "{}",
        page.text()
    );
    assert!(page.all(".empty").is_empty());
    for path in ["/bols?q=billets", "/bols?q=billets&sort=date", "/bols?q=billets&sort=-number"] {
        let (numbers, stops) = walk(&rival, path).await;
        assert_eq!((numbers.len(), unique(numbers)), (BILLETS, BILLETS), "{path}");
        assert!(stops > 0, "{path}");
    }
    // Two letters have no index.
    let (numbers, stops) = walk(&rival, "/bols?q=sl").await;
    assert_eq!((&*numbers, stops), (&["PRT-2020-00002".to_owned()][..], 2));
    let mut path = "/bols?q=zq".to_owned();
    let last = loop {
        let page = rival.get(&path).await;
        match page.attributes("a.further", "href").pop() {
            Some(next) => path = next,
            None => break page,
        }
    };
    assert_eq!((last.one(".empty h2"), last.all(".count").concat()), ("No more BOLs match.".into(), String::new()));
    assert_eq!(last.attributes(".empty a", "href"), ["/bols?q=zq"]);
    // Programs need not follow empty pages, and a file has all of it.
    let mut next = String::new();
    let mut found = Vec::new();
    loop {
        let list = rival.get(&format!("/api/v1/bols?q=billets&limit=200&after={next}")).await.json();
        let bols = list["bols"].as_array().expect("BOLs").iter();
        found.extend(bols.map(|bol| bol["number"].as_str().expect("a number").to_owned()));
        let Some(after) = list["next"].as_str() else { break };
        after.clone_into(&mut next);
    }
    assert_eq!((found.len(), unique(found)), (BILLETS, BILLETS));
    let file = rival.get("/bols/export?q=billets&format=csv").await.text();
    assert_eq!(file.lines().count(), BILLETS + 1);
    assert_eq!(app.events().await.single(Action::BolsExported).detail("rows"), "more than 0");
    let office = app.office().await;
    let refused = office.get("/office/bols/assign?list=q%3Dbillets&all=1").await;
    assert_eq!((refused.status, refused.header("location")), (303, "/bols?q=billets&done=many"));
}
