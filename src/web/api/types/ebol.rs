//! A BOL in the shape of the DSDC full-truckload eBOL 1.0.
//!
//! The schema is `BOL_Request` of the *Electronic Bill of Lading API* 1.0.0, public preview, of the Digital Standards
//! Development Council (<https://github.com/dsdcapis/full-truckload>). `docs/api.md` says what is mapped how.

use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;

use super::Bol;

/// A BOL as the DSDC writes it. It has no telephone number of the consignee, which that schema requires.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ebol {
    pub version: &'static str,
    pub bol: Header,
    pub reference_numbers: References,
    pub payment: Payment,
    pub commodities: Commodities,
    pub shipment_totals: Totals,
    pub origin: Party,
    pub destination: Party,
    pub bill_to: Party,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub special_instructions: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EbolHeader)]
pub struct Header {
    pub function: &'static str,
    pub requested_pickup_date: NaiveDate,
    pub is_test: bool,
    pub requestor_role: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EbolReferences)]
pub struct References {
    pub bol: Vec<String>,
    pub po: Vec<PurchaseOrder>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trailer_id: Option<String>,
    pub additional_references: Vec<Reference>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EbolPurchaseOrder)]
pub struct PurchaseOrder {
    pub number: String,
    pub weight: i32,
    pub weight_unit: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EbolReference)]
pub struct Reference {
    pub name: &'static str,
    pub value: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EbolPayment)]
pub struct Payment {
    pub terms: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EbolCommodities)]
pub struct Commodities {
    pub line_item_layout: &'static str,
    pub handling_units: Vec<HandlingUnit>,
    pub line_items: Vec<LineItem>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EbolHandlingUnit)]
pub struct HandlingUnit {
    pub count: i32,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub weight: i32,
    pub weight_unit: &'static str,
    pub stackable: bool,
    pub line_items: Vec<LineItem>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EbolLineItem)]
pub struct LineItem {
    pub description: String,
    pub weight: i32,
    pub weight_unit: &'static str,
    pub pieces: i32,
    pub packaging_type: &'static str,
    pub hazardous: bool,
    pub stackable: bool,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EbolTotals)]
pub struct Totals {
    /// The weight of the freight. Gross and tare of the vehicle are among the references.
    pub net_weight: i32,
    pub weight_unit: &'static str,
    pub handling_units: i32,
}

#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EbolParty)]
pub struct Party {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address1: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address2: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_province: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<Contact>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = EbolContact)]
pub struct Contact {
    /// Ten digits.
    pub phone: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

const POUNDS: &str = "Pounds";

impl From<Bol> for Ebol {
    fn from(bol: Bol) -> Self {
        let kind = packaging(bol.package_type.as_deref().unwrap_or_default());
        let (pieces, net) = (bol.pieces.unwrap_or(1), bol.net_lb);
        let item = LineItem {
            description: bol.product.clone().unwrap_or_default(),
            weight: net,
            weight_unit: POUNDS,
            pieces,
            packaging_type: kind,
            hazardous: false,
            stackable: false,
        };
        let unit = HandlingUnit {
            count: pieces,
            kind,
            weight: net,
            weight_unit: POUNDS,
            stackable: false,
            line_items: vec![item.clone()],
        };
        let destination = Party::read(bol.ship_to.as_deref());
        Self {
            version: "1.0.0-TL",
            bol: Header {
                function: "Create",
                requested_pickup_date: bol.bol_date,
                is_test: false,
                requestor_role: "Shipper",
            },
            payment: Payment { terms: terms(bol.freight_terms.as_deref()) },
            commodities: Commodities { line_item_layout: "Nested", handling_units: vec![unit], line_items: vec![item] },
            shipment_totals: Totals { net_weight: net, weight_unit: POUNDS, handling_units: pieces },
            origin: Party::read(bol.ship_from.as_deref()).with_contact(&bol),
            bill_to: payer(&bol, &destination),
            destination,
            special_instructions: bol.special_instructions.clone(),
            reference_numbers: References::of(bol),
        }
    }
}

impl References {
    fn of(bol: Bol) -> Self {
        let po = bol.customer_po.clone();
        let po = po.map(|number| PurchaseOrder { number, weight: bol.net_lb, weight_unit: POUNDS });
        let pounds = |pounds: i32| pounds.to_string();
        let named = [
            ("Carrier", bol.carrier),
            ("SCAC", bol.carrier_scac),
            ("Truck Number", bol.truck_number),
            ("Driver Name", bol.driver_name),
            ("Lot Number", bol.lot),
            ("Chemistry", bol.chemistry),
            ("Release Number", bol.release_number),
            ("Scale Ticket", bol.scale_ticket),
            ("Vehicle Gross Weight Pounds", bol.gross_lb.map(pounds)),
            ("Vehicle Tare Weight Pounds", bol.tare_lb.map(pounds)),
            ("Official Weight Pounds", bol.official_weight.map(|weight| pounds(weight.pounds))),
            ("Care Of", bol.care_of),
            ("Trailer Loaded By", bol.trailer_loaded_by),
            ("Freight Counted By", bol.freight_counted_by),
            ("Void Reason", bol.void.map(|void| void.reason.unwrap_or_else(|| "void".into()))),
            ("Reissue Of", bol.reissue_of),
            ("Reissued As", bol.reissued_as),
        ];
        let seals = bol.seal_numbers.into_iter().map(|seal| Reference { name: "Seal Number", value: seal });
        let named = named.into_iter().filter_map(|(name, value)| Some(Reference { name, value: value? }));
        Self {
            bol: vec![bol.number],
            po: po.into_iter().collect(),
            trailer_id: bol.trailer_number,
            additional_references: seals.chain(named).collect(),
        }
    }
}

/// The party that pays the freight.
fn payer(bol: &Bol, destination: &Party) -> Party {
    match (&bol.bill_to, bol.freight_terms.as_deref()) {
        (Some(third), _) => Party::read(Some(third)),
        (None, Some("collect")) => destination.clone(),
        (None, _) => match &bol.terminal {
            Some(terminal) => {
                let address = terminal.address.as_deref().unwrap_or_default();
                Party::read(Some(&format!("{}\n{address}", terminal.name))).with_contact(bol)
            }
            None => Party::read(bol.ship_from.as_deref()),
        },
    }
}

fn terms(terms: Option<&str>) -> &'static str {
    match terms {
        Some("collect") => "Collect",
        Some("third-party") => "Third Party",
        _ => "Prepaid",
    }
}

