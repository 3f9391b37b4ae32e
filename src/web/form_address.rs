//! The addresses that take forms, each with the page that has the form.
//!
//! A browser shows such an address after a refused form. Opening it, as a reload of the address does, leads to the page.

use std::sync::LazyLock;

use actix_web::dev::ResourceDef;
use actix_web::{HttpRequest, HttpResponse};

use super::flash::see_other;
use super::{Error, auth};

/// Every address that takes a form of a logged-in user. The first that matches a path counts.
const FORMS: &[FormAddress] = &[
    FormAddress::new("/logout", "/"),
    FormAddress::new("/see-as/end", "/"),
    FormAddress::new("/account/password", "/account"),
    FormAddress::new("/account/mail", "/account"),
    FormAddress::new("/account/sessions/end", "/account"),
    FormAddress::here("/account/factors/app"),
    FormAddress::here("/account/factors/app/remove"),
    FormAddress::new("/account/factors/recovery-codes", "/account/factors"),
    FormAddress::new("/account/factors/devices/forget", "/account/factors"),
    FormAddress::new("/account/sessions/end-all", "/account"),
    FormAddress::new("/account/passkeys", "/account/passkeys/new"),
    FormAddress::new("/account/passkeys/options", "/account/passkeys/new"),
    FormAddress::here("/account/passkeys/{id}/rename"),
    FormAddress::here("/account/passkeys/{id}/remove"),
    FormAddress::new("/confirm/passkey/options", "/confirm"),
    FormAddress::new("/login/passkey", "/"),
    FormAddress::new("/login/passkey/options", "/"),
    FormAddress::new("/login/factor/passkey/options", "/"),
    FormAddress::new("/login/enroll/passkey", "/"),
    FormAddress::new("/login/enroll/passkey/options", "/"),
    FormAddress::here("/account/tokens").restored(),
    FormAddress::here("/account/tokens/{token}/revoke"),
    FormAddress::new("/bols/read", "/bols"),
    FormAddress::here("/people").restored(),
    FormAddress::new("/people/second-factor", "/people"),
    FormAddress::here("/people/service-accounts").restored(),
    FormAddress::here("/people/service-accounts/{id}/tokens").restored(),
    FormAddress::here("/people/service-accounts/{id}/tokens/{token}/revoke"),
    FormAddress::here("/people/webhooks").restored(),
    FormAddress::here("/people/webhooks/{id}").restored(),
    FormAddress::new("/people/webhooks/{id}/test", "/people/webhooks/{id}"),
    FormAddress::new("/people/webhooks/{id}/off", "/people/webhooks/{id}"),
    FormAddress::new("/people/webhooks/{id}/on", "/people/webhooks/{id}"),
    FormAddress::new("/people/webhooks/{id}/{change}", "/people/webhooks/{id}"),
    FormAddress::new("/people/webhooks/{id}/deliveries/{delivery}/again", "/people/webhooks/{id}"),
    FormAddress::new("/people/{id}/{change}", "/people"),
    FormAddress::new("/office/remind", "/office"),
    FormAddress::new("/office/bols", "/office/bols/new").restored(),
    FormAddress::new("/office/bols/preview", "/office/bols/new").restored_at("/office/bols"),
    FormAddress::new("/office/bols/assign", "/bols").restored(),
    FormAddress::new("/office/bols/assign/undo", "/bols"),
    FormAddress::here("/office/bols/{number}/void").restored(),
    FormAddress::here("/office/bols/{number}/weight").restored(),
    FormAddress::here("/office/upload"),
    FormAddress::here("/office/inbox").restored(),
    FormAddress::new("/office/documents/{id}/file", "/office/inbox").restored(),
    FormAddress::new("/office/documents/{id}/unfile", "/office/inbox"),
    FormAddress::here("/office/products").restored(),
    FormAddress::new("/office/products/{id}", "/office/products").restored(),
    FormAddress::new("/office/lots", "/office/products").restored(),
    FormAddress::new("/office/lots/{id}", "/office/products").restored(),
    FormAddress::here("/office/carriers").restored(),
    FormAddress::new("/office/carriers/{id}", "/office/carriers").restored(),
    FormAddress::new("/office/trucks", "/office/carriers").restored(),
    FormAddress::new("/office/trucks/{id}", "/office/carriers").restored(),
    FormAddress::here("/office/settings").restored(),
    FormAddress::new("/office/settings/days", "/office/settings").restored(),
    FormAddress::new("/office/settings/security", "/office/settings").restored(),
    FormAddress::new("/office/settings/originals", "/office/settings"),
    FormAddress::new("/office/settings/unusual", "/office/settings").restored(),
    FormAddress::new("/office/storage/prices", "/office/storage").restored(),
    FormAddress::here("/office/customers").restored(),
    FormAddress::here("/office/customers/{code}").restored(),
    FormAddress::new("/office/customers/{code}/see-as", "/office/customers/{code}"),
    FormAddress::new("/office/customers/{code}/second-factor", "/office/customers/{code}"),
    FormAddress::new("/office/customers/{code}/{change}", "/office/customers/{code}").restored(),
    FormAddress::here("/office/service-accounts").restored(),
    FormAddress::here("/office/service-accounts/{id}/tokens").restored(),
    FormAddress::here("/office/service-accounts/{id}/tokens/{token}/revoke"),
    FormAddress::here("/office/webhooks").restored(),
    FormAddress::here("/office/webhooks/{id}").restored(),
    FormAddress::new("/office/webhooks/{id}/test", "/office/webhooks/{id}"),
    FormAddress::new("/office/webhooks/{id}/off", "/office/webhooks/{id}"),
    FormAddress::new("/office/webhooks/{id}/on", "/office/webhooks/{id}"),
    FormAddress::new("/office/webhooks/{id}/{change}", "/office/webhooks/{id}"),
    FormAddress::new("/office/webhooks/{id}/deliveries/{delivery}/again", "/office/webhooks/{id}"),
    FormAddress::here("/office/users").restored(),
    FormAddress::new("/office/users/{id}/{change}", "/office/users/{id}").restored(),
    FormAddress::here("/audit/integrity"),
];

