//! What a page answers to a form.

use super::{Actor, Answer};

impl Actor {
    /// Sends a form and expects a redirect to `target`, which says what was saved. Returns that page.
    pub async fn expect_saved(&self, path: &str, form: &[(&str, &str)], target: &str) -> Answer {
        let answer = self.post(path, form).await;
        assert_eq!((answer.status, answer.header("location")), (303, target), "{path} {form:?}\n{}", answer.text());
        let page = self.get(target).await;
        assert_eq!(page.status, 200);
        assert_ne!(page.one("[role=status]"), "");
        page
    }

    /// Sends a form and expects it again, with a message beside the marked field.
    pub async fn expect_refused(&self, path: &str, form: &[(&str, &str)], field: &str, message: &str) -> Answer {
        let answer = self.post(path, form).await;
        assert_eq!(answer.status, 422, "{path} {form:?}");
        assert_eq!(answer.all(".error"), [message], "{path} {form:?}");
        assert_eq!(answer.attributes("[aria-invalid=true]", "id"), [field], "{path} {form:?}");
        let described = answer.attributes("[aria-invalid=true]", "aria-describedby").remove(0);
        let message_id = answer.attributes(".error", "id").remove(0);
        assert!(described.split(' ').any(|id| id == message_id), "{described}");
        assert_eq!(answer.all("[role=alert]").len(), 1);
        answer
    }
}

impl Answer {
    /// Expects a summary of errors: in the title, with the focus, and with links to fields of the page.
    pub fn expect_summary(&self, what: &str) {
        let title = self.one("head title");
        assert!(title.starts_with("Error: "), "{what}: {title}");
        assert_eq!(self.attributes("[role=alert]", "id"), ["problem"], "{what}");
        assert_eq!(self.attributes("[autofocus]", "id").first().map(String::as_str), Some("problem"), "{what}");
        for link in self.attributes("#problem a", "href") {
            assert_eq!(self.all(&link).len(), 1, "{what}: {link}");
        }
    }

    /// The value of an input with an id.
    pub fn value(&self, id: &str) -> String {
        self.attributes(&format!("#{id}"), "value").remove(0)
    }
}
