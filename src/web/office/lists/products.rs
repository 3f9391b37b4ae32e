//! `/office/products`: products, and the lots of them with their chemistry.

use std::collections::HashSet;

use super::{EntryFields, List, ListPage, ListTexts, ListedEntry, ListsPage, Loaded, Parent};
use crate::bols::lists::paging::{self, Placed};
use crate::bols::lists::products::{self, Lot, LotRow, LotText, Product};
use crate::field_errors::FieldErrors;
use crate::web::Error;
use crate::web::auth::OfficeStaff;
use crate::web::context::Context;
use crate::web::flash::products as flash;
use crate::web::form_field::FormField;
use crate::web::forms::Fields;
use crate::web::list_query::{ListName, ListQuery};

const PRODUCTS: ListName = ListName { list: "products", entry: "product" };
const LOTS: ListName = ListName { list: "lots", entry: "lot" };

const PAGE: ListPage = ListPage {
    title: "Products and lots",
    path: "/office/products",
    names: [PRODUCTS, LOTS],
    search: "Product, lot number or chemistry",
    flashes: flash::ALL,
};

impl ListedEntry for Product {
    type Row = Self;

    const PAGE: ListPage = PAGE;
    const TEXTS: ListTexts = ListTexts {
        name: PRODUCTS,
        heading: "Products",
        path: "/office/products",
        columns: &["Product"],
        empty: "No products yet. Add the first one above, then choose it on a BOL.",
        note: None,
        no_match: "No product matches. Try a shorter part of its name.",
        added: flash::PRODUCT_ADDED,
        saved: flash::PRODUCT_SAVED,
    };

    fn read(fields: &Fields, active: bool) -> Result<Self, FieldErrors> {
        Self::read(fields.one("name"), active)
    }

    fn to_fields(&self) -> Fields {
        Fields::new([("name", self.name.clone())])
    }

    fn is_active(&self) -> bool {
        self.active
    }

    fn form(form: &EntryFields<'_>) -> Vec<FormField> {
        vec![FormField::text("name", "Name", form.value("name"), form.errors).required()]
    }

    async fn load(context: &Context<OfficeStaff>, query: &ListQuery) -> Result<ListsPage, Error> {
        load(context, query).await
    }
}

impl ListedEntry for Lot {
    type Row = LotRow;

    const PAGE: ListPage = PAGE;
    const TEXTS: ListTexts = ListTexts {
        name: LOTS,
        heading: "Lots",
        path: "/office/lots",
        columns: &["Lot", "Product", "Chemistry"],
        empty: "No lots yet. Add one above with its chemistry, and a BOL that names it prints both.",
        note: None,
        no_match: "No lot matches. Try a shorter part of its number, product or chemistry.",
        added: flash::LOT_ADDED,
        saved: flash::LOT_SAVED,
    };

    fn read(fields: &Fields, active: bool) -> Result<Self, FieldErrors> {
        let (number, product, chemistry) = (fields.one("number"), fields.one("product"), fields.one("chemistry"));
        Self::read(&LotText { number, product, chemistry }, active)
    }

    fn to_fields(&self) -> Fields {
        let product = self.product_id.map(|id| id.to_string()).unwrap_or_default();
        Fields::new([("number", self.number.clone()), ("product", product), ("chemistry", self.chemistry.clone())])
    }

    fn is_active(&self) -> bool {
        self.active
    }

    fn form(form: &EntryFields<'_>) -> Vec<FormField> {
        let products = form.parent_choices("product", "Any product");
        vec![
            FormField::text("number", "Lot number", form.value("number"), form.errors).code().required(),
            FormField::select("product", "Product", &products, form.errors),
            FormField::text("chemistry", "Chemistry", form.value("chemistry"), form.errors)
                .code()
                .hint("As printed: C 4.31%, Si 0.72%"),
        ]
    }

    async fn load(context: &Context<OfficeStaff>, query: &ListQuery) -> Result<ListsPage, Error> {
        load(context, query).await
    }
}

async fn load(context: &Context<OfficeStaff>, query: &ListQuery) -> Result<ListsPage, Error> {
    let mut connection = context.db.get().await?;
    let products = paging::load(&mut connection, &query.find, query.place(PRODUCTS)).await?;
    let lots = paging::load(&mut connection, &query.find, query.place(LOTS)).await?;
    let parents = parents(products::offered(&mut connection).await?, &lots.rows);
    let products = List::new(products, query, Vec::new(), |entry: Product| {
        let cells = vec![entry.name.as_str().into()];
        Loaded { name: entry.name.clone(), cells, entry }
    });
    let lots = List::new(lots, query, parents, |LotRow { lot, product_name, .. }| {
        let product = product_name.unwrap_or_default();
        let cells = vec![lot.number.as_str().into(), product.as_str().into(), lot.chemistry.as_str().into()];
        Loaded { name: lot.number.clone(), cells, entry: lot }
    });
    Ok(ListsPage::new(context, PAGE, query, [products, lots]))
}

/// Returns the offered products, and others that a lot of the page has: saving that lot must not lose its product.
fn parents(offered: Vec<(i64, String)>, lots: &[Placed<LotRow>]) -> Vec<Parent> {
    let mut known: HashSet<i64> = offered.iter().map(|(id, _)| *id).collect();
    let offered = offered.into_iter().map(|(id, label)| Parent { id: id.to_string(), label, is_offered: true });
    let mut parents: Vec<Parent> = offered.collect();
    for Placed { row: LotRow { lot, product_name, product_active }, .. } in lots {
        if let (Some(id), Some(name)) = (lot.product_id, product_name)
            && known.insert(id)
        {
            let is_retired = *product_active == Some(false);
            let label = if is_retired { format!("{name} (retired)") } else { name.clone() };
            parents.push(Parent { id: id.to_string(), label, is_offered: false });
        }
    }
    parents
}
