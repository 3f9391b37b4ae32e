//! The pages about API tokens: those of one's own, and those of the service accounts in one's charge.
//!
//! The token is in the answer to the form that made it, and nowhere else. Reloading that answer makes no second one.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use super::Error;
use super::auth::Audience;
use super::context::Context;
use super::flash::{Done, see_other, tokens as flash};
use super::form_field::FormField;
use super::forms::Fields;
use super::page::{Layout, Timestamp, html, html_with_status, non_empty, timestamp};
use super::problem::Problem;
use super::question::Question;
use crate::accounts::api_tokens::list::{self, TokenRow};
use crate::accounts::api_tokens::manage::{DEFAULT_DAYS, MadeToken, NewToken, TokenChangeError};
use crate::accounts::api_tokens::{TokenOwner, TokenScope};
use crate::accounts::device_name;
use crate::field_errors::FieldErrors;

/// Where the tokens of one user are shown.
pub struct Place {
    /// The address of the list, which takes the form of a new token too.
    pub base: String,
    /// The page above, and its name.
    pub back: (String, String),
    /// The navigation entry.
    pub here: &'static str,
    /// Asks whether to disable the service account.
    pub disable: Option<String>,
}

#[derive(Template)]
#[template(path = "tokens/tokens.html")]
struct TokensPage {
    layout: Layout,
    place: Place,
    title: String,
    /// The name of the service account, unless the tokens are the user's own.
    service: Option<String>,
    is_active: bool,
    form: TokenForm,
    tokens: Vec<TokenLine>,
}

/// The form of a new token, with what was typed.
struct TokenForm {
    is_open: bool,
    form_key: String,
    name: String,
    scopes: Vec<ScopeTick>,
    days: String,
    networks: String,
    errors: FieldErrors,
}

struct ScopeTick {
    id: String,
    value: &'static str,
    label: &'static str,
    is_ticked: bool,
}

struct TokenLine {
    id: i64,
    name: String,
    works: bool,
    /// Why it no longer works.
    mark: Option<&'static str>,
    scopes: String,
    networks: Option<String>,
    made: Timestamp,
    /// Who made it, for a service account.
    made_by: Option<String>,
    ends: Timestamp,
    last_used: Option<LastUse>,
}

struct LastUse {
    at: Timestamp,
    ip: String,
    agent: String,
}

/// Shows a new token, once.
#[derive(Template)]
#[template(path = "tokens/made.html")]
struct MadePage {
    layout: Layout,
    name: String,
    secret: String,
    ends: String,
    next: String,
}

impl TokenForm {
    fn empty(owner: &TokenOwner) -> Self {
        Self {
            is_open: false,
            form_key: Uuid::now_v7().simple().to_string(),
            name: String::new(),
            scopes: owner.scopes().enumerate().map(|(at, scope)| ScopeTick::new(at, scope)).collect(),
            days: DEFAULT_DAYS.to_string(),
            networks: String::new(),
            errors: FieldErrors::default(),
        }
    }

    fn typed(owner: &TokenOwner, fields: &Fields, errors: FieldErrors) -> Self {
        let mut form = Self::empty(owner);
        let ticked = fields.all("scope");
        for scope in &mut form.scopes {
            scope.is_ticked = ticked.contains(&scope.value);
        }
        let one = |name| fields.one(name).to_owned();
        Self {
            is_open: true,
            form_key: non_empty(one("form_key")).unwrap_or(form.form_key),
            name: one("name"),
            days: one("days"),
            networks: one("networks"),
            errors,
            scopes: form.scopes,
        }
    }

    fn scope_error(&self) -> Option<&str> {
        self.errors.message("scope")
    }
}

impl ScopeTick {
    /// The first one has the id of the field, for the link of its message.
    fn new(at: usize, scope: TokenScope) -> Self {
        let id = if at == 0 { "scope".into() } else { format!("scope-{at}") };
        Self { id, value: scope.as_str(), label: scope.label(), is_ticked: false }
    }
}

impl TokenLine {
    fn new(token: TokenRow, now: DateTime<Utc>, zone: Tz) -> Self {
        let networks: Vec<String> = token.networks.iter().map(ToString::to_string).collect();
        let agent = |agent: &str| match device_name(agent) {
            // Programs name themselves as they like.
            name if agent.starts_with("Mozilla/") => name,
            _ => agent.chars().take(60).collect(),
        };
        Self {
            works: token.works(now),
            mark: match (token.revoked_at, token.expires_at <= now) {
                (Some(_), _) => Some("Revoked"),
                (None, true) => Some("Ended"),
                (None, false) => None,
            },
            scopes: token.scopes.join(", "),
            networks: non_empty(networks.join(", ")),
            made: timestamp(token.created_at, zone),
            made_by: None,
            ends: timestamp(token.expires_at, zone),
            last_used: token.last_used_at.map(|at| LastUse {
                at: timestamp(at, zone),
                ip: token.last_ip.map(|net| net.addr().to_string()).unwrap_or_default(),
                agent: non_empty(agent(&token.last_agent)).unwrap_or_else(|| "without a name".into()),
            }),
            id: token.id,
            name: token.name,
        }
    }
}

