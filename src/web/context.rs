//! What a handler works with: the user, the site, the database, and the origin of the request.
//!
//! `Context<OfficeStaff>` in a handler's signature says who may call it; [`super::auth`] checks it. Handlers that need no
//! login take a [`PublicContext`].

use std::future::{Future, Ready, ready};
use std::marker::PhantomData;

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;

use super::auth::{self, Audience, Fresh, Scoped};
use super::drafts::{self, NotYet, Reason};
use super::error::TokenProblem;
use super::page::Layout;
use super::request::Origin;
use super::{Error, Site, token_request};
use crate::accounts::access::Access;
use crate::accounts::api_tokens::NotAllowed;
use crate::accounts::response_slots::{ResponseKind, ResponseSlot, SlotError};
use crate::accounts::{ActingUser, Viewer};
use crate::audit;
use crate::db::Database;
use crate::documents::LinkIssuer;
use crate::documents::fetcher::DocumentFetcher;
use crate::issuing::Issuer;

/// A request by a user of this audience.
pub struct Context<A: Audience> {
    pub viewer: Viewer,
    pub site: Data<Site>,
    pub db: Data<Database>,
    pub origin: audit::Origin,
    /// Set while the handler only shows a form again.
    draft: Option<Reason>,
    audience: PhantomData<A>,
}

impl<A: Audience> Context<A> {
    /// The context of the same user without a demand that has been met.
    fn of_audience<B: Audience>(self) -> Context<B> {
        let Self { viewer, site, db, origin, draft, .. } = self;
        Context { viewer, site, db, origin, draft, audience: PhantomData }
    }

    /// The user, as domain calls that change something take them.
    pub fn acting(&self) -> ActingUser<'_> {
        ActingUser { db: &self.db, clock: &self.site.clock, viewer: &self.viewer, origin: &self.origin }
    }

    /// The layout of a page under the navigation entry `here`, or under none. On a draft it says that nothing was saved.
    pub fn layout(&self, here: &str) -> Layout {
        let layout = Layout::new(&self.site, Some(&self.viewer), here);
        match self.draft {
            Some(reason) => layout.problem(reason.problem("Not saved yet")),
            None => layout,
        }
    }

    /// Why the handler only shows a form again, if it does.
    pub fn draft(&self) -> Option<Reason> {
        self.draft
    }

    pub fn is_draft(&self) -> bool {
        self.draft.is_some()
    }

    /// Carries out a change, unless the request only shows a form again ([`super::drafts`]).
    pub async fn change<T, E: NotYet>(&self, change: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        if self.is_draft() { Err(E::not_yet()) } else { change.await }
    }

    /// Issues links to documents.
    pub fn link_issuer(&self) -> LinkIssuer<'_> {
        LinkIssuer { db: &self.db, storage: &self.site.storage, clock: &self.site.clock, life: self.site.link_life }
    }

    /// Issues, voids and weighs BOLs on behalf of the user.
    pub fn issuer(&self) -> Issuer<'_> {
        Issuer {
            user: self.acting(),
            storage: &self.site.storage,
            zone: self.site.time_zone,
            prefix: &self.site.bol_prefix,
            codes: &self.site.codes,
        }
    }

    /// The user's access, for a response that takes long.
    pub fn access(&self) -> Access {
        Access::new(&self.db, &self.site.clock, &self.viewer)
    }

    /// One of the user's places for long responses.
    pub async fn response_slot(&self, kind: ResponseKind) -> Result<ResponseSlot, Error> {
        ResponseSlot::take(&self.db, &self.site.clock, &self.viewer, kind).await.map_err(|error| match error {
            SlotError::Taken(why) => Error::TooMany(why.into()),
            SlotError::Db(error) => error.into(),
        })
    }

    /// Fetches documents for a ZIP, beyond the life of the request.
    pub fn document_fetcher(&self) -> DocumentFetcher {
        DocumentFetcher {
            db: self.db.get_ref().clone(),
            storage: self.site.storage.clone(),
            spool: self.site.spool.clone(),
            access: self.access(),
            origin: self.origin.clone(),
        }
    }
}

impl<A: Audience> Context<Fresh<A>> {
    /// The context that the pages of the audience share.
    pub fn proven(self) -> Context<A> {
        self.of_audience()
    }
}

impl<A: Audience, S> Context<Scoped<A, S>>
where
    Scoped<A, S>: Audience,
{
    /// The context that the pages of the audience share. The token has been admitted.
    pub fn admitted(self) -> Context<A> {
        self.of_audience()
    }
}

impl<A: Audience + 'static> FromRequest for Context<A> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let viewer = auth::admit::<A>(request);
        let (context, draft) = (PublicContext::of(request), drafts::reason(request));
        Box::pin(async move {
            let viewer = viewer.await?;
            let PublicContext { site, db, origin } = context?;
            Ok(Self { viewer, site, db, origin, draft, audience: PhantomData })
        })
    }
}

/// A request that needs no login, such as the login itself or a signed link.
pub struct PublicContext {
    pub site: Data<Site>,
    pub db: Data<Database>,
    pub origin: audit::Origin,
}

impl PublicContext {
    /// The layout of a page before the login.
    pub fn layout(&self) -> Layout {
        Layout::new(&self.site, None, "")
    }

    pub(super) fn of(request: &HttpRequest) -> Result<Self, Error> {
        let (site, db) = (request.app_data::<Data<Site>>(), request.app_data::<Data<Database>>());
        let (Some(site), Some(db)) = (site, db) else {
            return Err(Error::Internal("the server has no site or no database".into()));
        };
        Ok(Self { site: site.clone(), db: db.clone(), origin: Origin::of(request)?.0 })
    }
}

impl FromRequest for PublicContext {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    /// Refuses programs: these handlers begin, end or replace the session of a browser.
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        if token_request::is_program(request) {
            return ready(Err(Error::Token(TokenProblem::NotAllowed(NotAllowed::AnyToken))));
        }
        ready(Self::of(request))
    }
}
