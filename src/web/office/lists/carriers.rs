//! `/office/carriers`: carriers, and their trucks with the trailers they come with.

use super::{Cell, EntryFields, List, ListPage, ListTexts, ListedEntry, ListsPage, Loaded, Parent};
use crate::bols::lists::carriers::{self, Carrier, Truck, TruckRow, TruckText};
use crate::bols::lists::paging;
use crate::field_errors::FieldErrors;
use crate::web::Error;
use crate::web::auth::OfficeStaff;
use crate::web::context::Context;
use crate::web::flash::carriers as flash;
use crate::web::form_field::FormField;
use crate::web::forms::Fields;
use crate::web::list_query::{ListName, ListQuery};

const CARRIERS: ListName = ListName { list: "carriers", entry: "carrier" };
const TRUCKS: ListName = ListName { list: "trucks", entry: "truck" };

const PAGE: ListPage = ListPage {
    title: "Carriers and trucks",
    path: "/office/carriers",
    names: [CARRIERS, TRUCKS],
    search: "Carrier, SCAC, truck or trailer",
    flashes: flash::ALL,
};

impl ListedEntry for Carrier {
    type Row = Self;

    const PAGE: ListPage = PAGE;
    const TEXTS: ListTexts = ListTexts {
        name: CARRIERS,
        heading: "Carriers",
        path: "/office/carriers",
        columns: &["Carrier", "SCAC"],
        empty: "No carriers yet. Add the first one above, then its trucks below.",
        note: None,
        no_match: "No carrier matches. Try a shorter part of its name, or its SCAC.",
        added: flash::CARRIER_ADDED,
        saved: flash::CARRIER_SAVED,
    };

    fn read(fields: &Fields, active: bool) -> Result<Self, FieldErrors> {
        Self::read(fields.one("name"), fields.one("scac"), active)
    }

    fn to_fields(&self) -> Fields {
        Fields::new([("name", self.name.clone()), ("scac", self.scac.clone())])
    }

    fn is_active(&self) -> bool {
        self.active
    }

    fn form(form: &EntryFields<'_>) -> Vec<FormField> {
        vec![
            FormField::text("name", "Name", form.value("name"), form.errors).required(),
            FormField::text("scac", "SCAC", form.value("scac"), form.errors)
                .code()
                .autocapitalize("characters")
                .hint("2 to 4 letters, if the carrier has one"),
        ]
    }

    async fn load(context: &Context<OfficeStaff>, query: &ListQuery) -> Result<ListsPage, Error> {
        load(context, query).await
    }
}

impl ListedEntry for Truck {
    type Row = TruckRow;

    const PAGE: ListPage = PAGE;
    const TEXTS: ListTexts = ListTexts {
        name: TRUCKS,
        heading: "Trucks",
        path: "/office/trucks",
        columns: &["Truck", "Trailer", "Carrier"],
        empty: "No trucks yet. Choose a carrier above and add one of its trucks, with the trailer it usually comes with.",
        note: Some(
            "A truck stays with its carrier. If you added it to the wrong carrier, retire it and add it to the right one.",
        ),
        no_match: "No truck matches. Try a shorter part of its number, trailer or carrier.",
        added: flash::TRUCK_ADDED,
        saved: flash::TRUCK_SAVED,
    };

    fn read(fields: &Fields, active: bool) -> Result<Self, FieldErrors> {
        let typed = TruckText {
            carrier: fields.one("carrier"),
            truck_number: fields.one("truck_number"),
            trailer_number: fields.one("trailer_number"),
        };
        Self::read(&typed, active)
    }

    fn to_fields(&self) -> Fields {
        Fields::new([
            ("carrier", self.carrier_id.to_string()),
            ("truck_number", self.truck_number.clone()),
            ("trailer_number", self.trailer_number.clone()),
        ])
    }

    fn is_active(&self) -> bool {
        self.active
    }

    fn form(form: &EntryFields<'_>) -> Vec<FormField> {
        let carrier = if form.is_new {
            let carriers = form.parent_choices("carrier", "Choose a carrier");
            FormField::select("carrier", "Carrier", &carriers, form.errors).required()
        } else {
            FormField::hidden("carrier", form.value("carrier"), form.errors)
        };
        vec![
            carrier,
            FormField::text("truck_number", "Truck number", form.value("truck_number"), form.errors).code().required(),
            FormField::text("trailer_number", "Trailer number", form.value("trailer_number"), form.errors).code(),
        ]
    }

    async fn load(context: &Context<OfficeStaff>, query: &ListQuery) -> Result<ListsPage, Error> {
        load(context, query).await
    }
}

async fn load(context: &Context<OfficeStaff>, query: &ListQuery) -> Result<ListsPage, Error> {
    let mut connection = context.db.get().await?;
    let carriers = paging::load(&mut connection, &query.find, query.place(CARRIERS)).await?;
    let trucks = paging::load(&mut connection, &query.find, query.place(TRUCKS)).await?;
    let offered = carriers::offered(&mut connection).await?.into_iter();
    let parents = offered.map(|(id, label)| Parent { id: id.to_string(), label, is_offered: true }).collect();
    let carriers = List::new(carriers, query, Vec::new(), |entry: Carrier| {
        let cells = vec![entry.name.as_str().into(), entry.scac.as_str().into()];
        Loaded { name: entry.name.clone(), cells, entry }
    });
    let trucks = List::new(trucks, query, parents, |TruckRow { truck, carrier_name }| {
        let has_trailer = !truck.trailer_number.is_empty();
        let trailer = Cell { tag: has_trailer.then_some("Trailer "), text: truck.trailer_number.clone() };
        let cells = vec![truck.truck_number.as_str().into(), trailer, carrier_name.as_str().into()];
        Loaded { name: format!("{} of {carrier_name}", truck.truck_number), cells, entry: truck }
    });
    Ok(ListsPage::new(context, PAGE, query, [carriers, trucks]))
}
