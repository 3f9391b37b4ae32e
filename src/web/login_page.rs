//! The login page. It says why it is there, and carries what was typed into a form when the session ended.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::Site;
use super::drafts::{Draft, Reason};
use super::form_field::PASSWORD_SCRIPT;
use super::page::{Layout, html_with_status};
use super::passkey::PasskeyButton;
use super::sso_link::SsoLink;

#[derive(Template)]
#[template(path = "session/login.html")]
pub struct LoginPage {
    pub layout: Layout,
    pub email: String,
    pub next: String,
    /// Why the page is there.
    pub why: Option<String>,
    pub draft: Option<Draft>,
    /// Single sign-on, if there is an issuer.
    pub sso: Option<SsoLink>,
    /// The password was right, but this login has to use single sign-on.
    pub needs_sso: bool,
    /// Where to log out of the issuer too.
    pub log_out_of_issuer: Option<&'static str>,
    /// `None` if the portal's address has no passkeys.
    pub passkey: Option<PasskeyButton>,
}

impl LoginPage {
    pub fn new(site: &Site, next: &str) -> Self {
        let passkey = PasskeyButton::get("Log in with a passkey", "/login/passkey/options").offered().on(site);
        Self {
            layout: Layout::new(site, None, "").script(site, PASSWORD_SCRIPT).passkey_script(site, passkey.as_ref()),
            email: String::new(),
            next: next.into(),
            why: None,
            draft: None,
            sso: SsoLink::new(site, next),
            needs_sso: false,
            log_out_of_issuer: None,
            passkey,
        }
    }

    /// Says why the page is there: the session has ended, or the page asked for needs a login.
    pub fn why(mut self, site: &Site, request: &HttpRequest) -> Self {
        self.why = if request.cookie(session_cookie_name(site)).is_some() {
            Some("Your session has ended. Log in to continue.".into())
        } else if self.next != "/" {
            Some("Log in to see this page.".into())
        } else {
            None
        };
        self
    }

    /// Asks for the login of the user who filled in a form, and keeps the form.
    pub fn for_draft(site: &Site, draft: Draft, logged_in_as: Option<&str>) -> Self {
        let why = match logged_in_as {
            Some(name) => format!(
                "You are logged in as {name} now, who can’t send this form. Nothing was saved. Log in as the user who \
                 filled it in: what you typed is kept."
            ),
            None => "Your session has ended, so nothing was saved. Log in to continue: what you typed is kept.".into(),
        };
        Self { why: Some(why), draft: Some(draft), ..Self::new(site, "/") }
    }

    /// Whether the problem concerns what was typed.
    fn is_password_refused(&self) -> bool {
        !self.needs_sso && self.layout.problem.as_ref().is_some_and(|problem| !problem.links.is_empty())
    }

    pub fn answer(&self, status: StatusCode) -> HttpResponse {
        html_with_status(self, status)
    }
}

/// The address to which a browser sends the form again after the login.
pub fn after_login(draft: &Draft) -> String {
    draft.href(Reason::SessionEnded)
}

/// The name of the cookie with the session's token.
pub fn session_cookie_name(site: &Site) -> &'static str {
    if site.public_url.is_https() { "__Host-sessionid" } else { "sessionid" }
}
