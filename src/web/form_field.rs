//! A field of a form, with its label, hint and message: one markup for every page.
//!
//! A template shows one with `{{ FormField::text("name", "Name", name, errors) }}`.

use askama::Template;
use askama::filters::HtmlSafe;
use chrono::NaiveDate;

use super::forms::Choice;
use crate::accounts::passwords;
use crate::field_errors::FieldErrors;

/// The module that shows a typed password, for pages with one.
pub const PASSWORD_SCRIPT: &str = "password.js";

#[derive(Template)]
#[template(path = "form_field.html")]
pub struct FormField {
    name: &'static str,
    id: String,
    /// The prefix of the ids of its hint and its message.
    messages_id: String,
    label: &'static str,
    value: String,
    error: Option<String>,
    hint: Option<&'static str>,
    control: Control,
    autocomplete: &'static str,
    autocapitalize: Option<&'static str>,
    is_required: bool,
    /// The value is a code, so no spell checker marks it.
    is_code: bool,
    /// The [keyboard](https://html.spec.whatwg.org/multipage/interaction.html#input-modalities:-the-inputmode-attribute)
    /// that a phone shows.
    keyboard: Option<&'static str>,
    is_first: bool,
    max_chars: Option<usize>,
    /// The id of the `datalist` that suggests values.
    list: Option<&'static str>,
}

/// The template escapes what it shows.
impl HtmlSafe for FormField {}

enum Control {
    /// An `input` of this type.
    Input(&'static str),
    /// A `textarea` of this many rows.
    Textarea(u8),
    Select(Vec<Choice>),
    /// A value that the user doesn't change.
    Hidden,
}

/// Constructors: the name, the label, what the field shows, and the messages of its form.
impl FormField {
    fn new(name: &'static str, label: &'static str, value: &str, errors: &FieldErrors, control: Control) -> Self {
        Self {
            name,
            id: name.into(),
            messages_id: name.into(),
            label,
            value: value.into(),
            error: errors.message(name).map(str::to_owned),
            hint: None,
            control,
            autocomplete: "off",
            autocapitalize: None,
            is_required: false,
            is_code: false,
            keyboard: None,
            is_first: false,
            max_chars: None,
            list: None,
        }
    }

    /// One line of text.
    pub fn text(name: &'static str, label: &'static str, value: &str, errors: &FieldErrors) -> Self {
        Self::new(name, label, value, errors, Control::Input("text"))
    }

    /// A whole number, as text: browsers change what a user types into a field for numbers.
    pub fn number(name: &'static str, label: &'static str, value: &str, errors: &FieldErrors) -> Self {
        Self::text(name, label, value, errors).keyboard("numeric")
    }

    /// An email address.
    pub fn email(name: &'static str, label: &'static str, value: &str, errors: &FieldErrors) -> Self {
        Self::new(name, label, value, errors, Control::Input("email")).code().autocapitalize("none")
    }

    /// A telephone number.
    pub fn phone(name: &'static str, label: &'static str, value: &str, errors: &FieldErrors) -> Self {
        Self::new(name, label, value, errors, Control::Input("tel"))
    }

    /// A day. A browser would drop what is no day, so that is shown as text.
    pub fn day(name: &'static str, label: &'static str, value: &str, errors: &FieldErrors) -> Self {
        let is_day = value.is_empty() || NaiveDate::parse_from_str(value, "%Y-%m-%d").is_ok();
        Self::new(name, label, value, errors, Control::Input(if is_day { "date" } else { "text" }))
    }

    /// An address: several lines of text.
    pub fn address(name: &'static str, label: &'static str, value: &str, errors: &FieldErrors) -> Self {
        Self::new(name, label, value, errors, Control::Textarea(3))
    }

    /// A list to choose from.
    pub fn select(name: &'static str, label: &'static str, choices: &[Choice], errors: &FieldErrors) -> Self {
        Self::new(name, label, "", errors, Control::Select(choices.to_vec()))
    }

