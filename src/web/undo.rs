//! A notice with a button that takes back what was done.

/// Shown above a page instead of a notice: see `base.html`.
pub struct Undo {
    /// What was done.
    pub text: String,
    /// The page of what it was done to.
    pub href: Option<String>,
    /// Where the form of the button goes.
    pub action: &'static str,
    /// What the form sends.
    pub fields: Vec<(&'static str, String)>,
}
