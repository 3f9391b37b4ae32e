//! Headers of every response.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::web::Data;

use super::{Site, token_request};
use crate::config::PublicUrl;
use crate::storage::Storage;

/// The content security policy of pages: everything from our own origin, nothing inline, no framing.
///
/// Browsers apply `form-action` to every redirect after a form. A login can lead to a download, so the policy allows the
/// places of links to documents. A bucket in the path counts with its path, because others share the host.
pub fn policy(public_url: &PublicUrl, storage: &Storage) -> HeaderValue {
    const BASE: &str = "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; script-src 'self'; \
                        connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";
    let mut policy = format!("{BASE} {}", public_url.origin());
    for place in storage.link_places() {
        policy.push(' ');
        policy.push_str(&place);
    }
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static(BASE))
}

/// The portal uses none of a browser's powerful features but passkeys, and those on its own pages only.
const FEATURES: HeaderValue = HeaderValue::from_static(
    "accelerometer=(), autoplay=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), hid=(), \
     magnetometer=(), microphone=(), midi=(), payment=(), publickey-credentials-create=(self), publickey-credentials-get=(self), \
     serial=(), usb=(), xr-spatial-tracking=()",
);

/// Adds each header that the handler hasn't set.
pub async fn add(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let site = request.app_data::<Data<Site>>().cloned();
    let mut response = next.call(request).await?;
    let rate = token_request::rate(response.request());
    let headers = response.headers_mut();
    if let Some(rate) = rate {
        // The names of draft-ietf-httpapi-ratelimit-headers-07, as most clients know them.
        headers.insert(HeaderName::from_static("ratelimit-limit"), rate.limit.into());
        headers.insert(HeaderName::from_static("ratelimit-remaining"), rate.remaining.into());
        headers.insert(HeaderName::from_static("ratelimit-reset"), rate.reset_seconds.into());
    }
    let mut default = |name: HeaderName, value: HeaderValue| {
        if !headers.contains_key(&name) {
            headers.insert(name, value);
        }
    };
    if let Some(site) = &site {
        default(CONTENT_SECURITY_POLICY, site.policy.clone());
    }
    default(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    default(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    default(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    default(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    default(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
    default(HeaderName::from_static("permissions-policy"), FEATURES);
    // For pages, redirects and errors. Static assets and files set their own.
    default(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if site.is_some_and(|site| site.public_url.is_https()) {
        default(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000; includeSubDomains"));
    }
    Ok(response)
}
