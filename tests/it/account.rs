//! The pages where people look after their own login.

pub mod password;
