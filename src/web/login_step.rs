//! Where a session that waits for a second factor leads.

use url::form_urlencoded::byte_serialize;

use crate::accounts::sessions::Step;

pub const FACTOR: &str = "/login/factor";
const ENROLL: &str = "/login/enroll";

/// The page that a waiting session leads to, which leads on to `next`.
pub fn path(step: Step, next: &str) -> String {
    let page = match step {
        Step::Factor => FACTOR,
        Step::Enrollment => ENROLL,
    };
    match next {
        "" | "/" => page.into(),
        next => format!("{page}?next={}", byte_serialize(next.as_bytes()).collect::<String>()),
    }
}
