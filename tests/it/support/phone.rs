//! An authenticator app of a test's user, and the forms around it.

use chrono::TimeDelta;
use primetrade::clock::Clock;
use reqwest::Method;
use totp_rs::{Builder, Secret, Totp};

use super::{Actor, Answer, App, PASSWORD};

pub struct Phone {
    app: Totp,
    clock: Clock,
}

impl Phone {
    /// Types the key of a page that sets up an app into a new one.
    pub fn scan(page: &Answer, clock: &Clock) -> Self {
        let secret = Secret::try_from_base32(page.one("#secret").replace(' ', "")).expect("base32");
        Self { app: Builder::new().with_secret(secret).with_account_name("x").build().unwrap(), clock: clock.clone() }
    }

    /// The code that the app shows now.
    pub fn code(&self) -> String {
        self.app.generate(self.clock.now().timestamp().cast_unsigned()).to_string()
    }

    /// Waits for the next code, because each is good once.
    pub fn next_code(&self) -> String {
        self.clock.advance(TimeDelta::seconds(30));
        self.code()
    }
}

impl Actor {
    /// Sends a form as a browser does, which gets pages instead of short answers.
    pub async fn send(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let request = self.request(Method::POST, path).header("accept", "text/html,application/xhtml+xml").form(form);
        Answer::of(request.header("sec-fetch-site", "same-origin")).await
    }

    /// Sets up an app under *Account*. Returns it with the recovery codes.
    pub async fn set_up_app(&self, clock: &Clock) -> (Phone, Vec<String>) {
        let phone = Phone::scan(&self.get("/account/factors/app").await, clock);
        let done = self.send("/account/factors/app", &[("code", &phone.code())]).await;
        assert_eq!((done.status, done.one("h1")), (200, "Recovery codes".into()), "{}", done.text());
        (phone, done.all(".codes code"))
    }

    /// Gives the password alone.
    pub async fn give_password(&self, email: &str) -> Answer {
        self.post("/login", &[("email", email), ("password", PASSWORD)]).await
    }
}

impl App {
    /// A user in a session that waits for the code of the app.
    pub async fn half(&self, email: &str) -> Actor {
        let actor = self.stranger();
        let answer = actor.give_password(email).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/login/factor"));
        actor
    }
}
