//! `GET /.well-known/security.txt`: where to report a weakness (RFC 9116). The contact comes from *Settings*.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, ContentType};
use chrono::{Days, SecondsFormat};

use super::Error;
use super::context::PublicContext;
use crate::bols::settings;

/// RFC 9116 recommends less than a year.
const VALID: Days = Days::new(180);

pub async fn file(context: PublicContext) -> Result<HttpResponse, Error> {
    let PublicContext { site, db, .. } = &context;
    let contact = settings::security_contact(&mut *db.get().await?).await?.ok_or(Error::NotFound)?;
    let contact = if contact.contains("://") { contact } else { format!("mailto:{contact}") };
    let expires = (site.clock.now() + VALID).to_rfc3339_opts(SecondsFormat::Secs, true);
    let origin = site.public_url.origin();
    let text = format!(
        "Contact: {contact}\nExpires: {expires}\nPreferred-Languages: en\nCanonical: {origin}/.well-known/security.txt\n"
    );
    let mut response = HttpResponse::Ok();
    Ok(response
        .insert_header(ContentType::plaintext())
        .insert_header((CACHE_CONTROL, "public, max-age=86400"))
        .body(text))
}
