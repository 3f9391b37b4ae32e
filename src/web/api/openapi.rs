//! The OpenAPI 3.1 document of `/api/v1`, made from the handlers and their types.
//!
//! The handlers describe what is particular to them. What all of them share is added here: how a caller proves who it
//! is, the problems, and entity tags.

use std::sync::LazyLock;

use actix_web::dev::ResourceDef;
use utoipa::OpenApi as _;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Required, Response, ResponseBuilder};

use super::types::LogEvent;
use super::{bols, customers, documents, inbox, log, me, work};
use crate::web::problem_details::{CONTENT_TYPE, ProblemDetails};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "PrimeTrade BOL portal",
        version = "1",
        description = "Bills of lading, their documents and the access log, for other systems. Names and formats do not change \
                       within `/api/v1`. New members, parameters and paths can be added. An address answers 405 to every \
                       method that is not listed."
    ),
    paths(
        me::get,
        bols::list,
        bols::get,
        work::issue,
        work::void,
        work::weigh,
        documents::link_current,
        documents::link,
        documents::upload,
        inbox::list,
        inbox::file,
        inbox::discard,
        inbox::restore,
        customers::list,
        log::events
    ),
    components(schemas(ProblemDetails, LogEvent)),
    tags(
        (name = "Account", description = "The caller."),
        (name = "Bills of lading", description = "A customer's user sees those of its companies. The office issues, voids and weighs them."),
        (name = "Documents", description = "Links to the files, and uploads of the office."),
        (name = "Inbox", description = "Documents without a certain BOL, for the office."),
        (name = "Customers", description = "The companies that buy from the terminal, for the office."),
        (name = "Access log", description = "For auditors and administrators."),
    )
)]
struct Handlers;

/// The whole document.
pub fn document() -> &'static OpenApi {
    static DOCUMENT: LazyLock<OpenApi> = LazyLock::new(|| completed(Handlers::openapi()));
    &DOCUMENT
}

/// The operations of a path, with their methods.
pub fn operations(item: &PathItem) -> impl Iterator<Item = (&'static str, &Operation)> {
    let all = [("GET", &item.get), ("POST", &item.post), ("PUT", &item.put), ("DELETE", &item.delete)];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}

/// The methods that an address answers, for the header `Allow`. `None` if the document doesn't have it.
pub fn allowed_methods(path: &str) -> Option<String> {
    static ADDRESSES: LazyLock<Vec<(ResourceDef, String)>> = LazyLock::new(|| {
        let paths = document().paths.paths.iter();
        let methods = |item| operations(item).map(|(method, _)| method).collect::<Vec<_>>().join(", ");
        paths.map(|(template, item)| (ResourceDef::new(template.as_str()), methods(item))).collect()
    });
    ADDRESSES.iter().find(|(pattern, _)| pattern.is_match(path)).map(|(_, methods)| methods.clone())
}

fn completed(mut document: OpenApi) -> OpenApi {
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("ptk_…").description(Some(
        "An API token. It may do what its scopes and its owner's rights allow. It has a limit of requests, which the RateLimit \
         headers of every answer say.",
    ));
    let cookie = ApiKeyValue::with_description(
        "sessionid",
        "The session of a login. Under https the cookie is `__Host-sessionid`.",
    );
    if let Some(components) = &mut document.components {
        components.security_schemes.insert("token".into(), SecurityScheme::Http(token.build()).into());
        components.security_schemes.insert("session".into(), SecurityScheme::ApiKey(ApiKey::Cookie(cookie)).into());
    }
    for (name, schema) in document.components.iter_mut().flat_map(|components| &mut components.schemas) {
        if let (false, RefOr::T(Schema::Object(object))) = (LEAVES_OUT.iter().any(|part| name.contains(part)), schema) {
            object.required = object.properties.keys().cloned().collect();
        }
    }
    for (path, item) in &mut document.paths.paths {
        let names_one = path.contains('{');
        if let Some(operation) = &mut item.get {
            add_entity_tag(operation);
            add_problems(operation, names_one, false);
        }
        if let Some(operation) = &mut item.post {
            add_problems(operation, names_one, operation.request_body.is_some());
        }
    }
    document
}

/// Parts of the names of schemas that may lack members: what clients send, problems, and the eBOL. All others have every
/// member, which is `null` if there is nothing to say.
const LEAVES_OUT: [&str; 5] = ["NewBol", "Request", "UploadForm", "Problem", "Ebol"];

/// Statuses that more than one operation answers: which ones, and what they mean.
const PROBLEMS: [(&str, When, &str); 11] = [
    ("400", When::Always, "The request can't be read."),
    ("401", When::Always, "No valid token, and not logged in."),
    (
        "403",
        When::Always,
        "Not for this user, or the token lacks the scope that `WWW-Authenticate` names, or sent by another site. It is recorded.",
    ),
    ("404", When::NamesOne, "Not there, or not yours. Both answers are the same. Asking is recorded."),
    ("408", When::HasBody, "The body arrived too slowly."),
    ("413", When::HasBody, "The body is too large."),
    ("415", When::Always, "The body is compressed. Send it uncompressed."),
    (
        "422",
        When::Always,
        "Wrong input: `errors` names the fields. Or something unlikely: `warnings` has the codes to confirm.",
    ),
    ("429", When::Always, "Too many requests. Wait for `Retry-After` seconds."),
    ("500", When::Always, "Unexpected. `requestId` is in the server's log."),
    (
        "503",
        When::Always,
        "The storage or the database is unavailable. See `Retry-After`. A change may have been made all the same: repeat it with \
         the same `Idempotency-Key`.",
    ),
];

