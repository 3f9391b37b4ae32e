//! Every URL that needs or opens a session, grouped by audience.
//!
//! The handlers' signatures say who may call them ([`super::auth`]). Three other modules have URLs without a session:
//! [`super::health`], [`super::static_files`] and [`super::files`].

use actix_web::guard::{Any, Get, Head};
use actix_web::web::{ServiceConfig, get, post, resource, route};
use actix_web::{HttpMessage, HttpRequest, Resource};

use super::auth::{CompanyAdmins, OfficeStaff};
use super::error::Error;
use super::form_address::to_page;
use super::{
    account, api, audit, auth, confirm, invitation, office, passkey_login, password_reset, people, portal,
    second_factor, security_txt, session, sessions_end, sso, webhook_pages,
};
use crate::bols::lists::carriers::{Carrier, Truck};
use crate::bols::lists::products::{Lot, Product};

/// A page that answers GET and HEAD, because it records nothing.
macro_rules! page {
    ($handler:path) => {
        route().guard(Any(Get()).or(Head())).to($handler)
    };
}

/// An address that only takes a form. Opening it leads to the page with the form.
fn form(path: &str) -> Resource {
    resource(path).route(page!(to_page))
}

/// An address that only programs send to. It has no page to lead to.
fn program(path: &str) -> Resource {
    resource(path)
}

pub fn routes(app: &mut ServiceConfig) {
    // The router tries them in this order. Most requests are for BOLs.
    app.configure(portal_routes)
        .configure(api_routes)
        .configure(session_routes)
        .configure(account_routes)
        .configure(office_routes)
        .configure(maintenance_routes)
        .configure(audit_routes)
        .default_service(route().to(not_found));
}

/// Without a login: the start page, logging in and out, and links from emails.
fn session_routes(app: &mut ServiceConfig) {
    app.service(resource("/").route(page!(session::home)))
        .service(resource("/login").route(page!(session::login_page)).route(post().to(session::log_in)))
        .service(
            resource("/login/factor")
                .route(page!(second_factor::factor_page))
                .route(post().to(second_factor::give_factor)),
        )
        .service(
            resource("/login/enroll").route(page!(second_factor::enroll_page)).route(post().to(second_factor::enroll)),
        )
        .service(resource("/login/sso").route(get().to(sso::begin)))
        .service(resource("/login/sso/callback").route(get().to(sso::finish)))
        .service(resource("/login/sso/confirm").route(get().to(sso::confirm)))
        .service(resource("/login/sso/out").route(get().to(sso::log_out)))
        .service(form("/logout").route(post().to(session::log_out)))
        .service(
            resource(["/invitation", "/password"]).route(page!(invitation::page)).route(post().to(invitation::accept)),
        )
        .service(resource("/sessions/end").route(page!(sessions_end::page)).route(post().to(sessions_end::end)))
        .service(resource("/.well-known/security.txt").route(page!(security_txt::file)))
        .service(resource("/password-reset").route(page!(password_reset::page)).route(post().to(password_reset::ask)));
}

/// Every user's account, and the people of a customer's company.
fn account_routes(app: &mut ServiceConfig) {
    app.service(resource("/account").route(page!(account::page)))
        .service(form("/account/password").route(post().to(account::change_password)))
        .service(form("/account/mail").route(post().to(account::set_notify)))
        .service(form("/account/sessions/end").route(post().to(account::end_session)))
        .service(form("/account/sessions/end-all").route(post().to(account::end_all_sessions)))
        .service(resource("/confirm").route(page!(confirm::page)).route(post().to(confirm::confirm)))
        .configure(factor_routes)
        .configure(passkey_routes)
        .configure(token_routes)
        .configure(webhook_routes)
        .service(form("/see-as/end").route(post().to(office::customers::stop_seeing_as)))
        .service(resource("/people").route(page!(people::page)).route(post().to(people::invite)))
        .service(form("/people/second-factor").route(post().to(people::require_factor)))
        .service(resource("/people/{id}/{change}").route(page!(people::ask_change)).route(post().to(people::change)));
}

/// Every user's second factors.
fn factor_routes(app: &mut ServiceConfig) {
    use account::factors;
    app.service(resource("/account/factors").route(page!(factors::page)))
        .service(
            resource("/account/factors/app").route(page!(factors::set_up_app)).route(post().to(factors::confirm_app)),
        )
        .service(
            resource("/account/factors/app/remove")
                .route(page!(factors::ask_remove_app))
                .route(post().to(factors::remove_app)),
        )
        .service(form("/account/factors/recovery-codes").route(post().to(factors::replace_recovery_codes)))
        .service(form("/account/factors/devices/forget").route(post().to(factors::forget_device)));
}

