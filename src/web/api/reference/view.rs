//! The parts of the OpenAPI document as the page shows them.

use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::schema::{ArrayItems, Schema, SchemaType};
use utoipa::openapi::{OpenApi, RefOr, Required, Response};

use crate::web::api::openapi::operations;

/// A piece of a description: plain text, or code between backquotes.
pub struct Span {
    pub text: String,
    pub is_code: bool,
}

pub fn spans(text: &str) -> Vec<Span> {
    let pieces = text.split('`').enumerate().map(|(at, text)| Span { text: text.to_owned(), is_code: at % 2 == 1 });
    pieces.filter(|span| !span.text.is_empty()).collect()
}

/// A description, whose paragraphs are separated by blank lines.
pub fn paragraphs(text: &str) -> Vec<Vec<Span>> {
    text.split("\n\n").map(|paragraph| spans(&paragraph.replace('\n', " "))).filter(|spans| !spans.is_empty()).collect()
}

/// The operations of one tag.
pub struct Group {
    pub id: String,
    pub name: String,
    pub description: Vec<Span>,
    pub operations: Vec<OperationView>,
}

pub struct OperationView {
    pub id: String,
    pub method: &'static str,
    pub path: String,
    pub summary: String,
    pub description: Vec<Vec<Span>>,
    pub fields: Vec<FieldView>,
    pub body: Option<BodyView>,
    pub answers: Vec<AnswerView>,
}

/// A parameter, or a member of a schema.
pub struct FieldView {
    pub name: String,
    /// Where a parameter stands: `path`, `query` or `header`.
    pub place: &'static str,
    pub kind: Kind,
    pub is_required: bool,
    pub description: Vec<Span>,
}

pub struct BodyView {
    pub content_type: String,
    pub kind: Kind,
}

pub struct AnswerView {
    pub status: String,
    pub description: Vec<Span>,
    pub content_type: Option<String>,
    pub kind: Kind,
}

/// A type in words, with the schema that it names.
#[derive(Default)]
pub struct Kind {
    pub text: String,
    pub schema: Option<String>,
}

pub struct SchemaView {
    pub name: String,
    pub description: Vec<Span>,
    pub fields: Vec<FieldView>,
    /// What it is, if it isn't an object.
    pub kind: Kind,
}

impl Group {
    pub fn all(document: &OpenApi) -> Vec<Self> {
        let tags = document.tags.iter().flatten();
        tags.map(|tag| Self {
            id: tag.name.to_lowercase().replace(' ', "-"),
            name: tag.name.clone(),
            description: spans(tag.description.as_deref().unwrap_or_default()),
            operations: document
                .paths
                .paths
                .iter()
                .flat_map(|(path, item)| operations(item).map(move |(method, operation)| (path, method, operation)))
                .filter(|(.., operation)| operation.tags.as_ref().is_some_and(|tags| tags.contains(&tag.name)))
                .map(|(path, method, operation)| OperationView::new(path, method, operation))
                .collect(),
        })
        .collect()
    }
}

impl OperationView {
    fn new(path: &str, method: &'static str, operation: &Operation) -> Self {
        let parameters = operation.parameters.iter().flatten();
        let answers = operation.responses.responses.iter();
        Self {
            id: operation.operation_id.clone().unwrap_or_default(),
            method,
            path: path.to_owned(),
            summary: operation.summary.clone().unwrap_or_default(),
            description: paragraphs(operation.description.as_deref().unwrap_or_default()),
            fields: parameters.filter_map(inline).map(FieldView::of_parameter).collect(),
            body: operation.request_body.as_ref().and_then(inline).and_then(BodyView::new),
            answers: answers.filter_map(|(status, answer)| Some(AnswerView::new(status, inline(answer)?))).collect(),
        }
    }
}

/// What a reference or a value holds. The document has no references but those to schemas.
fn inline<T>(value: &RefOr<T>) -> Option<&T> {
    match value {
        RefOr::T(value) => Some(value),
        RefOr::Ref(_) => None,
    }
}

impl FieldView {
    fn of_parameter(parameter: &Parameter) -> Self {
        let place = match parameter.parameter_in {
            ParameterIn::Path => "path",
            ParameterIn::Header => "header",
            _ => "query",
        };
        Self {
            name: parameter.name.clone(),
            place,
            kind: parameter.schema.as_ref().map(Kind::of).unwrap_or_default(),
            is_required: matches!(parameter.required, Required::True),
            description: spans(&parameter.description.clone().unwrap_or_default().replace('\n', " ")),
        }
    }
}

impl BodyView {
    fn new(body: &RequestBody) -> Option<Self> {
        let (content_type, content) = body.content.iter().next()?;
        let kind = inline(content)?.schema.as_ref().map(Kind::of).unwrap_or_default();
        Some(Self { content_type: content_type.clone(), kind })
    }
}

