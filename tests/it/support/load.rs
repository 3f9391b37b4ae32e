//! A load as the office types it into the form of a new BOL.

use primetrade::clock::Clock;
use reqwest::Method;

use super::{Actor, Answer, App};

/// Saves the terminal's address, without which no BOL can be issued.
pub const TERMINAL_ADDRESS: &str = "UPDATE settings SET company_name = 'River Terminal LLC', \
    company_address = E'1 Quay Street\nCincinnati, OH 45202', company_phone = '(513) 555-0142', \
    company_email = 'shipping@terminal.example'";

/// The fields of the form.
#[derive(Clone)]
pub struct Load(pub Vec<(String, String)>);

impl Load {
    /// A load with a valid value in every field.
    pub fn new() -> Self {
        let fields = [
            ("customer", "ACME"),
            ("bol_date", ""),
            ("ship_from", "River Terminal, Dock 2\n1 Quay Street\nCincinnati, OH 45202"),
            ("ship_to", "Acme Foundry No. 2\n14 Mill Road\nDayton, OH 45404"),
            ("product", "Basic pig iron"),
            ("lot", "PI-25-1107"),
            ("chemistry", "C 4.21%, Si 1.08%"),
            ("customer_po", "4500178823"),
            ("release_number", "R-0092"),
            ("carrier", "Heartland Bulk Carriers, Inc."),
            ("carrier_scac", "HBLK"),
            ("truck_number", "4417"),
            ("trailer_number", "DT-2208"),
            ("seal_numbers", "0048213 0048214"),
            ("driver_name", "Terrence Oyelaran"),
            ("freight_terms", "prepaid"),
            ("pieces", "1"),
            ("package_type", "load, bulk"),
            ("gross_lb", "79,480"),
            ("tare_lb", "33,420"),
            ("scale_ticket", "88123"),
            ("special_instructions", "Call receiving one hour before arrival."),
            ("trailer_loaded_by", "shipper"),
            ("freight_counted_by", "driver"),
        ];
        Self(fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }

    /// A load of today, without values that can be used only once.
    pub async fn today(app: &App) -> Self {
        Self::of_today(&app.clock)
    }

    pub fn of_today(clock: &Clock) -> Self {
        let today = clock.now().with_timezone(&chrono_tz::America::New_York).date_naive();
        Self::new().with("bol_date", &today.to_string()).with("trailer_number", "").with("seal_numbers", "")
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.into(), value.into()));
        self
    }

    pub async fn post(&self, actor: &Actor, path: &str) -> Answer {
        Answer::of(actor.request(Method::POST, path).form(&self.0)).await
    }

    /// Issues the BOL and returns its number.
    pub async fn issue(&self, office: &Actor) -> String {
        let answer = self.post(office, "/office/bols").await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        let number = answer.header("location").strip_prefix("/bols/").unwrap();
        number.strip_suffix("?done=issued").unwrap().to_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        self.0
            .iter()
            .map(|(name, value)| (name.clone(), value.clone().into()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

impl Answer {
    /// The kinds of warnings that the form asks to confirm.
    pub fn warnings(&self) -> Vec<String> {
        let codes = self.attributes("button[name=confirm]", "value").concat();
        codes.split(',').map(|code| code.rsplit_once('-').unwrap().0.to_owned()).collect()
    }
}

impl App {
    /// Starts a server that can issue BOLs.
    pub async fn ready_to_issue() -> Self {
        let app = Self::start().await;
        app.save_terminal_address().await;
        app
    }

    /// Saves the terminal's address, without which no BOL can be issued.
    pub async fn save_terminal_address(&self) {
        self.sql(TERMINAL_ADDRESS).await;
    }
}

/// The text of a PDF, as poppler's pdftotext extracts it.
pub fn text_of(pdf: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pdf).unwrap();
    let output = std::process::Command::new("pdftotext").arg(file.path()).arg("-").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