    /// A value that the form sends back unchanged.
    pub fn hidden(name: &'static str, value: &str, errors: &FieldErrors) -> Self {
        Self::new(name, "", value, errors, Control::Hidden)
    }

    /// The password that the user has.
    pub fn password(name: &'static str, label: &'static str, errors: &FieldErrors) -> Self {
        Self::new(name, label, "", errors, Control::Input("password")).autocomplete("current-password").required()
    }

    /// A code of an authenticator app, with the digits' keyboard of a phone.
    pub fn one_time_code(name: &'static str, label: &'static str, errors: &FieldErrors) -> Self {
        Self::number(name, label, "", errors).code().autocomplete("one-time-code").max_chars(20)
    }

    /// A recovery code, which replaces one of those.
    pub fn recovery_code(name: &'static str, label: &'static str, errors: &FieldErrors) -> Self {
        Self::text(name, label, "", errors).code().autocapitalize("none").max_chars(40)
    }

    /// A new password. It never shows what was typed.
    pub fn new_password(name: &'static str, label: &'static str, errors: &FieldErrors) -> Self {
        Self::new(name, label, "", errors, Control::Input("password")).autocomplete("new-password").required()
    }
}

impl FormField {
    /// Sets the form that the field belongs to, where a page has several fields of this name.
    pub fn of_form(self, form: &str) -> Self {
        let id = format!("{form}-{}", self.name);
        self.id(id)
    }

    pub fn id(self, id: String) -> Self {
        Self { messages_id: id.clone(), id, ..self }
    }

    /// Sets another prefix for the ids of the hint and the message.
    pub fn messages(self, id: &str) -> Self {
        Self { messages_id: id.into(), ..self }
    }

    pub fn hint(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }

    /// Says what a new password must be like.
    pub fn password_rule(self) -> Self {
        self.hint(passwords::RULE)
    }

    /// The [name of what is typed](https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#autofill).
    pub fn autocomplete(self, autocomplete: &'static str) -> Self {
        Self { autocomplete, ..self }
    }

    pub fn autocapitalize(self, autocapitalize: &'static str) -> Self {
        Self { autocapitalize: Some(autocapitalize), ..self }
    }

    pub fn required(self) -> Self {
        Self { is_required: true, ..self }
    }

    /// Sets the number of lines that an address shows.
    pub fn rows(self, rows: u8) -> Self {
        Self { control: Control::Textarea(rows), ..self }
    }

    pub fn keyboard(self, keyboard: &'static str) -> Self {
        Self { keyboard: Some(keyboard), ..self }
    }

    /// Puts the cursor there when the page opens.
    pub fn autofocus(self) -> Self {
        Self { is_first: true, ..self }
    }

    pub fn max_chars(self, max_chars: usize) -> Self {
        Self { max_chars: Some(max_chars), ..self }
    }

    /// Sets the `datalist` of the page that suggests values. Others can be typed too.
    pub fn suggestions(self, list: &'static str) -> Self {
        Self { list: Some(list), ..self }
    }

    /// Turns the spell checker off: the value is no word.
    pub fn code(self) -> Self {
        Self { is_code: true, ..self }
    }

    /// Whether the hint stands above the control: an on-screen keyboard or long text would hide it below.
    fn is_hint_first(&self) -> bool {
        self.is_password() || matches!(self.control, Control::Textarea(_))
    }

    /// Whether the field is for a password, which no page sends back.
    fn is_password(&self) -> bool {
        matches!(self.control, Control::Input("password"))
    }

    /// The ids of the texts that describe the control.
    fn described_by(&self) -> Option<String> {
        let hint = self.hint.map(|_| format!("{}-hint", self.messages_id));
        let error = self.error.as_ref().map(|_| format!("{}-error", self.messages_id));
        let ids: Vec<String> = hint.into_iter().chain(error).collect();
        (!ids.is_empty()).then(|| ids.join(" "))
    }
}
