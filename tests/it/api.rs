//! What other systems call: `/api/bol`, and the tokens with which they log in. `portal::bols` tests `/api/bols` beside the
//! page with the same search.

mod bol;
mod service_accounts;
mod token_pages;
mod tokens;
mod tokens_everywhere;