/// Words of package types with their codes. The first that occurs counts.
const PACKAGING: [(&str, &str); 15] = [
    ("bulk bag", "BAG"),
    ("supersack", "BAG"),
    ("bulk", "DBK"),
    ("loose", "LSE"),
    ("pallet", "PAT"),
    ("skid", "SKD"),
    ("drum", "DRM"),
    ("bundle", "BDL"),
    ("bag", "BAG"),
    ("bale", "BAL"),
    ("box", "BOX"),
    ("coil", "COL"),
    ("crate", "CRT"),
    ("bin", "BIN"),
    ("piece", "PCS"),
];

fn packaging(package_type: &str) -> &'static str {
    let typed = package_type.to_lowercase();
    PACKAGING.iter().find(|(word, _)| typed.contains(word)).map_or("OTH", |(_, code)| code)
}

impl Party {
    /// Reads a name and an address, one per line. The last line is a city of the United States, or it counts as one more
    /// line of the address.
    fn read(text: Option<&str>) -> Self {
        let mut lines: Vec<&str> =
            text.unwrap_or_default().lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let place = lines.last().and_then(|line| Place::read(line));
        if place.is_some() {
            lines.pop();
        }
        let mut lines = lines.into_iter();
        let name = lines.next().unwrap_or_default().to_owned();
        let address1 = lines.next().map(str::to_owned);
        let rest: Vec<&str> = lines.collect();
        let address2 = (!rest.is_empty()).then(|| rest.join(", "));
        let party = Self { name, address1, address2, ..Self::default() };
        match place {
            Some(Place { city, state, postal_code }) => Self {
                city: Some(city),
                state_province: Some(state),
                postal_code: Some(postal_code),
                country: Some("USA"),
                ..party
            },
            None => party,
        }
    }

    /// Adds how to reach the terminal, if its number has ten digits.
    fn with_contact(self, bol: &Bol) -> Self {
        let Some(terminal) = &bol.terminal else { return self };
        let digits: String =
            terminal.phone.as_deref().unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
        let phone = if digits.len() == 11 { digits.strip_prefix('1').unwrap_or_default().to_owned() } else { digits };
        let contact = Contact { phone, email: terminal.email.clone() };
        Self { contact: Some(contact).filter(|contact| contact.phone.len() == 10), ..self }
    }
}

/// `Dayton, OH 45404`
struct Place {
    city: String,
    state: String,
    postal_code: String,
}

impl Place {
    fn read(line: &str) -> Option<Self> {
        let (city, rest) = line.rsplit_once(',')?;
        let (state, postal_code) = rest.trim().split_once(' ')?;
        let postal_code = postal_code.trim();
        let is_state = state.len() == 2 && state.bytes().all(|byte| byte.is_ascii_uppercase());
        let digits = postal_code.bytes().filter(u8::is_ascii_digit).count();
        let is_code = matches!((postal_code.len(), digits), (5, 5) | (10, 9));
        let found = Self { city: city.trim().into(), state: state.into(), postal_code: postal_code.into() };
        (is_state && is_code && !found.city.is_empty()).then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart_if_it_is_one_of_the_united_states() {
        let party = Party::read(Some("Acme Foundry No. 2\n14 Mill Road\nGate 3\nDayton, OH 45404"));
        assert_eq!((party.name.as_str(), party.address1.as_deref()), ("Acme Foundry No. 2", Some("14 Mill Road")));
        assert_eq!((party.address2.as_deref(), party.city.as_deref()), (Some("Gate 3"), Some("Dayton")));
        assert_eq!((party.state_province.as_deref(), party.postal_code.as_deref()), (Some("OH"), Some("45404")));
        let other = Party::read(Some("Gießerei\nHafenstraße 1\n47119 Duisburg"));
        assert_eq!((other.address2.as_deref(), other.city, other.country), (Some("47119 Duisburg"), None, None));
        assert_eq!(Party::read(None).name, "");
    }

    #[test]
    fn packages_get_codes() {
        for (typed, code) in
            [("load, bulk", "DBK"), ("Bulk bags", "BAG"), ("12 Skids", "SKD"), ("Bales", "BAL"), ("", "OTH")]
        {
            assert_eq!(packaging(typed), code, "{typed}");
        }
    }
}
