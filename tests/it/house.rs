//! House rules that a test can check by reading the source, without a server.

mod direction;
