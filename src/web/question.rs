//! A question before a change that is hard to undo. It names what is changed, how much of it, and whom it concerns.

use askama::Template;

use super::page::Layout;

#[derive(Template)]
#[template(path = "question.html")]
pub struct Question {
    pub layout: Layout,
    /// "Remove Ada Lopez from Acme Steel?"
    pub title: String,
    /// What happens then, in sentences.
    pub consequences: Vec<String>,
    /// Where the answer is sent.
    pub action: String,
    pub fields: Vec<(&'static str, String)>,
    /// The label of the button that confirms.
    pub button: String,
    /// The page to return to, and its name.
    pub back: (String, String),
}
