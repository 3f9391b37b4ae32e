//! The office's lists: products, lots, carriers, trucks.

use crate::support::{Action, Actor, Answer, App, Events, LotRow, World};

const HOSTILE: &str = "\"><script>alert(1)</script>";

/// The recorded changes of the lists.
async fn changes(app: &App) -> Events {
    app.events().await.only(Action::ListChanged)
}

/// Sends the form of an entry, and expects to be back at its row of a page.
pub(super) async fn saved(office: &Actor, path: &str, form: &[(&str, &str)], page: &str, done: &str) -> Answer {
    let answer = office.post(path, form).await;
    assert_eq!(answer.status, 303, "{path} {form:?}\n{}", answer.text());
    let target = answer.header("location").to_owned();
    let (address, row) = target.split_once('#').expect("the row is in view");
    let (entry, id) = row.split_once('-').expect("an entry and its id");
    assert_eq!(address, format!("{page}?{entry}={id}&done={done}"));
    let page = office.get(address).await;
    assert_eq!((page.status, page.all(&format!("tr#{row}")).len()), (200, 1), "{target}");
    assert_ne!(page.one("[role=status]"), "");
    page
}

const PRODUCTS: &str = "/office/products";
pub(super) const CARRIERS: &str = "/office/carriers";

#[tokio::test(flavor = "multi_thread")]
async fn a_product_is_added_renamed_retired_and_restored() {
    let app = App::start().await;
    let office = app.office().await;
    let empty = office.get("/office/products").await;
    assert_eq!(empty.status, 200);
    assert_eq!(empty.all(".empty").len(), 2, "says what to do");
    assert!(empty.one("main").contains("never change a BOL that was already issued"));

    let form = [("name", "  Basic \t pig iron ")];
    let page = saved(&office, PRODUCTS, &form, PRODUCTS, "product-added").await;
    assert_eq!(page.all("table[aria-labelledby=products] td:not(.edit)"), ["Basic pig iron", "Offered"]);
    let id = app.product("Basic pig iron").await.id.to_string();
    let path = format!("/office/products/{id}");
    let target = "product-saved";
    let page = saved(&office, &path, &[("name", "Foundry pig iron"), ("active", "true")], PRODUCTS, target).await;
    assert_eq!(page.all("table[aria-labelledby=products] .lead"), ["Foundry pig iron"]);
    let page = saved(&office, &path, &[("name", "Foundry pig iron")], PRODUCTS, target).await;
    assert_eq!(page.all("table[aria-labelledby=products] .mark"), ["Retired"]);
    assert!(!app.product("Foundry pig iron").await.active);
    assert_eq!(app.products().await.len(), 1);
    saved(&office, &path, &[("name", "Foundry pig iron"), ("active", "true")], PRODUCTS, target).await;
    // The same change again records no event.
    saved(&office, &path, &[("name", "Foundry  pig iron"), ("active", "true")], PRODUCTS, target).await;
    let changes = changes(&app).await;
    assert!(changes.iter().all(|event| event.email() == World::OFFICE), "{changes:?}");
    assert!(changes.iter().all(|event| event.detail("list") == "products" && event.detail("id") == id), "{changes:?}");
    assert_eq!(
        changes.list(|event| [event.before("name"), event.after("name"), event.after("active")]),
        [
            ["-", "Basic pig iron", "true"],
            ["Basic pig iron", "Foundry pig iron", "true"],
            ["Foundry pig iron", "Foundry pig iron", "false"],
            ["Foundry pig iron", "Foundry pig iron", "true"],
        ]
    );
    // Issued BOLs stay unchanged.
    assert!(!app.bols().await.iter().any(|bol| bol.product == "Foundry pig iron"));
    let admin = app.user(World::ADMIN).await;
    saved(&admin, PRODUCTS, &[("name", "Scrap")], PRODUCTS, "product-added").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lot_has_a_product_and_a_chemistry() {
    let app = App::start().await;
    let office = app.office().await;
    app.sql("INSERT INTO products (id, name, active) VALUES (1001, 'Basic pig iron', true), (1002, 'Old iron', false)")
        .await;
    let form = [("number", " L-17 "), ("product", "1001"), ("chemistry", "C 4.31%,  Si 0.72%")];
    let page = saved(&office, "/office/lots", &form, PRODUCTS, "lot-added").await;
    assert_eq!(
        page.all("table[aria-labelledby=lots] td:not(.edit)"),
        ["L-17", "Basic pig iron", "C 4.31%, Si 0.72%", "Offered"]
    );
    assert_eq!(page.all("#lot-new-product option"), ["Any product", "Basic pig iron"], "a retired one isn't offered");
    let id = app.lot("L-17").await.id;
    let path = format!("/office/lots/{id}");
    let edit = format!("{PRODUCTS}?edit=lot-{id}");
    let selected = format!("#lot-{id}-product option[selected]");
    assert_eq!(office.get(&edit).await.attributes(&selected, "value"), ["1001"]);
    let target = "lot-saved";
    // Lots keep a retired product.
    app.sql("UPDATE lots SET product_id = 1002").await;
    assert_eq!(office.get(&edit).await.one(&selected), "Old iron (retired)");
    let page = saved(&office, &path, &[("number", "L-18"), ("product", ""), ("chemistry", "")], PRODUCTS, target).await;
    assert_eq!(page.all("table[aria-labelledby=lots] .mark"), ["Retired"]);
    let changed = LotRow { id, number: "L-18".into(), product_id: None, chemistry: String::new(), active: false };
    assert_eq!(app.lots().await, [changed], "the product is taken off, not left");
    let events = changes(&app).await;
    assert_eq!(events.len(), 2, "{events:?}");
    let values = (events[1].detail("list"), events[1].before("number"), events[1].after("number"));
    assert_eq!(values, ("lots".into(), "L-17".into(), "L-18".into()));

    let bad = [("number", "L-19"), ("product", "99999"), ("chemistry", "C 4%")];
    let message = "Choose a product from the list, or none.";
    let page = office.expect_refused("/office/lots", &bad, "lot-new-product", message).await;
    assert_eq!((page.value("lot-new-number"), page.value("lot-new-chemistry")), ("L-19".into(), "C 4%".into()));
    office.expect_refused("/office/lots", &[("number", "L-19"), ("product", "x")], "lot-new-product", message).await;
    let again = [("number", "l-18")];
    office.expect_refused("/office/lots", &again, "lot-new-number", "Another lot has this number.").await;
    office.expect_refused("/office/lots", &[], "lot-new-number", "Enter the number of the lot.").await;
    let long = "x".repeat(301);
    let long = [("number", "L-20"), ("chemistry", &*long)];
    office.expect_refused("/office/lots", &long, "lot-new-chemistry", "Use at most 300 characters.").await;
    assert_eq!(app.count("lots").await, 1);
    assert_eq!(changes(&app).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn carriers_and_their_trucks_are_added_changed_and_retired() {
    let app = App::start().await;
    let office = app.office().await;
    assert_eq!(office.get("/office/carriers").await.all(".empty").len(), 2);
    let form = [("name", "River Trucking"), ("scac", " rvtk ")];
    let page = saved(&office, CARRIERS, &form, CARRIERS, "carrier-added").await;
    assert_eq!(page.all("table[aria-labelledby=carriers] td:not(.edit)"), ["River Trucking", "RVTK", "Offered"]);
    let carrier = app.carrier("River Trucking").await.id.to_string();
    let form = [("carrier", &*carrier), ("truck_number", "T 9"), ("trailer_number", "53-117")];
    let page = saved(&office, "/office/trucks", &form, CARRIERS, "truck-added").await;
    assert_eq!(
        page.all("table[aria-labelledby=trucks] td:not(.edit)"),
        ["T 9", "Trailer 53-117", "River Trucking", "Offered"]
    );
    let truck = app.truck("T 9").await.id;
    let form = [("carrier", &*carrier), ("truck_number", "T 10"), ("trailer_number", "")];
    let page = saved(&office, &format!("/office/trucks/{truck}"), &form, CARRIERS, "truck-saved").await;
    assert_eq!(page.all("table[aria-labelledby=trucks] .mark"), ["Retired"]);
    let truck = app.truck("T 10").await;
    assert_eq!((truck.trailer_number.as_str(), truck.active, app.trucks().await.len()), ("", false, 1));
    let form = [("name", "River & Rail"), ("scac", "")];
    let page = saved(&office, &format!("/office/carriers/{carrier}"), &form, CARRIERS, "carrier-saved").await;
    assert_eq!(page.all("#truck-new-carrier option"), ["Choose a carrier"], "a retired one isn't offered");
    let renamed = app.carrier("River & Rail").await;
    assert_eq!((renamed.scac.as_str(), renamed.active, app.carriers().await.len()), ("", false, 1));
    let lists = changes(&app).await.list(|event| event.detail("list"));
    assert_eq!(lists, ["carriers", "trucks", "trucks", "carriers"]);

    for scac in ["A", "ABCDE", "AB1", "ÄB", "A B", "😀😀"] {
        let form = [("name", "Another"), ("scac", scac)];
        let message = "A SCAC has 2 to 4 letters, such as ABCD.";
        let page = office.expect_refused("/office/carriers", &form, "carrier-new-scac", message).await;
        assert_eq!((page.value("carrier-new-name"), page.value("carrier-new-scac")), ("Another".into(), scac.into()));
    }
    let message = "Another carrier has this name.";
    office.expect_refused("/office/carriers", &[("name", "RIVER & RAIL")], "carrier-new-name", message).await;
    let form = [("carrier", &*carrier), ("truck_number", "t 10")];
    let message = "This carrier already has a truck with this number.";
    office.expect_refused("/office/trucks", &form, "truck-new-truck_number", message).await;
    for unknown in ["", "99999", "x"] {
        let form = [("carrier", unknown), ("truck_number", "T 11")];
        let page = office
            .expect_refused("/office/trucks", &form, "truck-new-carrier", "Choose a carrier from the list.")
            .await;
        assert_eq!(page.value("truck-new-truck_number"), "T 11");
    }
    assert_eq!(changes(&app).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mistake_is_reported_in_its_own_form() {
    let app = App::start().await;
    let office = app.office().await;
    app.sql("INSERT INTO products (id, name) VALUES (1001, 'Basic pig iron'), (1002, 'Foundry pig iron')").await;
    let taken = "Another product has this name.";
    let page =
        office.expect_refused("/office/products", &[("name", "BASIC pig iron")], "product-new-name", taken).await;
    assert_eq!(page.value("product-new-name"), "BASIC pig iron");
    assert!(page.all(".edit form").is_empty());
    let form = [("name", "Basic  pig iron")];
    let page = office.expect_refused("/office/products/1002", &form, "product-1002-name", taken).await;
    assert_eq!(page.value("product-1002-name"), "Basic  pig iron");
    assert_eq!(page.attributes(".edit form", "action"), ["/office/products/1002"]);
    assert!(page.attributes("#product-1002-active", "checked").is_empty(), "the box is as it was left");
    assert_eq!(
        page.all("table[aria-labelledby=products] .lead"),
        ["Foundry pig iron", "Basic pig iron"],
        "the table shows what is stored, the one with the mistake first"
    );
    assert!(page.all("#product-new-name").is_empty(), "one form at a time");
    let long = "x".repeat(201);
    for (name, message) in [
        ("", "Enter the name of the product."),
        (" \t\r\n ", "Enter the name of the product."),
        (&*long, "Use at most 200 characters."),
        ("Iron 😀", "“😀” can't be printed. Leave it out."),
        ("Iron\u{202e}", "There is an invisible character (U+202E), which can't be printed. Leave it out."),
        ("Iron\0", "There is an invisible character (U+0000), which can't be printed. Leave it out."),
    ] {
        office.expect_refused("/office/products", &[("name", name)], "product-new-name", message).await;
        office.expect_refused("/office/products/1001", &[("name", name)], "product-1001-name", message).await;
    }
    let page = office.post("/office/products", &[("name", "Iron 😀")]).await;
    assert_eq!(page.value("product-new-name"), "Iron 😀");
    for path in ["products", "lots", "carriers", "trucks"] {
        for id in ["999999", "0", "-1", "x", "99999999999999999999"] {
            for name in ["Something", ""] {
                let form = [("name", name), ("number", name), ("carrier", "1"), ("truck_number", name)];
                let answer = office.post(&format!("/office/{path}/{id}"), &form).await;
                assert_eq!(answer.status, 404, "{path} {id} {name}");
            }
        }
    }
    assert_eq!(app.products().await.iter().filter(|product| product.active).count(), 2);
    assert!(changes(&app).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_clerks_at_once_one_gets_a_message() {
    let app = App::start().await;
    let (one, other) = (app.office().await, app.user(World::ADMIN).await);
    for round in 0..5 {
        let name = format!("Product {round}");
        let form = [("name", name.as_str())];
        let (first, second) = tokio::join!(one.post("/office/products", &form), other.post("/office/products", &form));
        let mut statuses = [first.status, second.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 422]);
    }
    assert_eq!(app.count("products").await, 5);
    assert_eq!(changes(&app).await.len(), 5);
}

const FORM: [(&str, &str); 7] = [
    ("name", "Mine"),
    ("number", "Mine"),
    ("scac", "MINE"),
    ("carrier", "1"),
    ("truck_number", "Mine"),
    ("company_name", "Mine"),
    ("company_address", "Mine"),
];

const POSTS: [&str; 9] = [
    "/office/products",
    "/office/products/1",
    "/office/lots",
    "/office/lots/1",
    "/office/carriers",
    "/office/carriers/1",
    "/office/trucks",
    "/office/trucks/1",
    "/office/settings",
];

#[tokio::test(flavor = "multi_thread")]
async fn only_the_office_may_change_lists_and_settings() {
    let app = App::start().await;
    app.sql(
        "INSERT INTO products (id, name) VALUES (1, 'Iron');
         INSERT INTO lots (id, number, product_id) VALUES (1, 'L-1', 1);
         INSERT INTO carriers (id, name) VALUES (1, 'River');
         INSERT INTO trucks (id, carrier_id, truck_number) VALUES (1, 1, 'T-1')",
    )
    .await;
    let state = async || app.contents(&["products", "lots", "carriers", "trucks", "settings"]).await;
    let before = state().await;
    let pages = ["/office/products", "/office/carriers", "/office/settings"];
    for actor in [app.acme().await, app.auditor().await] {
        for path in pages {
            assert_eq!(actor.get(path).await.status, 403, "{path}");
        }
        for path in POSTS {
            assert_eq!(actor.post(path, &FORM).await.status, 403, "{path}");
        }
    }
    let stranger = app.stranger();
    for path in pages {
        let answer = stranger.get(path).await;
        assert_eq!(answer.status, 303, "{path}");
        assert!(answer.header("location").starts_with("/login"), "{path}");
    }
    for path in POSTS {
        let answer = stranger.post(path, &FORM).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/login"), "{path}");
    }
    assert_eq!(state().await, before);
    let changes = async || app.events().await.any_of(&[Action::ListChanged, Action::SettingsChanged]).len();
    assert_eq!(changes().await, 0);
    // The office can make the same changes.
    let office = app.office().await;
    for path in POSTS.into_iter().filter(|path| path.ends_with("/1") || *path == "/office/settings") {
        assert_eq!(office.post(path, &FORM).await.status, 303, "{path}");
    }
    assert_eq!(changes().await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn typed_markup_is_shown_as_text() {
    let app = App::start().await;
    let office = app.office().await;
    office.post("/office/products", &[("name", HOSTILE)]).await;
    office.post("/office/lots", &[("number", HOSTILE), ("chemistry", HOSTILE)]).await;
    office.post("/office/carriers", &[("name", HOSTILE)]).await;
    let carrier = app.carrier(HOSTILE).await.id.to_string();
    let truck = [("carrier", &*carrier), ("truck_number", HOSTILE), ("trailer_number", HOSTILE)];
    office.post("/office/trucks", &truck).await;
    let settings = [
        ("company_name", HOSTILE),
        ("company_address", "</textarea><script>alert(1)</script>"),
        ("company_phone", HOSTILE),
        ("company_email", HOSTILE),
    ];
    office.post("/office/settings", &settings).await;
    assert_eq!((app.products().await.len(), app.lots().await.len(), app.trucks().await.len()), (1, 1, 1));
    for path in ["/office/products", "/office/carriers", "/office/settings", "/office/settings?done=%3Cscript%3E"] {
        let page = office.get(path).await;
        assert_eq!(page.status, 200);
        assert!(!page.text().contains("<script>"), "{path}");
        assert!(page.text().contains("&#60;script&#62;alert(1)"), "{path}");
        assert!(page.all("[role=status]").is_empty(), "{path}");
    }
    // The same holds for forms that are shown again.
    for path in ["/office/products", "/office/carriers"] {
        let page = office.post(path, &[("name", HOSTILE)]).await;
        assert_eq!(page.status, 422);
        assert!(!page.text().contains("<script>"), "{path}");
    }
}
