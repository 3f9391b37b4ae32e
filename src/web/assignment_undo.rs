//! The offer to take an assignment back, on the page after it: the list, or the page of the one BOL.

use super::auth::Audience;
use super::context::Context;
use super::page::with_period;
use super::undo::Undo;
use super::{Error, flash};
use crate::bols::assign;

/// The request that has assigned BOLs, in the address of the page after it.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct AssignmentQuery {
    assignment: String,
    #[serde(flatten)]
    pub done: flash::Done,
}

/// Offers to take the assignment back, while the user can do it.
pub async fn offer<A: Audience>(context: &Context<A>, query: &AssignmentQuery) -> Result<Option<Undo>, Error> {
    let Context { viewer, db, site, .. } = context;
    if !viewer.can_assign() || query.done.find(&[flash::bols::ASSIGNED]).is_none() {
        return Ok(None);
    }
    let request_id = query.assignment.as_str();
    let now = site.clock.now();
    let offer = assign::undo::offer(&mut *db.get().await?, viewer.user_id, request_id, now).await?;
    Ok(offer.map(|(numbers, customer)| {
        let customer = with_period(&customer);
        let text = match &numbers[..] {
            [number] => format!("Assigned. {number} → {customer} Only this customer sees it from now on."),
            many => format!("Assigned. {} BOLs → {customer} Only this customer sees them from now on.", many.len()),
        };
        let fields = vec![("assignment", request_id.to_owned())];
        Undo { text, href: None, action: "/office/bols/assign/undo", fields }
    }))
}
