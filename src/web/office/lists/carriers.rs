//! `/office/carriers`: carriers, and their trucks with the trailers they come with.

use super::{Cell, EntryFields, ListPage, ListTexts, ListedEntry, ListsPage, Loaded, Parent};
use crate::bols::lists::carriers::{self, Carrier, Truck, TruckText};
use crate::bols::lists::{ListFilter, Listed};
use crate::field_errors::FieldErrors;
use crate::web::Error;
use crate::web::auth::OfficeStaff;
use crate::web::context::Context;
use crate::web::flash::carriers as flash;
use crate::web::form_field::FormField;
use crate::web::forms::Fields;

const PAGE: ListPage = ListPage { title: "Carriers and trucks", path: "/office/carriers", flashes: flash::ALL };

impl ListedEntry for Carrier {
    const PAGE: ListPage = PAGE;
    const TEXTS: ListTexts = ListTexts {
        id: "carriers",
        heading: "Carriers",
        entry: "carrier",
        path: "/office/carriers",
        columns: &["Carrier", "SCAC"],
        empty: "No carriers yet. Add the first one above, then its trucks below.",
        note: None,
        search: None,
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

    async fn load(context: &Context<OfficeStaff>, filter: ListFilter<'_>) -> Result<ListsPage, Error> {
        load(context, filter).await
    }
}

impl ListedEntry for Truck {
    const PAGE: ListPage = PAGE;
    const TEXTS: ListTexts = ListTexts {
        id: "trucks",
        heading: "Trucks",
        entry: "truck",
        path: "/office/trucks",
        columns: &["Truck", "Trailer", "Carrier"],
        empty: "No trucks yet. Choose a carrier above and add one of its trucks, with the trailer it usually comes with.",
        note: Some(
            "A truck stays with its carrier. If you added it to the wrong carrier, retire it and add it to the right one.",
        ),
        search: Some(("Find a truck", "No truck matches. Try a shorter part of its number, trailer or carrier.")),
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

    async fn load(context: &Context<OfficeStaff>, filter: ListFilter<'_>) -> Result<ListsPage, Error> {
        load(context, filter).await
    }
}

async fn load(context: &Context<OfficeStaff>, filter: ListFilter<'_>) -> Result<ListsPage, Error> {
    let mut connection = context.db.get().await?;
    let carriers = carriers::all(&mut connection).await?;
    let trucks = carriers::trucks(&mut connection, filter).await?;
    let parents = carriers.rows.iter().map(|(id, carrier)| Parent {
        id: id.to_string(),
        label: carrier.name.clone(),
        is_offered: carrier.active,
    });
    let parents = parents.collect();
    let carrier = |(id, entry): (i64, Carrier)| {
        let cells = vec![entry.name.as_str().into(), entry.scac.as_str().into()];
        Loaded { id, name: entry.name.clone(), cells, entry }
    };
    let truck = |(id, entry, carrier): (i64, Truck, String)| {
        let has_trailer = !entry.trailer_number.is_empty();
        let trailer = Cell { tag: has_trailer.then_some("Trailer "), text: entry.trailer_number.clone() };
        let cells = vec![entry.truck_number.as_str().into(), trailer, carrier.as_str().into()];
        Loaded { id, name: format!("{} of {carrier}", entry.truck_number), cells, entry }
    };
    let Listed { rows, more } = carriers;
    let carriers = super::List::new(rows.into_iter().map(carrier).collect(), more, Vec::new(), "");
    let Listed { rows, more } = trucks;
    let trucks = super::List::new(rows.into_iter().map(truck).collect(), more, parents, filter.fragment);
    Ok(ListsPage::new(context, PAGE, [carriers, trucks]))
}
