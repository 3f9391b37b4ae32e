//! A notice with a button that takes back what was done.

use super::auth::Audience;
use super::context::Context;
use super::page::with_period;
use super::{Error, flash};
use crate::bols::assign;

/// Shown above a page instead of a notice: see `base.html`.
pub struct Undo {
    /// What was done.
    pub text: String,
    /// The page of what it was done to.
    pub href: Option<String>,
    /// Where the form of the button goes.
    pub action: &'static str,
    /// What the form sends.
    pub fields: Vec<(&'static str, String)>,
}

/// The request that has assigned BOLs, in the address of the page after it.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct AssignmentQuery {
    pub assignment: String,
    #[serde(flatten)]
    pub done: flash::Done,
}

impl Undo {
    /// Offers to take an assignment back, while the user can do it.
    pub async fn of_assignment<A: Audience>(
        context: &Context<A>,
        query: &AssignmentQuery,
    ) -> Result<Option<Self>, Error> {
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
            Self { text, href: None, action: "/office/bols/assign/undo", fields }
        }))
    }
}
