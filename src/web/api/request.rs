//! Reading requests of the API: JSON bodies and the `Idempotency-Key`.

use actix_web::HttpRequest;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use crate::bols::Draft;
use crate::field_errors::FieldErrors;
use crate::web::Error;

/// The longest `Idempotency-Key`.
const MAX_KEY_BYTES: usize = 150;

/// Returns the key of the request, or `None` without one. The keys of all operations of the API share one name space.
pub fn given_key(request: &HttpRequest) -> Result<Option<String>, Error> {
    match request.headers().get("idempotency-key").map(|key| key.to_str().unwrap_or_default()) {
        None => Ok(None),
        Some(key) if (1..=MAX_KEY_BYTES).contains(&key.len()) => Ok(Some(format!("api:{key}"))),
        Some(_) => Err(Error::Invalid(format!("Idempotency-Key: 1 to {MAX_KEY_BYTES} visible ASCII characters."))),
    }
}

/// Returns the key of the request, or a new one.
pub fn key(request: &HttpRequest) -> Result<String, Error> {
    Ok(given_key(request)?.unwrap_or_else(|| format!("api:{}", Uuid::now_v7())))
}

/// Reads a JSON object.
pub fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let value: Value = serde_json::from_slice(body).map_err(|_| Error::NotJson)?;
    serde_json::from_value(value)
        .map_err(|error| Error::Fields(FieldErrors::one("", format!("The body does not fit: {error}."))))
}

/// Reads a JSON object of the fields of a new BOL. Weights and pieces may be numbers; seals and confirmations may be lists.
pub fn draft(fields: &serde_json::Map<String, Value>) -> Result<Draft, FieldErrors> {
    let (mut draft, mut errors) = (Draft::default(), FieldErrors::default());
    for name in fields.keys().filter(|name| !Draft::names().any(|known| known == name.as_str())) {
        let shown: String = name.chars().take(60).collect();
        errors.add("", format!("The form has no field called {shown}."));
    }
    for name in Draft::names() {
        match fields.get(name).map(text) {
            None => {}
            Some(Some(text)) => drop(draft.set(name, text)),
            Some(None) => errors.add(name, "Use a string, a whole number, or a list of strings."),
        }
    }
    errors.or(draft)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.replace("\r\n", "\n")),
        // Fractions and exponents would be stored in another notation than they were sent.
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        Value::Array(list) => {
            let texts: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
            texts.map(|texts| texts.join(","))
        }
        Value::Number(_) | Value::Bool(_) | Value::Object(_) => None,
    }
}