impl AnswerView {
    fn new(status: &str, answer: &Response) -> Self {
        let content = answer.content.iter().next();
        let schema = content.and_then(|(_, content)| inline(content)?.schema.as_ref());
        Self {
            status: status.to_owned(),
            description: spans(&answer.description),
            content_type: content.map(|(content_type, _)| content_type.clone()),
            kind: schema.map(Kind::of).unwrap_or_default(),
        }
    }
}

impl Kind {
    fn of(schema: &RefOr<Schema>) -> Self {
        let schema = match schema {
            RefOr::Ref(reference) => {
                let name = reference.ref_location.rsplit('/').next().unwrap_or_default().to_owned();
                return Self { text: name.clone(), schema: Some(name) };
            }
            RefOr::T(schema) => schema,
        };
        let plain = |text: String| Self { text, schema: None };
        match schema {
            Schema::Array(array) => match &array.items {
                ArrayItems::RefOrSchema(items) => {
                    let of = Self::of(items);
                    Self { text: format!("list of {}", of.text), schema: of.schema }
                }
                ArrayItems::False => plain("list".into()),
            },
            Schema::Object(object) => plain(type_name(&object.schema_type)),
            Schema::OneOf(choice) => Self::any(&choice.items),
            Schema::AnyOf(choice) => Self::any(&choice.items),
            Schema::AllOf(parts) => Self::any(&parts.items),
            _ => plain("any".into()),
        }
    }

    fn any(items: &[RefOr<Schema>]) -> Self {
        let kinds: Vec<Self> = items.iter().map(Self::of).collect();
        let texts: Vec<&str> = kinds.iter().map(|kind| kind.text.as_str()).collect();
        let text = texts.join(" or ");
        Self { text, schema: kinds.into_iter().find_map(|kind| kind.schema) }
    }
}

/// "string or null"
fn type_name(schema_type: &SchemaType) -> String {
    match serde_json::to_value(schema_type) {
        Ok(serde_json::Value::String(name)) => name,
        Ok(serde_json::Value::Array(names)) => {
            let names: Vec<&str> = names.iter().filter_map(serde_json::Value::as_str).collect();
            names.join(" or ")
        }
        _ => "any".into(),
    }
}

impl SchemaView {
    pub fn all(document: &OpenApi) -> Vec<Self> {
        let components = document.components.iter();
        let schemas = components.flat_map(|components| &components.schemas);
        schemas.map(|(name, schema)| Self::new(name, schema)).collect()
    }

    fn new(name: &str, schema: &RefOr<Schema>) -> Self {
        let view = Self { name: name.to_owned(), description: Vec::new(), fields: Vec::new(), kind: Kind::of(schema) };
        let RefOr::T(Schema::Object(object)) = schema else { return view };
        let fields = object.properties.iter().map(|(name, member)| FieldView {
            name: name.clone(),
            place: "",
            kind: Kind::of(member),
            is_required: object.required.contains(name),
            description: spans(&description(member).replace('\n', " ")),
        });
        let described = spans(&object.description.clone().unwrap_or_default().replace('\n', " "));
        Self { description: described, fields: fields.collect(), ..view }
    }
}

fn description(schema: &RefOr<Schema>) -> String {
    match schema {
        RefOr::Ref(reference) => reference.description.clone(),
        RefOr::T(Schema::Object(object)) => object.description.clone().unwrap_or_default(),
        RefOr::T(Schema::Array(array)) => array.description.clone().unwrap_or_default(),
        RefOr::T(Schema::OneOf(choice)) => choice.description.clone().unwrap_or_default(),
        RefOr::T(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::api::openapi;

    #[test]
    fn the_page_shows_every_operation_and_links_only_to_schemas_that_it_has() {
        let document = openapi::document();
        let groups = Group::all(document);
        let shown: usize = groups.iter().map(|group| group.operations.len()).sum();
        let all: usize = document.paths.paths.values().map(|item| operations(item).count()).sum();
        assert_eq!(shown, all);
        let schemas = SchemaView::all(document);
        let operations = groups.iter().flat_map(|group| &group.operations);
        let kinds = operations.flat_map(|operation| operation.answers.iter().map(|answer| &answer.kind));
        for kind in kinds.chain(schemas.iter().flat_map(|schema| schema.fields.iter().map(|field| &field.kind))) {
            assert!(kind.schema.is_none() || schemas.iter().any(|schema| Some(&schema.name) == kind.schema.as_ref()));
        }
        assert!(
            schemas.iter().any(|schema| schema.name == "Bol" && schema.fields[1].name == "number"),
            "in their order"
        );
    }

    #[test]
    fn code_stands_between_backquotes() {
        let found = spans("Use `a`, not b.");
        let found: Vec<(&str, bool)> = found.iter().map(|span| (span.text.as_str(), span.is_code)).collect();
        assert_eq!(found, [("Use ", false), ("a", true), (", not b.", false)]);
        assert_eq!(paragraphs("one\ntwo\n\nthree").len(), 2);
    }
}
