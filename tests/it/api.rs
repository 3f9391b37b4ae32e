//! What other systems call: `/api/bol` and `/api/v1`, and the tokens with which they log in. `portal::bols` tests `/api/bols`
//! beside the page with the same search. `support::openapi` compares every answer of `/api/v1` with the OpenAPI document.

mod bol;
mod document;
mod service_accounts;
mod token_pages;
mod tokens;
mod tokens_everywhere;
mod v1_bols;
mod v1_documents;
mod v1_list;
mod v1_log;
mod v1_scopes;
mod v1_work;
mod webhook_failures;
mod webhook_pages;
mod webhooks;
