//! Second factors: the app, recovery codes, remembered devices, who must have one, and the fresh proof.

mod app;
mod browser;
mod half;
mod policy;
mod recovery;
mod remembered;
mod reset;
mod step_up;
