//! What a BOL of an email says about its load.

use diesel::prelude::*;
use diesel::sql_types::{Integer, Text};

use crate::bols::weight::Pounds;

/// The columns of a BOL that an email names.
#[derive(Clone, Debug, Default, QueryableByName)]
pub(super) struct Load {
    #[diesel(sql_type = Text)]
    product: String,
    #[diesel(sql_type = Integer)]
    net_lb: i32,
    #[diesel(sql_type = Text)]
    truck_number: String,
    #[diesel(sql_type = Text)]
    customer_po: String,
    #[diesel(sql_type = Text)]
    ship_to: String,
}

impl Load {
    /// The columns, as SQL over the BOL `b`.
    pub const COLUMNS: &str = "b.product, b.net_lb, b.truck_number, b.customer_po, b.ship_to";

    /// "Basic pig iron · 23.45 net tons · Truck 460 · PO 4500 · Acme Steel": one line, without what is missing. Of the
    /// ship-to address, the first line.
    pub fn line(&self) -> String {
        let Self { product, net_lb, truck_number, customer_po, ship_to } = self;
        let named = |name: &str, value: &str| if value.is_empty() { String::new() } else { format!("{name} {value}") };
        let parts = [
            product.clone(),
            format!("{} net tons", Pounds(*net_lb).short_tons()),
            named("Truck", truck_number),
            named("PO", customer_po),
            ship_to.lines().next().unwrap_or_default().to_owned(),
        ];
        let known: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        known.join(" · ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_is_one_line_without_what_is_missing() {
        let load = Load {
            product: "Basic pig iron".into(),
            net_lb: 46_900,
            truck_number: "460".into(),
            customer_po: "4500".into(),
            ship_to: "Acme Steel\n1 Mill Road\nMobile, AL".into(),
        };
        assert_eq!(load.line(), "Basic pig iron · 23.45 net tons · Truck 460 · PO 4500 · Acme Steel");
        let bare = Load { product: "Scrap".into(), net_lb: 40_000, ..Load::default() };
        assert_eq!(bare.line(), "Scrap · 20.00 net tons");
    }
}