/// An address that takes a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormAddress {
    pattern: &'static str,
    /// The page with the form. Its parts in braces are those of the address.
    page: &'static str,
    /// The address that shows what was typed again ([`super::drafts`]), if there is one.
    restored_at: Option<&'static str>,
}

impl FormAddress {
    pub const fn new(pattern: &'static str, page: &'static str) -> Self {
        Self { pattern, page, restored_at: None }
    }

    /// A page at the same address.
    pub const fn here(pattern: &'static str) -> Self {
        Self::new(pattern, pattern)
    }

    /// What was typed can be shown again. The handler of the address must make its change with
    /// [`super::context::Context::change`], or show its form while [`super::context::Context::is_draft`].
    pub const fn restored(self) -> Self {
        self.restored_at(self.pattern)
    }

    pub const fn restored_at(self, pattern: &'static str) -> Self {
        Self { restored_at: Some(pattern), ..self }
    }

    /// Finds the address that this path matches.
    pub fn of(path: &str) -> Option<Self> {
        static ADDRESSES: LazyLock<Vec<(ResourceDef, FormAddress)>> =
            LazyLock::new(|| FORMS.iter().map(|address| (ResourceDef::new(address.pattern), *address)).collect());
        ADDRESSES.iter().find(|(pattern, _)| pattern.is_match(path)).map(|(_, address)| *address)
    }

    /// The page with the form that is sent to this path.
    pub fn page(self, path: &str) -> String {
        filled_in(self.page, path)
    }

    /// Where a form that is sent to this path is shown again.
    pub fn restored_path(self, path: &str) -> Option<String> {
        self.restored_at.map(|pattern| filled_in(pattern, path))
    }

    /// Whether the path itself shows forms again.
    pub fn restores(self) -> bool {
        self.restored_at == Some(self.pattern)
    }
}

/// Puts the parts of a path in the place of those in braces.
fn filled_in(pattern: &str, path: &str) -> String {
    let parts: Vec<&str> = path.split('/').collect();
    let fill = |(at, part)| {
        let part: &str = part;
        if part.starts_with('{') { parts.get(at).copied().unwrap_or_default() } else { part }
    };
    pattern.split('/').enumerate().map(fill).collect::<Vec<_>>().join("/")
}

/// `GET` of an address that only takes forms: leads to the page with the form.
pub async fn to_page(request: HttpRequest) -> Result<HttpResponse, Error> {
    auth::current(&request)?.ok_or(Error::LoginRequired)?;
    let path = request.path();
    let address = FormAddress::of(path).filter(|_| path.bytes().all(|byte| byte.is_ascii_graphic()));
    Ok(see_other(&address.ok_or(Error::NotFound)?.page(path), None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_leads_to_its_page() {
        let page = |path: &str| FormAddress::of(path).map(|address| address.page(path));
        assert_eq!(page("/office/users/7/name").as_deref(), Some("/office/users/7"));
        assert_eq!(page("/office/customers/A%20B/see-as").as_deref(), Some("/office/customers/A%20B"));
        assert_eq!(page("/office/lots/3").as_deref(), Some("/office/products"));
        assert_eq!(page("/office/bols").as_deref(), Some("/office/bols/new"));
        assert_eq!((page("/bols"), page("/api/bol/"), page("/login")), (None, None, None));
    }

    #[test]
    fn only_forms_that_change_nothing_twice_are_restored() {
        let restored = |path: &str| FormAddress::of(path).and_then(|address| address.restored_path(path));
        assert_eq!(restored("/office/bols/preview").as_deref(), Some("/office/bols"));
        assert_eq!(restored("/office/users/7/name").as_deref(), Some("/office/users/7/name"));
        assert_eq!(restored("/office/documents/7/file").as_deref(), Some("/office/documents/7/file"));
        for path in ["/logout", "/account/password", "/office/customers/ACME/see-as", "/office/bols/assign/undo"] {
            assert_eq!(restored(path), None, "{path}");
        }
    }
}
