//! What other systems call: `/api/bol`. `portal::bols` tests `/api/bols` beside the page with the same search.

mod bol;
