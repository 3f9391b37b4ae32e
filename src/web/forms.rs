//! Parses the fields of forms.

use actix_web::dev::Payload;
use actix_web::web::Form;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;

use super::Error;
use crate::bols::lists::SaveError;
use crate::documents::Kind;
use crate::field_errors::FieldErrors;

/// The fields of a form as they were sent, for forms with repeated fields. NUL is removed: Postgres can't store it.
#[derive(Default)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    pub fn new<const N: usize>(fields: [(&str, String); N]) -> Self {
        Self(fields.map(|(name, value)| (name.to_owned(), value)).into())
    }

    /// The fields as they were sent, for forms whose reader refuses NUL with a message.
    pub fn with_nul(form: Form<Vec<(String, String)>>) -> Self {
        Self(form.into_inner())
    }

    /// The first value of this name, or an empty text.
    pub fn one(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    }

    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    pub fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }
}

impl FromRequest for Fields {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let form = Form::<Vec<(String, String)>>::from_request(request, payload);
        Box::pin(async move {
            let pairs = form.await?.into_inner().into_iter();
            Ok(Self(pairs.map(|(name, value)| (name, value.replace('\0', ""))).collect()))
        })
    }
}

/// One of the options of a `select`.
#[derive(Clone)]
pub struct Choice {
    pub value: String,
    pub label: String,
    pub selected: bool,
}

/// An empty choice labeled `any`, then the known ones.
pub fn choices<V: Into<String>, L: Into<String>>(
    any: &str,
    known: impl IntoIterator<Item = (V, L)>,
    selected: &str,
) -> Vec<Choice> {
    let known = known.into_iter().map(|(value, label)| (value.into(), label.into()));
    std::iter::once((String::new(), any.to_owned()))
        .chain(known)
        .map(|(value, label)| Choice { selected: value == selected, value, label })
        .collect()
}

/// The kinds of documents.
pub fn kinds(any: &str, selected: &str) -> Vec<Choice> {
    choices(any, Kind::ALL.map(|kind| (kind.as_str(), kind.label())), selected)
}

/// Separates messages, with which the form is shown again, from errors of the whole page.
pub fn refusal(error: SaveError) -> Result<FieldErrors, Error> {
    match error {
        SaveError::Fields(errors) => Ok(errors),
        SaveError::Gone => Err(Error::NotFound),
        SaveError::Db(error) => Err(error.into()),
    }
}
