//! The pages where people look after their own login.

mod password;