#[derive(Clone, Copy, PartialEq)]
enum When {
    Always,
    /// The path names one thing.
    NamesOne,
    HasBody,
}

/// Adds the problems that the operation doesn't describe itself, and the body to all of them.
fn add_problems(operation: &mut Operation, names_one: bool, has_body: bool) {
    let responses = &mut operation.responses.responses;
    for (status, when, description) in PROBLEMS {
        let applies = match when {
            When::Always => true,
            When::NamesOne => names_one,
            When::HasBody => has_body,
        };
        if applies && !responses.contains_key(status) {
            let response = ResponseBuilder::new().description(description).build();
            responses.insert(status.into(), RefOr::T(response));
        }
    }
    for (status, response) in responses {
        let RefOr::T(response) = response else { continue };
        if status.starts_with(['4', '5']) && response.content.is_empty() {
            let problem = Content::new(Some(Ref::from_schema_name("Problem")));
            response.content.insert(CONTENT_TYPE.into(), RefOr::T(problem));
            if matches!(status.as_str(), "429" | "503") {
                let wait = header(Type::Integer, "Seconds to wait.");
                response.headers.insert("Retry-After".into(), RefOr::T(wait));
            }
        }
    }
}

/// Describes the tag of a response in JSON, and the one without a body.
fn add_entity_tag(operation: &mut Operation) {
    let responses = &mut operation.responses.responses;
    let Some(RefOr::T(response)) = responses.get_mut("200") else { return };
    if !response.content.contains_key("application/json") {
        return;
    }
    let tag = header(Type::String, "Changes with the contents.");
    response.headers.insert("ETag".into(), RefOr::T(tag.clone()));
    let unchanged: Response = ResponseBuilder::new()
        .description("The contents have one of the tags in `If-None-Match`.")
        .header("ETag", tag)
        .build();
    responses.insert("304".into(), RefOr::T(unchanged));
    operation.parameters.get_or_insert_default().push(RefOr::T(if_none_match()));
}

fn if_none_match() -> Parameter {
    ParameterBuilder::new()
        .name("If-None-Match")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some("The `ETag` of an earlier answer."))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build()
}

fn header(schema_type: Type, description: &str) -> Header {
    HeaderBuilder::new()
        .schema(Some(ObjectBuilder::new().schema_type(schema_type)))
        .description(Some(description))
        .build()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::bols::Draft;
    use crate::bols::fields::FIELDS;

    fn properties(schema: &str) -> BTreeSet<String> {
        let schemas = serde_json::to_value(&document().components).expect("JSON");
        let properties = schemas["schemas"][schema]["properties"].as_object().expect("an object").clone();
        properties.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn every_route_of_the_api_is_described_with_its_methods() {
        let table = include_str!("../routes.rs").replace("program(\"", "resource(\"");
        let mut routes = BTreeSet::new();
        for resource in table.split("resource(\"").skip(1) {
            let (path, rest) = resource.split_once('"').expect("a path");
            let rest = rest.split(".service(").next().unwrap_or_default();
            for (method, text) in [("GET", "page!("), ("GET", "get().to("), ("POST", "post().to(")] {
                if path.starts_with("/api/v1/") && rest.contains(text) {
                    routes.insert(format!("{method} {path}"));
                }
            }
        }
        let paths = document().paths.paths.iter();
        let described: BTreeSet<String> = paths
            .flat_map(|(path, item)| operations(item).map(move |(method, _)| format!("{method} {path}")))
            .collect();
        assert!(described.len() > 2);
        assert_eq!(described, routes);
    }

    #[test]
    fn a_bol_has_every_field_that_the_form_has() {
        let bol = properties("Bol");
        let lacking: Vec<&str> = FIELDS.iter().map(|field| field.name).filter(|name| !bol.contains(*name)).collect();
        assert!(lacking.is_empty(), "add them to web/api/types/bol.rs: {lacking:?}");
    }

    #[test]
    fn a_new_bol_takes_the_fields_of_the_form() {
        let names: BTreeSet<String> = Draft::names().map(str::to_owned).collect();
        assert_eq!(properties("NewBol"), names);
    }

    #[test]
    fn every_operation_has_a_name_of_its_own_and_says_what_it_does() {
        let mut names = BTreeSet::new();
        for operation in
            document().paths.paths.values().flat_map(|item| operations(item).map(|(_, operation)| operation))
        {
            let name = operation.operation_id.clone().expect("an operation id");
            assert!(operation.summary.is_some() && operation.security.is_some(), "{name}");
            assert!(operation.tags.as_ref().is_some_and(|tags| tags.len() == 1), "{name}");
            assert!(names.insert(name.clone()), "{name} twice");
        }
    }
}
