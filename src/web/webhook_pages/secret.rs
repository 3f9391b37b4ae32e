//! The keys of a webhook, for the user who has just made them.

use actix_web::HttpResponse;
use actix_web::web::{Path, Query};
use askama::Template;

use super::place::WebhookPlace;
use super::{find, manager, whole_page};
use crate::web::Error;
use crate::web::context::Context;
use crate::web::flash::{Done, webhooks as flash};
use crate::web::page::{Layout, html};

#[derive(Template)]
#[template(path = "webhooks/secret.html")]
struct SecretPage {
    layout: Layout,
    webhook: String,
    public: String,
    /// `None`: it is no longer shown.
    secret: Option<String>,
}

/// `GET …/secret`: the public key, and the secret for ten minutes after it was made.
pub async fn page<P: WebhookPlace>(
    context: Context<P>,
    id: Path<i64>,
    done: Query<Done>,
) -> Result<HttpResponse, Error> {
    let webhook = find(&context, *id).await?;
    Ok(html(&SecretPage {
        layout: context.layout(P::HERE).flash(&done, flash::ALL),
        webhook: format!("{}/{id}", P::BASE),
        public: webhook.public_key().to_text(),
        secret: manager(&context).secret(*id).await.map_err(whole_page)?,
    }))
}