/// Passkeys: the log-in, the second factor, the fresh proof, and every user's own. Scripts ask for the options.
fn passkey_routes(app: &mut ServiceConfig) {
    use account::passkeys;
    app.service(form("/login/passkey").route(post().to(passkey_login::log_in)))
        .service(form("/login/passkey/options").route(post().to(passkey_login::options)))
        .service(form("/login/factor/passkey/options").route(post().to(second_factor::factor_passkey_options)))
        .service(form("/login/enroll/passkey").route(post().to(second_factor::enroll_passkey)))
        .service(form("/login/enroll/passkey/options").route(post().to(second_factor::enroll_passkey_options)))
        .service(form("/confirm/passkey/options").route(post().to(confirm::passkey_options)))
        .service(resource("/account/passkeys").route(page!(passkeys::page)).route(post().to(passkeys::add)))
        .service(resource("/account/passkeys/new").route(page!(passkeys::new_page)))
        .service(form("/account/passkeys/options").route(post().to(passkeys::options)))
        .service(
            resource("/account/passkeys/{id}/rename")
                .route(page!(passkeys::rename_page))
                .route(post().to(passkeys::rename)),
        )
        .service(
            resource("/account/passkeys/{id}/remove")
                .route(page!(passkeys::ask_remove))
                .route(post().to(passkeys::remove)),
        );
}

/// API tokens: one's own, those of the service accounts of the office and its customers, and those of a company's.
fn token_routes(app: &mut ServiceConfig) {
    use account::tokens;
    use office::service_accounts as office;
    use people::service_accounts as people;
    app.service(resource("/account/tokens").route(page!(tokens::page)).route(post().to(tokens::make)))
        .service(
            resource("/account/tokens/{token}/revoke")
                .route(page!(tokens::ask_revoke))
                .route(post().to(tokens::revoke)),
        )
        .service(resource("/office/service-accounts").route(page!(office::page)).route(post().to(office::add)))
        .service(
            resource("/office/service-accounts/{id}/tokens")
                .route(page!(office::tokens))
                .route(post().to(office::make)),
        )
        .service(
            resource("/office/service-accounts/{id}/tokens/{token}/revoke")
                .route(page!(office::ask_revoke))
                .route(post().to(office::revoke)),
        )
        .service(resource("/people/service-accounts").route(page!(people::page)).route(post().to(people::add)))
        .service(
            resource("/people/service-accounts/{id}/tokens")
                .route(page!(people::tokens))
                .route(post().to(people::make)),
        )
        .service(
            resource("/people/service-accounts/{id}/tokens/{token}/revoke")
                .route(page!(people::ask_revoke))
                .route(post().to(people::revoke)),
        );
}

/// Webhooks: the office's, and a company's.
fn webhook_routes(app: &mut ServiceConfig) {
    use webhook_pages as pages;
    app.service(
        resource("/office/webhooks")
            .route(page!(pages::page::<OfficeStaff>))
            .route(post().to(pages::add::<OfficeStaff>)),
    )
    .service(
        resource("/office/webhooks/{id}")
            .route(page!(pages::webhook::<OfficeStaff>))
            .route(post().to(pages::save::<OfficeStaff>)),
    )
    .service(resource("/office/webhooks/{id}/secret").route(page!(pages::secret::<OfficeStaff>)))
    .service(form("/office/webhooks/{id}/test").route(post().to(pages::test::<OfficeStaff>)))
    .service(form("/office/webhooks/{id}/off").route(post().to(pages::turn_off::<OfficeStaff>)))
    .service(form("/office/webhooks/{id}/on").route(post().to(pages::turn_on::<OfficeStaff>)))
    .service(
        resource("/office/webhooks/{id}/{change}")
            .route(page!(pages::ask::<OfficeStaff>))
            .route(post().to(pages::change::<OfficeStaff>)),
    )
    .service(resource("/office/webhooks/{id}/deliveries/{delivery}").route(page!(pages::delivery::<OfficeStaff>)))
    .service(form("/office/webhooks/{id}/deliveries/{delivery}/again").route(post().to(pages::resend::<OfficeStaff>)));
    app.service(
        resource("/people/webhooks")
            .route(page!(pages::page::<CompanyAdmins>))
            .route(post().to(pages::add::<CompanyAdmins>)),
    )
    .service(
        resource("/people/webhooks/{id}")
            .route(page!(pages::webhook::<CompanyAdmins>))
            .route(post().to(pages::save::<CompanyAdmins>)),
    )
    .service(resource("/people/webhooks/{id}/secret").route(page!(pages::secret::<CompanyAdmins>)))
    .service(form("/people/webhooks/{id}/test").route(post().to(pages::test::<CompanyAdmins>)))
    .service(form("/people/webhooks/{id}/off").route(post().to(pages::turn_off::<CompanyAdmins>)))
    .service(form("/people/webhooks/{id}/on").route(post().to(pages::turn_on::<CompanyAdmins>)))
    .service(
        resource("/people/webhooks/{id}/{change}")
            .route(page!(pages::ask::<CompanyAdmins>))
            .route(post().to(pages::change::<CompanyAdmins>)),
    )
    .service(resource("/people/webhooks/{id}/deliveries/{delivery}").route(page!(pages::delivery::<CompanyAdmins>)))
    .service(
        form("/people/webhooks/{id}/deliveries/{delivery}/again").route(post().to(pages::resend::<CompanyAdmins>)),
    );
}

