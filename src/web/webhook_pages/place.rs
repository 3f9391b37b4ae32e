//! Where webhooks are managed: by the office, and by a company's administrators.

use crate::accounts::{Company, customers};
use crate::web::Error;
use crate::web::auth::{Audience, CompanyAdmins, OfficeStaff};
use crate::web::context::Context;
use crate::web::forms::{Choice, choices};
use crate::webhooks::Webhook;

/// The pages of one audience.
pub trait WebhookPlace: Audience + Sized + 'static {
    /// The address of the list.
    const BASE: &'static str;
    /// The navigation entry.
    const HERE: &'static str;
    /// The page above, and its name.
    const BACK: Option<(&'static str, &'static str)>;

    /// The companies to choose from. An empty value means all BOLs.
    async fn companies(context: &Context<Self>) -> Result<Vec<Choice>, Error>;

    /// Returns who added a webhook, in words for this audience.
    fn maker(webhook: &Webhook) -> &str;
}

impl WebhookPlace for OfficeStaff {
    const BASE: &'static str = "/office/webhooks";
    const HERE: &'static str = "/office/webhooks";
    const BACK: Option<(&'static str, &'static str)> = None;

    async fn companies(context: &Context<Self>) -> Result<Vec<Choice>, Error> {
        let all = customers::all(&mut *context.db.get().await?).await?;
        let active = all.into_iter().filter(|customer| customer.active);
        let active = active.map(|customer| (customer.code.clone(), format!("{} ({})", customer.name, customer.code)));
        Ok(choices("All BOLs", active, ""))
    }

    fn maker(webhook: &Webhook) -> &str {
        webhook.made_by.as_deref().unwrap_or("a removed login")
    }
}

impl WebhookPlace for CompanyAdmins {
    const BASE: &'static str = "/people/webhooks";
    const HERE: &'static str = "/people";
    const BACK: Option<(&'static str, &'static str)> = Some(("/people", "People"));

    async fn companies(context: &Context<Self>) -> Result<Vec<Choice>, Error> {
        let choice =
            |company: &Company| Choice { value: company.code.clone(), label: company.name.clone(), selected: false };
        Ok(context.viewer.administered().map(choice).collect())
    }

    /// A company isn't shown the addresses of other people.
    fn maker(webhook: &Webhook) -> &str {
        webhook.made_by_member.as_deref().unwrap_or("someone outside your company")
    }
}
