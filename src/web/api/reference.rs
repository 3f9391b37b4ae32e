//! `GET /api`: a page about the API, made from its OpenAPI document. `GET /api/openapi.json`: the document.

mod view;

use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use self::view::{Group, SchemaView, Span, paragraphs};
use super::{conditional, openapi};
use crate::web::context::PublicContext;
use crate::web::page::{Layout, html};
use crate::web::{Error, auth, token_request};

#[derive(Template)]
#[template(path = "api/reference.html")]
struct ReferencePage {
    layout: Layout,
    introduction: Vec<Vec<Span>>,
    groups: Vec<Group>,
    schemas: Vec<SchemaView>,
}

/// `GET /api`
pub async fn page(request: HttpRequest, context: PublicContext) -> Result<HttpResponse, Error> {
    let viewer = auth::current(&request)?;
    let document = openapi::document();
    Ok(html(&ReferencePage {
        layout: Layout::new(&context.site, viewer.as_ref(), "/api"),
        introduction: paragraphs(document.info.description.as_deref().unwrap_or_default()),
        groups: Group::all(document),
        schemas: SchemaView::all(document),
    }))
}

/// `GET /api/openapi.json`
pub async fn document(request: HttpRequest) -> Result<HttpResponse, Error> {
    // Public, so a program may send its token along.
    token_request::set_decided(&request);
    conditional::json(&request, openapi::document())
}