/// BOLs and their documents: customers and the office.
fn portal_routes(app: &mut ServiceConfig) {
    app.service(resource("/bols").route(page!(portal::bols::page)))
        .service(form("/bols/read").route(post().to(portal::bols::mark_read)))
        .service(resource("/bols/export").route(get().to(portal::list_export::download)))
        .service(resource("/bols/download.zip").route(get().to(portal::zip::download)))
        .service(resource("/bols/{number}").route(get().to(portal::bol::page)))
        .service(resource("/bols/{number}/download").route(get().to(portal::download::bol)))
        .service(resource("/documents/{id}/download").route(get().to(portal::download::document)));
}

/// The same for other systems. `web/api/openapi.rs` describes `/api/v1`.
fn api_routes(app: &mut ServiceConfig) {
    app.service(resource("/api").route(page!(api::reference::page)))
        .service(resource("/api/openapi.json").route(page!(api::reference::document)))
        .service(resource("/api/v1/me").route(page!(api::me::get)))
        .service(resource("/api/v1/bols").route(page!(api::bols::list)).route(post().to(api::work::issue)))
        .service(resource("/api/v1/bols/{number}").route(get().to(api::bols::get)))
        .service(program("/api/v1/bols/{number}/void").route(post().to(api::work::void)))
        .service(program("/api/v1/bols/{number}/weight").route(post().to(api::work::weigh)))
        .service(program("/api/v1/bols/{number}/documents/{kind}/link").route(post().to(api::documents::link_current)))
        .service(program("/api/v1/documents").route(post().to(api::documents::upload)))
        .service(program("/api/v1/documents/{id}/link").route(post().to(api::documents::link)))
        .service(resource("/api/v1/inbox").route(page!(api::inbox::list)))
        .service(program("/api/v1/inbox/{id}/file").route(post().to(api::inbox::file)))
        .service(program("/api/v1/inbox/{id}/discard").route(post().to(api::inbox::discard)))
        .service(program("/api/v1/inbox/{id}/restore").route(post().to(api::inbox::restore)))
        .service(resource("/api/v1/customers").route(page!(api::customers::list)))
        .service(resource("/api/v1/log/events").route(get().to(api::log::events)));
    app.service(resource("/api/bols").route(page!(api::bols)))
        .service(resource(["/api/bol/{id}/download/", "/api/bol/{id}/download"]).route(get().to(api::download)))
        .service(resource(["/api/bol/", "/api/bol"]).route(post().to(api::create)));
}

