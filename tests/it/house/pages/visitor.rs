//! A user's browser that collects what is wrong with the pages it sees.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{App, Browser, Look, PASSWORD};

/// The most that a page may move while it loads: a fifth of what web.dev calls good.
const MAX_SHIFT: f64 = 0.02;
/// Where `scripts/need axe` puts the rules.
const AXE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/axe-core/4.14.1/axe.min.js");

pub struct Visitor {
    pub browser: Browser,
    base: String,
    /// What is wrong, with the page.
    pub faults: BTreeSet<String>,
    /// Number of pages and states that were examined.
    pub examined: usize,
    /// Number of pages that differ from another user's in the masthead alone.
    pub shared: usize,
    pub worst_shift: f64,
    /// The looks in which the open menus were examined. They are the same on all pages of a user.
    menus: Vec<Look>,
}

/// What [`Visitor::loaded`] finds.
#[derive(Debug)]
pub struct Loaded {
    pub status: u64,
    pub redirects: u64,
    pub path: String,
    shift: f64,
    moved: Value,
}

impl Visitor {
    /// A browser in which the user is logged in, if there is one.
    pub async fn start(app: &App, email: Option<&str>) -> Self {
        let axe = std::fs::read_to_string(AXE).unwrap_or_else(|error| panic!("run scripts/need axe ({AXE}: {error})"));
        let browser = Browser::start(1280, 900).await;
        browser.run_on_every_page(&axe).await;
        browser.run_on_every_page(include_str!("checks.js")).await;
        if let Some(email) = email {
            browser.log_in(&app.url, email, PASSWORD).await;
        }
        let base = app.url.clone();
        Self { browser, base, faults: BTreeSet::new(), examined: 0, shared: 0, worst_shift: 0.0, menus: Vec::new() }
    }

    pub fn fault(&mut self, page: &str, what: impl std::fmt::Display) {
        self.faults.insert(format!("{page}: {what}"));
    }

    /// Calls a function of `checks.js`.
    pub async fn ask(&self, function: &str, arguments: &[Value]) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             (async () => checks.{function}(...[...arguments].slice(0, -1)))().then(done, error => done(['failed: ' + error]))"
        );
        self.browser.execute_async(&script, arguments.to_vec()).await.unwrap()
    }

    pub async fn loaded(&self) -> Loaded {
        let found = self.ask("loaded", &[]).await;
        let url = found["url"].as_str().unwrap_or_default();
        Loaded {
            status: found["status"].as_u64().unwrap_or_default(),
            redirects: found["redirects"].as_u64().unwrap_or_default(),
            path: url.strip_prefix(&self.base).unwrap_or(url).to_owned(),
            shift: found["shift"].as_f64().unwrap_or(f64::MAX),
            moved: found["moved"].clone(),
        }
    }

    /// Opens a page in a wide window.
    pub async fn open(&mut self, path: &str) -> Loaded {
        self.browser.look(Look::Wide).await;
        self.browser.open(&format!("{}{path}", self.base)).await;
        self.loaded().await
    }

    /// Opens a page, examines it, and opens it again on a phone.
    pub async fn visit(&mut self, path: &str) {
        let wide = self.open(path).await;
        self.examine(path, &wide).await;
        self.browser.look(Look::Phone).await;
        self.browser.refresh().await.unwrap();
        let phone = self.loaded().await;
        self.check_shift(&format!("{path} on a phone"), &phone);
        if (phone.status, &phone.path) != (wide.status, &wide.path) {
            self.fault(path, format!("a reload answers {} at {}", phone.status, phone.path));
        }
    }

    /// Examines a page whose contents another user has seen: every role that may open it gets the rules once.
    pub async fn visit_shared(&mut self, path: &str) {
        let wide = self.open(path).await;
        self.shared += 1;
        self.check_shift(path, &wide);
        self.check_rules(path, Look::Wide).await;
    }

    /// Examines the page that the browser shows, in all looks: the same document in other colors and widths.
    pub async fn examine(&mut self, page: &str, loaded: &Loaded) {
        self.examined += 1;
        self.check_shift(page, loaded);
        self.check_list(page, "emptyRows", "an empty row").await;
        self.check_list(page, "unsteady", "these move while it loads").await;
        // In an order that changes the window twice.
        self.check_rules(page, Look::Wide).await;
        self.browser.look(Look::ForcedColors).await;
        self.check_rules(page, Look::ForcedColors).await;
        self.check_list(page, "alsoCurrent", "with forced colors this looks current").await;
        self.browser.look(Look::Narrow).await;
        self.check_list(page, "tooWide", "scrolls sideways").await;
        self.browser.look(Look::Phone).await;
        self.check_rules(page, Look::Phone).await;
        self.check_list(page, "unsteady", "on a phone these move while it loads").await;
        self.check_list(page, "crowded", "the chart on a phone").await;
    }

    /// Asks a function of `checks.js` for a list of what is wrong.
    async fn check_list(&mut self, page: &str, function: &str, what: &str) {
        let found = self.ask(function, &[]).await;
        if found.as_array().is_none_or(|found| !found.is_empty()) {
            self.fault(page, format!("{what}: {found}"));
        }
    }

    fn check_shift(&mut self, page: &str, loaded: &Loaded) {
        self.worst_shift = self.worst_shift.max(loaded.shift);
        if loaded.shift >= MAX_SHIFT {
            self.fault(page, format!("moves by {:.3} while it loads: {}", loaded.shift, loaded.moved));
        }
    }

    async fn check_rules(&mut self, page: &str, look: Look) {
        let with_menus = !self.menus.contains(&look);
        let broken = self.ask("broken", &[json!(with_menus)]).await;
        if with_menus {
            self.menus.push(look);
        }
        for rule in broken.as_array().into_iter().flatten() {
            self.fault(page, format!("{look:?}: {rule}"));
        }
    }

    /// Opens an address that answers with an error, and examines it.
    pub async fn visit_error(&mut self, path: &str, status: u64) {
        let found = self.open(path).await;
        self.examine_error(path, &found, status).await;
    }

    pub async fn examine_error(&mut self, page: &str, found: &Loaded, status: u64) {
        let name = format!("{page}, {status}");
        if found.status != status {
            self.fault(&name, format!("answers {}", found.status));
        }
        self.examine(&name, found).await;
    }

    /// Sends a form and waits for what it answers.
    pub async fn send(&self, index: &Value, values: Value) -> Loaded {
        self.ask("send", &[index.clone(), values]).await;
        for _ in 0..200 {
            let script = "return window.isOld === undefined && document.readyState === 'complete' && !!window.checks";
            if self.browser.execute(script, vec![]).await.is_ok_and(|ready| ready == json!(true)) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        self.loaded().await
    }
}
