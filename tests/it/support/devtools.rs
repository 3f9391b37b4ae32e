//! What Chromium's developer tools can do: another window, colors, a slow network, and scripts that run before the page's.

use fantoccini::error::CmdError;
use fantoccini::wd::WebDriverCompatibleCommand;
use reqwest::Method;
use serde_json::{Value, json};
use url::{ParseError, Url};

use super::Browser;

/// How a page is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// A light page in a wide window.
    Wide,
    /// A dark page on a phone.
    Phone,
    /// A wide window with the colors of the operating system only.
    ForcedColors,
    /// The narrowest window of WCAG 1.4.10, which is also a wide one at 400 %.
    Narrow,
}

impl Look {
    fn width(self) -> u32 {
        match self {
            Self::Wide | Self::ForcedColors => 1280,
            Self::Phone => 360,
            Self::Narrow => 320,
        }
    }

    /// The preferred colors, and whether they are forced.
    fn colors(self) -> (&'static str, &'static str) {
        match self {
            Self::Phone => ("dark", "none"),
            Self::ForcedColors => ("light", "active"),
            Self::Wide | Self::Narrow => ("light", "none"),
        }
    }
}

#[derive(Debug)]
struct DevTools {
    command: &'static str,
    parameters: Value,
}

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base_url: &Url, session_id: Option<&str>) -> Result<Url, ParseError> {
        base_url.join(&format!("session/{}/goog/cdp/execute", session_id.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({"cmd": self.command, "params": self.parameters}).to_string()))
    }
}

impl Browser {
    async fn devtools(&self, command: &'static str, parameters: Value) -> Result<Value, CmdError> {
        self.issue_cmd(DevTools { command, parameters }).await
    }

    /// Runs a script on every page from now on, before those of the page.
    pub async fn run_on_every_page(&self, script: &str) {
        self.devtools("Page.addScriptToEvaluateOnNewDocument", json!({"source": script})).await.unwrap();
    }

    /// Turns off the scripts of pages.
    pub async fn without_script(&self) {
        self.devtools("Emulation.setScriptExecutionDisabled", json!({"value": true})).await.unwrap();
    }

    /// Changes only what differs from the last look: each change of the window makes Chromium draw the page again.
    pub async fn look(&self, look: Look) {
        let before = self.last_look.lock().unwrap().replace(look);
        if before.map(Look::width) != Some(look.width()) {
            let height = if look.width() < 700 { 740 } else { 900 };
            let window = json!({"width": look.width(), "height": height, "deviceScaleFactor": 1, "mobile": false});
            self.devtools("Emulation.setDeviceMetricsOverride", window).await.unwrap();
        }
        if before.map(Look::colors) != Some(look.colors()) {
            let (scheme, forced) = look.colors();
            let features = json!([
                {"name": "prefers-color-scheme", "value": scheme},
                {"name": "forced-colors", "value": forced},
                // A color that is still changing has no contrast worth measuring.
                {"name": "prefers-reduced-motion", "value": "reduce"},
            ]);
            self.devtools("Emulation.setEmulatedMedia", json!({"features": features})).await.unwrap();
        }
    }

    /// Delays each request. With a delay, nothing is cached, so that typefaces and scripts come late on every page.
    pub async fn slow_network(&self, latency_ms: u32) {
        self.devtools("Network.enable", json!({})).await.unwrap();
        self.devtools("Network.setCacheDisabled", json!({"cacheDisabled": latency_ms > 0})).await.unwrap();
        let conditions =
            json!({"offline": false, "latency": latency_ms, "downloadThroughput": -1, "uploadThroughput": -1});
        self.devtools("Network.emulateNetworkConditions", conditions).await.unwrap();
    }

    /// Forgets the pages before this one. Chromium keeps 50, and then drops those that a script has left.
    pub async fn forget_history(&self) {
        self.devtools("Page.resetNavigationHistory", json!({})).await.unwrap();
    }

    /// The addresses that Back and Forward lead to, and the position among them.
    pub async fn history(&self) -> String {
        let history = self.devtools("Page.getNavigationHistory", json!({})).await.unwrap();
        let entries = history["entries"].as_array().cloned().unwrap_or_default();
        let addresses: Vec<&str> = entries.iter().rev().take(5).filter_map(|entry| entry["url"].as_str()).collect();
        format!("{} of {}, newest first: {addresses:?}", history["currentIndex"], entries.len())
    }
}