/// The work of the office: its day, new BOLs, uploads, the inbox.
fn office_routes(app: &mut ServiceConfig) {
    app.service(form("/office/bols").route(post().to(office::new_bol::issue)))
        .service(resource("/office/bols/new").route(page!(office::new_bol::page)))
        .service(form("/office/bols/preview").route(post().to(office::new_bol::preview)))
        .service(
            resource("/office/bols/assign").route(page!(office::assign::page)).route(post().to(office::assign::assign)),
        )
        .service(form("/office/bols/assign/undo").route(post().to(office::assign::undo)))
        .service(resource("/office/upload").route(page!(office::upload::page)).route(post().to(office::upload::upload)))
        .service(resource("/office/inbox").route(page!(office::inbox::page)).route(post().to(office::inbox::many)))
        .service(form("/office/documents/{id}/file").route(post().to(office::inbox::file)))
        .service(
            resource("/office/documents/{id}/unfile")
                .route(page!(office::inbox::ask_unfile))
                .route(post().to(office::inbox::unfile)),
        )
        .service(resource("/office/documents/{id}/preview").route(get().to(office::inbox::preview)))
        .service(
            resource("/office/bols/{number}/void")
                .route(page!(office::stamp::void_page))
                .route(post().to(office::stamp::void)),
        )
        .service(
            resource("/office/bols/{number}/weight")
                .route(page!(office::stamp::weight_page))
                .route(post().to(office::stamp::weigh)),
        )
        .service(resource("/office").route(page!(office::today::page)))
        .service(
            resource("/office/remind").route(page!(office::today::ask_remind)).route(post().to(office::today::remind)),
        );
}

/// What the office maintains: lists, customers, users, settings; and the storage, for administrators.
fn maintenance_routes(app: &mut ServiceConfig) {
    app.service(
        resource("/office/products")
            .route(page!(office::lists::page::<Product>))
            .route(post().to(office::lists::add::<Product>)),
    )
    .service(form("/office/products/{id}").route(post().to(office::lists::change::<Product>)))
    .service(form("/office/lots").route(post().to(office::lists::add::<Lot>)))
    .service(form("/office/lots/{id}").route(post().to(office::lists::change::<Lot>)))
    .service(
        resource("/office/carriers")
            .route(page!(office::lists::page::<Carrier>))
            .route(post().to(office::lists::add::<Carrier>)),
    )
    .service(form("/office/carriers/{id}").route(post().to(office::lists::change::<Carrier>)))
    .service(form("/office/trucks").route(post().to(office::lists::add::<Truck>)))
    .service(form("/office/trucks/{id}").route(post().to(office::lists::change::<Truck>)))
    .service(resource("/office/settings").route(page!(office::settings::page)).route(post().to(office::settings::save)))
    .service(resource("/office/storage").route(page!(office::storage::page)))
    .service(form("/office/storage/prices").route(post().to(office::storage::save)))
    .service(
        resource("/office/customers").route(page!(office::customers::page)).route(post().to(office::customers::add)),
    )
    .service(
        resource("/office/customers/{code}")
            .route(page!(office::customers::customer))
            .route(post().to(office::customers::save)),
    )
    .service(form("/office/customers/{code}/see-as").route(post().to(office::customers::begin_to_see_as)))
    .service(form("/office/customers/{code}/second-factor").route(post().to(office::customers::require_factor)))
    .service(resource("/office/customers/{code}/state").route(page!(office::customers::ask_active)))
    .service(form("/office/customers/{code}/{change}").route(post().to(office::customers::change)))
    .service(resource("/office/users").route(page!(office::users::page)).route(post().to(office::users::invite)))
    .service(resource("/office/users/{id}").route(page!(office::users::user)))
    .service(
        resource("/office/users/{id}/{change}")
            .route(page!(office::users::ask_change))
            .route(post().to(office::users::change)),
    )
    .service(form("/office/settings/days").route(post().to(office::settings::save_days)))
    .service(form("/office/settings/security").route(post().to(office::settings::save_security_contact)))
    .service(form("/office/settings/originals").route(post().to(office::settings::save_releases)))
    .service(form("/office/settings/unusual").route(post().to(office::settings::save_unusual)));
}

/// The access log: auditors and administrators.
fn audit_routes(app: &mut ServiceConfig) {
    app.service(resource("/audit").route(get().to(audit::log::page)))
        .service(resource("/audit/export").route(get().to(audit::export::download)))
        .service(resource("/audit/pack").route(get().to(audit::pack::download)))
        .service(resource("/audit/events/{id}").route(get().to(audit::event::page)))
        .service(resource("/audit/events/{id}/proof").route(get().to(audit::proof::download)))
        .service(
            resource("/audit/integrity")
                .route(page!(audit::integrity::page))
                .route(post().to(audit::integrity::verify)),
        );
}

/// Answers 404 in the layout of the logged-in user, exactly like a BOL that doesn't exist.
async fn not_found(request: HttpRequest) -> Result<&'static str, Error> {
    if let Some(viewer) = auth::current(&request)? {
        request.extensions_mut().insert(viewer);
    }
    Err(Error::NotFound)
}
