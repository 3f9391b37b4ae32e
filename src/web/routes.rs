//! Every URL that a browser or a customer's system can ask for, in one table.
//!
//! Who may call what stands in the handlers' signatures ([`super::auth`]). Health, static and signed files are outside
//! of the session and stand in [`super::health`] and [`super::files`].

use actix_web::guard::{Any, Get, Head};
use actix_web::web::{ServiceConfig, get, post, resource, route};
use actix_web::{HttpMessage, HttpRequest};

use super::error::Error;
use super::{account, api, auth, invitation, office, portal, session};

/// A page that may be asked for by GET and by HEAD: one that records nothing.
macro_rules! page {
    ($handler:path) => {
        route().guard(Any(Get()).or(Head())).to($handler)
    };
}

pub fn routes(app: &mut ServiceConfig) {
    app.service(resource("/").route(page!(session::home)))
        .service(resource("/login").route(page!(session::login_page)).route(post().to(session::log_in)))
        .service(resource("/logout").route(post().to(session::log_out)))
        .service(resource("/invitation").route(page!(invitation::page)).route(post().to(invitation::accept)))
        .service(resource("/account").route(page!(account::page)))
        .service(resource("/account/password").route(post().to(account::change_password)))
        .service(resource("/account/sessions/end").route(post().to(account::end_session)))
        .service(resource("/account/sessions/end-all").route(post().to(account::end_all_sessions)))
        .service(resource("/bols").route(page!(portal::bols::page)))
        .service(resource("/bols/{number}").route(get().to(portal::bol::page)))
        .service(resource("/bols/{number}/download").route(get().to(portal::download::bol)))
        .service(resource("/documents/{id}/download").route(get().to(portal::download::document)))
        .service(resource("/api/bols").route(page!(api::bols)))
        .service(resource(["/api/bol/{id}/download/", "/api/bol/{id}/download"]).route(get().to(api::download)))
        .service(resource(["/api/bol/", "/api/bol"]).route(post().to(api::create)))
        .service(resource("/office/bols").route(post().to(office::new_bol::issue)))
        .service(resource("/office/bols/new").route(page!(office::new_bol::page)))
        .service(resource("/office/bols/preview").route(post().to(office::new_bol::preview)))
        .service(
            resource("/office/bols/assign").route(page!(office::assign::page)).route(post().to(office::assign::assign)),
        )
        .service(resource("/office/upload").route(page!(office::upload::page)).route(post().to(office::upload::upload)))
        .service(resource("/office/inbox").route(page!(office::inbox::page)).route(post().to(office::inbox::many)))
        .service(resource("/office/documents/{id}/file").route(post().to(office::inbox::file)))
        .service(resource("/office/documents/{id}/unfile").route(post().to(office::inbox::unfile)))
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
        .service(
            resource("/office/products").route(page!(office::products::page)).route(post().to(office::products::add)),
        )
        .service(resource("/office/products/{id}").route(post().to(office::products::change)))
        .service(resource("/office/lots").route(post().to(office::products::add_lot)))
        .service(resource("/office/lots/{id}").route(post().to(office::products::change_lot)))
        .service(
            resource("/office/carriers").route(page!(office::carriers::page)).route(post().to(office::carriers::add)),
        )
        .service(resource("/office/carriers/{id}").route(post().to(office::carriers::change)))
        .service(resource("/office/trucks").route(post().to(office::carriers::add_truck)))
        .service(resource("/office/trucks/{id}").route(post().to(office::carriers::change_truck)))
        .service(
            resource("/office/settings").route(page!(office::settings::page)).route(post().to(office::settings::save)),
        )
        .default_service(route().to(nothing_here));
}

/// In the frame of whoever is logged in, so that the error page is the same as that of a BOL that isn't there.
async fn nothing_here(request: HttpRequest) -> Result<&'static str, Error> {
    if let Some(viewer) = auth::current(&request)? {
        request.extensions_mut().insert(viewer);
    }
    Err(Error::NotFound)
}
