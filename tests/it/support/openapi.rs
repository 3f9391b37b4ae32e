//! Compares every answer of `/api/v1` with the OpenAPI document: its status, its content type and its body.
//!
//! The members of a body must be those that the document names, although clients have to expect new ones.

use std::cell::RefCell;

use boon::{Compiler, Schemas};
use primetrade::web::api::openapi;
use serde_json::{Value, json};

use super::Answer;

/// Where the document stands for the validator.
const DOCUMENT: &str = "https://portal.example/openapi.json";

thread_local! {
    static VALIDATOR: RefCell<Validator> = RefCell::new(Validator::new());
}

struct Validator {
    document: Value,
    compiler: Compiler,
    schemas: Schemas,
}

/// The document as it is served.
pub fn document() -> Value {
    serde_json::to_value(openapi::document()).unwrap()
}

/// Panics if the document doesn't describe this answer. Answers of other addresses are left alone.
pub fn check(method: &str, path: &str, answer: &Answer) {
    if !path.starts_with("/api/v1") {
        return;
    }
    let fault = VALIDATOR.with_borrow_mut(|validator| validator.fault(method, path, answer));
    assert!(fault.is_none(), "{method} {path} answers {}: {}\n{}", answer.status, fault.unwrap(), answer.text());
}

impl Validator {
    fn new() -> Self {
        let mut document = document();
        close(&mut document);
        let mut compiler = Compiler::new();
        compiler.enable_format_assertions();
        compiler.add_resource(DOCUMENT, document.clone()).unwrap();
        Self { document, compiler, schemas: Schemas::new() }
    }

    fn fault(&mut self, method: &str, path: &str, answer: &Answer) -> Option<String> {
        let template = self.document["paths"].as_object().unwrap().keys().find(|template| matches(template, path));
        let operation = template.cloned().map(|template| {
            let method = if method == "HEAD" { "get".into() } else { method.to_lowercase() };
            format!("/paths/{}/{method}", escape(&template))
        });
        let operation = operation.filter(|pointer| self.document.pointer(pointer).is_some());
        let content_type = answer.header("content-type").split(';').next().unwrap_or_default().to_owned();
        let Some(operation) = operation else {
            let is_problem = content_type == "application/problem+json" && (400..500).contains(&answer.status);
            if method == "HEAD" || !is_problem {
                return (!is_problem).then(|| "neither described nor a problem".into());
            }
            return self.validate("/components/schemas/Problem", &answer.json());
        };
        // A HEAD that isn't allowed answers 405, which no operation describes.
        if method == "HEAD" && answer.status == 405 {
            return None;
        }
        let response = format!("{operation}/responses/{}", answer.status);
        let Some(described) = self.document.pointer(&response) else {
            return Some("the status isn't described".into());
        };
        let Some(content) = described["content"].as_object() else {
            return (!answer.body.is_empty()).then(|| "a body isn't described".into());
        };
        if !content.contains_key(&content_type) {
            return Some(format!("the content type {content_type} isn't described"));
        }
        if method == "HEAD" {
            return None;
        }
        if content_type == "application/x-ndjson" {
            let text = answer.text();
            let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            return lines.into_iter().find_map(|line| self.validate("/components/schemas/LogEvent", &line));
        }
        let schema = format!("{response}/content/{}/schema", escape(&content_type));
        self.validate(&schema, &answer.json())
    }

    fn validate(&mut self, pointer: &str, value: &Value) -> Option<String> {
        let fragment = pointer.replace('%', "%25").replace('{', "%7B").replace('}', "%7D");
        let schema = self.compiler.compile(&format!("{DOCUMENT}#{fragment}"), &mut self.schemas).unwrap();
        self.schemas.validate(value, schema).err().map(|error| format!("{error}"))
    }
}

/// Allows no members but those that the document names.
fn close(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if members.get("properties").is_some_and(Value::is_object) && !members.contains_key("additionalProperties")
            {
                members.insert("additionalProperties".into(), json!(false));
            }
            members.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// Whether a path fits a template such as `/api/v1/bols/{number}`.
fn matches(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    let fits = |(part, given): (&&str, &&str)| part == given || part.starts_with('{') && !given.is_empty();
    template.len() == path.len() && template.iter().zip(&path).all(fits)
}

/// A part of a JSON pointer.
fn escape(part: &str) -> String {
    part.replace('~', "~0").replace('/', "~1")
}

#[test]
fn an_answer_that_is_not_described_is_a_fault() {
    let answer = |status, content_type: &str, body: &Value| {
        let headers = [(reqwest::header::CONTENT_TYPE, content_type.parse().unwrap())].into_iter().collect();
        Answer { status, headers, body: body.to_string().into_bytes() }
    };
    let me = json!({"name": "A", "email": "a@b.example", "role": "office", "companies": [], "token": null});
    let fault = |path, answer: &Answer| Validator::new().fault("GET", path, answer);
    assert_eq!(fault("/api/v1/me", &answer(200, "application/json", &me)), None);
    let mut more = me.clone();
    more["more"] = json!(1);
    let mut less = me.clone();
    less.as_object_mut().unwrap().remove("role");
    for (path, wrong) in [
        ("/api/v1/me", answer(200, "application/json", &more)),
        ("/api/v1/me", answer(200, "application/json", &less)),
        ("/api/v1/me", answer(200, "text/html", &me)),
        ("/api/v1/me", answer(418, "application/json", &me)),
        ("/api/v1/nothing", answer(200, "application/json", &me)),
        ("/api/v1/me", answer(401, "application/problem+json", &json!({"title": "x"}))),
    ] {
        assert!(fault(path, &wrong).is_some(), "{path} {wrong:?}");
    }
}
