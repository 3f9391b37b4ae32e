//! Lists of hundreds of entries: their pages, the search, and the one form that is open.

use super::lists::{CARRIERS, saved};
use crate::support::{Answer, App};

/// 129 trucks of a carrier, and as many lots.
async fn with_long_lists(app: &App) {
    app.sql(
        "INSERT INTO carriers (id, name, scac) VALUES (9000, 'Zeta Lines', 'ZETL');
         INSERT INTO trucks (id, carrier_id, truck_number, trailer_number) SELECT 9000 + n, 9000, 'T-' || lpad(n::text, 4, '0'), '' FROM generate_series(1, 129) n;
         INSERT INTO lots (id, number, chemistry) SELECT 9000 + n, 'L-' || lpad(n::text, 4, '0'), 'C_' || n || '%' FROM generate_series(1, 129) n",
    )
    .await;
}

fn leads(page: &Answer, list: &str) -> Vec<String> {
    page.all(&format!("table[aria-labelledby={list}] .lead"))
}

/// Where a link of the pager of trucks leads.
fn pager_link(page: &Answer, rel: &str) -> Option<String> {
    page.attributes(&format!("nav[aria-label='Pages of trucks'] a[rel={rel}]"), "href").pop()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_is_shown_in_pages_of_50() {
    let app = App::start().await;
    let office = app.office().await;
    with_long_lists(&app).await;
    app.sql("UPDATE trucks SET active = false WHERE id = 9001").await;
    let first = office.get(CARRIERS).await;
    assert_eq!(leads(&first, "trucks").len(), 50);
    assert_eq!(first.all(".pager .range"), ["1–50 of 129"], "the carriers have one page, and no pager");
    assert_eq!(pager_link(&first, "prev"), None);
    let next = pager_link(&first, "next").expect("a second page");
    assert!(next.ends_with("#trucks"), "{next}");
    // A truck that arrives at the beginning moves nothing on the page.
    app.sql("INSERT INTO trucks (id, carrier_id, truck_number) VALUES (9500, 9000, 'A')").await;
    let second = office.get(&next).await;
    assert_eq!(leads(&second, "trucks")[0], "T-0052");
    assert_eq!(second.all(".pager .range"), ["52–101 of 130"]);
    let third = office.get(&pager_link(&second, "next").expect("a third page")).await;
    assert_eq!(leads(&third, "trucks").last().map(String::as_str), Some("T-0001"), "retired ones come last");
    assert_eq!((third.all(".pager .range"), pager_link(&third, "next")), (vec!["102–130 of 130".to_owned()], None));
    let back = office.get(&pager_link(&third, "prev").expect("the second page")).await;
    assert_eq!(leads(&back, "trucks"), leads(&second, "trucks"));
    // A page behind the last entry is the first one.
    app.sql("DELETE FROM trucks WHERE truck_number > 'T-0020' OR truck_number = 'T-0001'").await;
    assert_eq!(leads(&office.get(&pager_link(&second, "next").expect("a link")).await, "trucks").len(), 20);
    for wrong in ["trucks-after=x", "truck=x", "carriers-before=bnVsbA"] {
        let page = office.get(&format!("{CARRIERS}?{wrong}")).await;
        assert_eq!((page.status, leads(&page, "trucks").len()), (422, 20), "{wrong}");
        assert!(page.one("#problem").contains("doesn’t exist"), "{wrong}");
        page.expect_summary(wrong);
    }
    assert_eq!(office.get(&format!("{CARRIERS}?truck=1")).await.status, 200, "an entry that isn't there");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_one_list_leave_the_other_in_place() {
    let app = App::start().await;
    let office = app.office().await;
    app.sql("INSERT INTO carriers (id, name) SELECT 9000 + n, 'Carrier ' || lpad(n::text, 3, '0') FROM generate_series(1, 70) n;
             INSERT INTO trucks (carrier_id, truck_number) SELECT 9070, 'T-' || lpad(n::text, 3, '0') FROM generate_series(1, 70) n").await;
    let page = office.get(CARRIERS).await;
    assert_eq!((leads(&page, "carriers").len(), leads(&page, "trucks").len()), (50, 50));
    assert_eq!(page.all("#truck-new-carrier option").len(), 71, "a carrier of any page can have a truck");
    let next = page.attributes("nav[aria-label='Pages of carriers'] a[rel=next]", "href").remove(0);
    let page = office.get(&next).await;
    assert_eq!((leads(&page, "carriers").len(), &*leads(&page, "trucks")[0]), (20, "T-001"));
    let page = office.get(&pager_link(&page, "next").expect("more trucks")).await;
    assert_eq!((&*leads(&page, "carriers")[0], &*leads(&page, "trucks")[0]), ("Carrier 051", "T-051"));
    // The form of a truck sends both places along, and returns to them.
    let list = page.attributes("#truck-new-number, form[action='/office/carriers'] [name=list]", "value").remove(0);
    let form = [("name", "Carrier 0515"), ("list", &*list)];
    let answer = office.post(CARRIERS, &form).await;
    let page = office.get(answer.header("location").split('#').next().expect("an address")).await;
    assert_eq!((&*leads(&page, "carriers")[1], &*leads(&page, "trucks")[0]), ("Carrier 0515", "T-051"));
}

/// Trucks and lots grow with every BOL. Each one can be found and changed, wherever it is in the list.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_can_be_searched() {
    let app = App::start().await;
    let office = app.office().await;
    with_long_lists(&app).await;
    for (find, found) in [("t-0119", vec!["T-0119"]), ("zeta%25", vec![]), ("T_0119", vec![])] {
        let page = office.get(&format!("/office/carriers?find={find}")).await;
        assert_eq!(leads(&page, "trucks"), found, "{find}");
        assert!(leads(&page, "carriers").is_empty(), "{find}");
    }
    for all in ["%00", "", "zeta", "ZETL"] {
        let page = office.get(&format!("/office/carriers?find={all}")).await;
        assert_eq!((leads(&page, "carriers").len(), leads(&page, "trucks").len()), (1, 50), "{all}");
    }
    let page = office.get("/office/products?find=c_119%25").await;
    assert_eq!((leads(&page, "lots"), page.value("find")), (vec!["L-0119".to_owned()], "c_119%".into()));
    let pages = office.get("/office/products?find=L-00").await;
    assert_eq!(pages.all(".pager .range"), ["1–50 of 99"]);
    let next = pages.attributes(".pager a[rel=next]", "href").remove(0);
    assert_eq!(leads(&office.get(&next).await, "lots").len(), 49, "the search holds on the next page");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_change_the_reader_is_back_at_the_entry() {
    let app = App::start().await;
    let office = app.office().await;
    with_long_lists(&app).await;
    let form = |number: &'static str| [("carrier", "9000"), ("truck_number", number), ("active", "true")];
    // It moves from the first page to the last one.
    let page = saved(&office, "/office/trucks/9002", &form("T-0200"), CARRIERS, "truck-saved").await;
    assert_eq!(page.all(".pager .range"), ["101–129 of 129"]);
    let page = saved(&office, "/office/trucks", &form("T-0061b"), CARRIERS, "truck-added").await;
    assert_eq!(page.all(".pager .range"), ["51–100 of 130"]);
    // A search holds, unless the entry no longer has the text.
    let find = |number| [form(number).as_slice(), &[("list", "find=T-006")]].concat();
    let answer = office.post("/office/trucks/9065", &find("T-0069b")).await;
    let target = answer.header("location");
    assert_eq!(target, "/office/carriers?find=T-006&truck=9065&done=truck-saved#truck-9065");
    let answer = office.post("/office/trucks/9065", &find("T-0300")).await;
    assert_eq!(answer.header("location"), "/office/carriers?truck=9065&done=truck-saved#truck-9065");
    // A form with a mistake is shown in its row, on the page of the entry.
    let refused = office.post("/office/trucks/9128", &find("😀")).await;
    assert_eq!((refused.status, refused.value("truck-9128-truck_number")), (422, "😀".into()));
    assert_eq!(refused.all(".pager .range"), ["101–130 of 130"]);
    // A lot keeps a product that isn't offered.
    app.sql("INSERT INTO products (id, name, active) VALUES (9001, 'Z last', false); UPDATE lots SET product_id = 9001 WHERE id = 9129").await;
    let page = office.get("/office/products?edit=lot-9129").await;
    assert_eq!(page.one("#lot-9129-product option[selected]"), "Z last (retired)");
}

/// A page says what each entry is, and has the form of the one that is edited.
#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_products_keep_the_page_small() {
    let app = App::start().await;
    let office = app.office().await;
    app.sql(
        "INSERT INTO products (id, name) SELECT n, 'Basic pig iron, grade ' || n FROM generate_series(1, 500) n;
         INSERT INTO lots (id, number, product_id, chemistry) SELECT n, 'PI-26-' || n, n, 'C 4.31%, Si 0.72%, Mn 0.12%' FROM generate_series(1, 50) n;
         INSERT INTO carriers (id, name) SELECT n, 'Heartland Bulk Carriers ' || n FROM generate_series(1, 500) n;
         INSERT INTO trucks (carrier_id, truck_number) SELECT n, 'T-' || n FROM generate_series(1, 50) n",
    )
    .await;
    for (path, edited) in [("/office/products", "lot-50"), ("/office/carriers", "carrier-300")] {
        let page = office.get(path).await;
        assert_eq!((page.all(".edit form").len(), page.all("td.edit a").len()), (0, 100), "{path}");
        assert!(page.text().len() < 100_000, "{path}: {} bytes", page.text().len());
        let page = office.get(&format!("{path}?edit={edited}")).await;
        assert_eq!(
            (page.status, page.all(&format!("#{edited} form")).len(), page.all(".edit form").len()),
            (200, 1, 1)
        );
        assert!(page.text().len() < 100_000, "{path}: {} bytes with a form", page.text().len());
    }
    // The form is that of its row, on the same page of the list, with the cursor in its first field.
    let page = office.get("/office/products").await;
    let next = page.attributes("nav[aria-label='Pages of products'] a[rel=next]", "href").remove(0);
    let page = office.get(next.split('#').next().unwrap()).await;
    let edit = page.attributes("td.edit a", "href").remove(3);
    let opened = office.get(edit.split('#').next().unwrap()).await;
    let row = edit.split('#').nth(1).unwrap();
    assert_eq!(leads(&opened, "products"), leads(&page, "products"));
    assert_eq!(opened.attributes(".edit [autofocus]", "id"), [format!("{row}-name")]);
    let close = opened.attributes(".edit form a", "href").remove(0);
    assert!(office.get(close.split('#').next().unwrap()).await.all(".edit form").is_empty());
    for (wrong, status) in [("edit=lot-9999", 200), ("edit=lot-x", 422), ("edit=truck-1", 422), ("edit=", 200)] {
        assert_eq!(office.get(&format!("/office/products?{wrong}")).await.status, status, "{wrong}");
    }
}
