//! `/office/products`: products, and the lots of them with their chemistry.

use std::collections::HashSet;

use super::{EntryFields, ListPage, ListTexts, ListedEntry, ListsPage, Loaded, Parent};
use crate::bols::lists::products::{self, Lot, LotText, Product};
use crate::bols::lists::{ListFilter, Listed};
use crate::field_errors::FieldErrors;
use crate::web::Error;
use crate::web::auth::OfficeStaff;
use crate::web::context::Context;
use crate::web::flash::products as flash;
use crate::web::form_field::FormField;
use crate::web::forms::Fields;

const PAGE: ListPage = ListPage { title: "Products and lots", path: "/office/products", flashes: flash::ALL };

impl ListedEntry for Product {
    const PAGE: ListPage = PAGE;
    const TEXTS: ListTexts = ListTexts {
        id: "products",
        heading: "Products",
        entry: "product",
        path: "/office/products",
        columns: &["Product"],
        empty: "No products yet. Add the first one above, then choose it on a BOL.",
        note: None,
        search: None,
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

    async fn load(context: &Context<OfficeStaff>, filter: ListFilter<'_>) -> Result<ListsPage, Error> {
        load(context, filter).await
    }
}

impl ListedEntry for Lot {
    const PAGE: ListPage = PAGE;
    const TEXTS: ListTexts = ListTexts {
        id: "lots",
        heading: "Lots",
        entry: "lot",
        path: "/office/lots",
        columns: &["Lot", "Product", "Chemistry"],
        empty: "No lots yet. Add one above with its chemistry, and a BOL that names it prints both.",
        note: None,
        search: Some(("Find among the lots", "None of the lots contains that.")),
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

    async fn load(context: &Context<OfficeStaff>, filter: ListFilter<'_>) -> Result<ListsPage, Error> {
        load(context, filter).await
    }
}

async fn load(context: &Context<OfficeStaff>, filter: ListFilter<'_>) -> Result<ListsPage, Error> {
    let mut connection = context.db.get().await?;
    let products = products::all(&mut connection).await?;
    let lots = products::lots(&mut connection, filter).await?;
    let parents = parents(&products.rows, &lots.rows);
    let product = |(id, entry): (i64, Product)| {
        let cells = vec![entry.name.as_str().into()];
        Loaded { id, name: entry.name.clone(), cells, entry }
    };
    let lot = |(id, entry, product): (i64, Lot, Option<String>)| {
        let product = product.unwrap_or_default();
        let cells = vec![entry.number.as_str().into(), product.as_str().into(), entry.chemistry.as_str().into()];
        Loaded { id, name: entry.number.clone(), cells, entry }
    };
    let Listed { rows, more } = products;
    let products = super::List::new(rows.into_iter().map(product).collect(), more, Vec::new(), "");
    let Listed { rows, more } = lots;
    let lots = super::List::new(rows.into_iter().map(lot).collect(), more, parents, filter.fragment);
    Ok(ListsPage::new(context, PAGE, [products, lots]))
}

/// Returns every product of the page, and others that a lot of the page has: saving that lot must not lose its product.
fn parents(products: &[(i64, Product)], lots: &[(i64, Lot, Option<String>)]) -> Vec<Parent> {
    let parent = |id: i64, label: String, is_offered| Parent { id: id.to_string(), label, is_offered };
    let mut known: HashSet<i64> = products.iter().map(|(id, _)| *id).collect();
    let of_page = products.iter().map(|(id, Product { name, active })| {
        parent(*id, if *active { name.clone() } else { format!("{name} (retired)") }, *active)
    });
    let mut parents: Vec<Parent> = of_page.collect();
    for (_, lot, name) in lots {
        if let (Some(id), Some(name)) = (lot.product_id, name)
            && known.insert(id)
        {
            parents.push(parent(id, name.clone(), false));
        }
    }
    parents
}