/// The owner, if the user may manage its tokens. Anyone else gets the answer for one that doesn't exist.
pub async fn owner<A: Audience>(context: &Context<A>, id: i64) -> Result<TokenOwner, Error> {
    let found = TokenOwner::find(&mut *context.db.get().await?, &context.viewer, id).await?;
    found.ok_or(Error::NotFound)
}

/// The list, with the form of a new token.
pub async fn show<A: Audience>(
    context: &Context<A>,
    place: Place,
    owner: &TokenOwner,
    done: &Done,
) -> Result<HttpResponse, Error> {
    let page = TokensPage::load(context, place, owner, TokenForm::empty(owner)).await?;
    Ok(html(&TokensPage { layout: page.layout.flash(done, flash::ALL), ..page }))
}

/// Makes a token: `name`, `scope` (repeated), `days`, `networks`, `form_key`. Answers with the token.
pub async fn make<A: Audience>(
    context: &Context<A>,
    place: Place,
    owner: &TokenOwner,
    fields: &Fields,
) -> Result<HttpResponse, Error> {
    let new = NewToken {
        form_key: fields.one("form_key"),
        name: fields.one("name"),
        scopes: fields.all("scope"),
        days: fields.one("days"),
        networks: fields.one("networks"),
    };
    let acting = context.acting();
    let (problem, errors) = match context.change(acting.make_token(owner.id, &new)).await {
        Ok(MadeToken { secret, name, expires_at }) => {
            let page = MadePage {
                layout: context.layout(place.here),
                name,
                secret: secret.as_str().to_owned(),
                ends: timestamp(expires_at, context.site.time_zone).text,
                next: place.base,
            };
            return Ok(html(&page));
        }
        Err(TokenChangeError::MadeBefore) => return Ok(see_other(&place.base, Some(flash::MADE_BEFORE))),
        Err(TokenChangeError::Fields(errors)) => (Problem::new("No token was made.").fields(&errors), errors),
        Err(TokenChangeError::Refused(why)) => (Problem::new(why), FieldErrors::default()),
        Err(error) => return Err(whole_page(error)),
    };
    let is_draft = context.is_draft();
    let page = TokensPage::load(context, place, owner, TokenForm::typed(owner, fields, errors)).await?;
    let layout = if is_draft { page.layout } else { page.layout.problem(problem) };
    Ok(html_with_status(&TokensPage { layout, ..page }, StatusCode::UNPROCESSABLE_ENTITY))
}

/// Asks before a token is revoked.
pub async fn ask_revoke<A: Audience>(
    context: &Context<A>,
    place: Place,
    owner: &TokenOwner,
    id: i64,
) -> Result<HttpResponse, Error> {
    let found = list::find(&mut *context.db.get().await?, owner.id, id).await?;
    let token = found.ok_or(Error::NotFound)?;
    Ok(html(&Question {
        layout: context.layout(place.here),
        title: format!("Revoke the token “{}”?", token.name),
        consequences: vec![
            "Programs that use it are refused from their next request on.".into(),
            "It can’t be brought back. Make a new one if a program still needs it.".into(),
        ],
        action: format!("{}/{id}/revoke", place.base),
        fields: Vec::new(),
        button: "Revoke token".into(),
        back: (place.base, "API tokens".into()),
    }))
}

pub async fn revoke<A: Audience>(
    context: &Context<A>,
    place: Place,
    owner: &TokenOwner,
    id: i64,
) -> Result<HttpResponse, Error> {
    context.acting().revoke_token(owner.id, id).await.map_err(whole_page)?;
    Ok(see_other(&place.base, Some(flash::REVOKED)))
}

fn whole_page(error: TokenChangeError) -> Error {
    match error {
        TokenChangeError::NotFound => Error::NotFound,
        TokenChangeError::Db(error) => error.into(),
        error => Error::Invalid(error.to_string()),
    }
}

impl TokensPage {
    async fn load<A: Audience>(
        context: &Context<A>,
        place: Place,
        owner: &TokenOwner,
        form: TokenForm,
    ) -> Result<Self, Error> {
        let (now, zone) = (context.site.clock.now(), context.site.time_zone);
        let connection = &mut *context.db.get().await?;
        let tokens = list::of_user(connection, now, owner.id).await?;
        let mut lines: Vec<TokenLine> = tokens.into_iter().map(|token| TokenLine::new(token, now, zone)).collect();
        if owner.is_service {
            let companies = context.viewer.scope();
            let makers = list::makers(connection, owner.id, companies.companies()).await?;
            // A company isn't shown the addresses of other people.
            let other =
                if companies.companies().is_some() { "someone outside your company" } else { "a removed login" };
            for line in &mut lines {
                line.made_by = Some(makers.get(&line.id).cloned().unwrap_or_else(|| other.into()));
            }
        }
        let service = owner.is_service.then(|| owner.name.clone());
        Ok(Self {
            layout: context.layout(place.here),
            title: service.as_ref().map_or_else(|| "API tokens".into(), |name| format!("API tokens of {name}")),
            service,
            place: if owner.active { place } else { Place { disable: None, ..place } },
            is_active: owner.active,
            form,
            tokens: lines,
        })
    }
}
