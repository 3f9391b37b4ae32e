//! A year of the access log that belongs to the other sample data: logins, issued BOLs, uploads, views, downloads,
//! refusals and exports, up to [`LAST_DAY`].

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveTime, TimeDelta, Utc, Weekday};
use serde_json::{Value, json};

use super::loads::LAST_DAY;
use super::{Rng, SampleBol, SampleDocument, SampleSet, SampleUser};

/// An event to record. Names stand for rows of the other sample data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleEvent {
    pub at: DateTime<Utc>,
    /// The name of the action.
    pub action: &'static str,
    /// `success`, `denied` or `failed`.
    pub outcome: &'static str,
    /// The address of a sample user, or what a failed login typed.
    pub email: String,
    /// The number of a BOL.
    pub number: Option<String>,
    /// The last part of the object key of a document of that BOL.
    pub file_name: Option<String>,
    pub ip: String,
    pub user_agent: &'static str,
    pub detail: Value,
}

/// The first day of the history.
pub fn first_day() -> NaiveDate {
    LAST_DAY - Months::new(12)
}

const BROWSERS: [&str; 4] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
];

/// Returns the history of the sample data, oldest first. BOL numbers begin with `prefix`.
pub fn history(set: &SampleSet, prefix: &str) -> Vec<SampleEvent> {
    let mut story = Story { set, prefix, events: Vec::new() };
    let first = first_day().and_time(NaiveTime::MIN).and_utc();
    for (index, bol) in set.bols.iter().enumerate().filter(|(_, bol)| bol.issued_at >= first) {
        story.issue(index, bol);
        story.fetch(index, bol);
    }
    for day in first_day().iter_days().take_while(|day| *day <= LAST_DAY) {
        story.mistakes(day);
        if day.weekday() == Weekday::Mon {
            story.read_log(day);
        }
        if day.day() == 3 {
            story.close_month(day);
        }
    }
    // The sort is stable: events of the same second stay in the order of the story.
    story.events.sort_by_key(|event| event.at);
    story.events
}

struct Story<'a> {
    set: &'a SampleSet,
    prefix: &'a str,
    events: Vec<SampleEvent>,
}

impl<'a> Story<'a> {
    fn staff(&self, role: &str) -> Vec<&'a SampleUser> {
        self.set.users.iter().filter(|user| user.role == role).collect()
    }

    /// Adds an event of a user, who has one address and one browser.
    fn add(&mut self, at: DateTime<Utc>, user: &SampleUser, action: &'static str) -> &mut SampleEvent {
        let place = self.set.users.iter().position(|other| other.email == user.email).unwrap_or_default();
        // Addresses for documentation (RFC 5737).
        let network = if user.customers.is_empty() { "192.0.2" } else { "203.0.113" };
        let at_index = self.events.len();
        self.events.push(SampleEvent {
            at,
            action,
            outcome: "success",
            email: user.email.clone(),
            number: None,
            file_name: None,
            ip: format!("{network}.{}", 10 + place % 240),
            user_agent: BROWSERS[place % BROWSERS.len()],
            detail: json!({}),
        });
        &mut self.events[at_index]
    }

    fn add_about(
        &mut self,
        at: DateTime<Utc>,
        user: &SampleUser,
        action: &'static str,
        (bol, document): (&SampleBol, Option<&SampleDocument>),
    ) {
        let number = bol.number(self.prefix);
        let event = self.add(at, user, action);
        event.file_name = document.map(|document| document.file_name(&number));
        event.number = Some(number);
    }

    /// The office issues the BOL and uploads its documents.
    fn issue(&mut self, index: usize, bol: &SampleBol) {
        let office = self.staff("office");
        let mut rng = Rng::of(&[30, index as u64]);
        let Some(clerk) = (!office.is_empty()).then(|| rng.pick(&office)) else { return };
        self.add(bol.issued_at - TimeDelta::minutes(i64::from(rng.range(3, 40))), clerk, "LOGIN_SUCCEEDED");
        for document in &bol.documents {
            let action = match (document.kind, document.version) {
                ("bol", 1) => "BOL_CREATED",
                ("bol", _) if bol.voided.as_ref().is_some_and(|(at, _)| *at == document.stored_at) => "BOL_VOIDED",
                _ => "DOCUMENT_UPLOADED",
            };
            self.add_about(document.stored_at, clerk, action, (bol, Some(document)));
        }
    }

    /// A user of the customer opens the BOL, and downloads it in most cases.
    fn fetch(&mut self, index: usize, bol: &SampleBol) {
        let Some(code) = &bol.customer else { return };
        let users: Vec<_> = self.set.users.iter().filter(|user| user.customers.contains(code)).collect();
        let mut rng = Rng::of(&[31, index as u64]);
        let is_recent = bol.bol_date > LAST_DAY - chrono::Days::new(6);
        if users.is_empty() || !rng.chance(if is_recent { 40 } else { 93 }) {
            return;
        }
        let user = rng.pick(&users);
        let at = bol.issued_at + TimeDelta::minutes(i64::from(rng.range(30, 2 * 1440)));
        let stored: Vec<_> = bol.documents.iter().filter(|document| document.stored_at < at).collect();
        let seconds = |seconds: i64| at + TimeDelta::seconds(seconds);
        self.add(seconds(-i64::from(rng.range(20, 300))), user, "LOGIN_SUCCEEDED");
        self.add_about(at, user, "BOL_VIEWED", (bol, None));
        for (document, minute) in stored.into_iter().zip(0..) {
            let after = i64::from(rng.range(8, 50)) + 60 * minute;
            match (document.kind, rng.range(1, 10)) {
                ("bol", _) | (_, ..=5) => {
                    self.add_about(seconds(after), user, "BOL_DOWNLOADED", (bol, Some(document)));
                    self.add_about(seconds(after + 1), user, "LINK_FETCHED", (bol, Some(document)));
                    let fetched = json!({"fetched_at": seconds(after + 1), "status": 200, "source": "local"});
                    if let Some(event) = self.events.last_mut() {
                        event.detail = fetched;
                    }
                }
                (_, 6..=7) => self.add_about(seconds(after), user, "BOL_PREVIEWED", (bol, Some(document))),
                _ => {}
            }
        }
        if rng.chance(30) {
            self.add(seconds(600), user, "LOGOUT");
        }
    }

    /// Wrong passwords, and now and then a number that isn't the user's.
    fn mistakes(&mut self, day: NaiveDate) {
        let mut rng = Rng::of(&[32, day.num_days_from_ce() as u64]);
        let customers = self.staff("customer");
        if customers.is_empty() || !rng.chance(16) {
            return;
        }
        let (user, at) = (rng.pick(&customers), daytime(day, &mut rng));
        if rng.chance(75) {
            self.add(at, user, "LOGIN_FAILED").outcome = "denied";
            self.add(at + TimeDelta::seconds(i64::from(rng.range(9, 90))), user, "LOGIN_SUCCEEDED");
        } else {
            let number = format!("{}-{}-{:04}", self.prefix, day.year(), rng.range(1, 400));
            let event = self.add(at, user, "ACCESS_DENIED");
            (event.outcome, event.number) = ("denied", Some(number));
        }
    }

    /// The auditor looks at the downloads of the last week.
    fn read_log(&mut self, day: NaiveDate) {
        let mut rng = Rng::of(&[33, day.num_days_from_ce() as u64]);
        let Some(auditor) = self.staff("auditor").first().copied() else { return };
        let at = daytime(day, &mut rng);
        self.add(at, auditor, "LOGIN_SUCCEEDED");
        let filter = json!({"view": "downloads", "from": day - chrono::Days::new(7), "to": day - chrono::Days::new(1)});
        self.add(at + TimeDelta::seconds(40), auditor, "AUDIT_VIEWED").detail = json!({"filter": filter, "shown": 50});
    }

    /// Customers fetch last month's BOLs in a ZIP.
    fn close_month(&mut self, day: NaiveDate) {
        let set = self.set;
        let month = day - Months::new(1);
        for (place, customer) in set.customers.iter().enumerate().step_by(2) {
            let Some(user) = set.users.iter().find(|user| user.customers.contains(&customer.code)) else { continue };
            let mut rng = Rng::of(&[34, place as u64, day.num_days_from_ce() as u64]);
            let at = daytime(day, &mut rng);
            let is_due = |bol: &&SampleBol| {
                bol.customer.as_ref() == Some(&customer.code)
                    && (bol.bol_date.year(), bol.bol_date.month()) == (month.year(), month.month())
            };
            self.add(at - TimeDelta::minutes(2), user, "LOGIN_SUCCEEDED");
            for bol in set.bols.iter().filter(is_due) {
                let newest = bol.documents.iter().rfind(|document| document.kind == "bol" && document.stored_at < at);
                if newest.is_some() {
                    self.add_about(at, user, "BOLS_ZIPPED", (bol, newest));
                }
            }
        }
    }
}

/// Returns a time of that day at which people work, in Cincinnati as in UTC.
fn daytime(day: NaiveDate, rng: &mut Rng) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc() + TimeDelta::seconds(i64::from(rng.range(13 * 3600, 21 * 3600)))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use super::super::generate;
    use super::*;

    #[test]
    fn the_history_is_a_year_in_order_and_the_same_every_time() {
        let set = generate(6, 400);
        let events = history(&set, "PRT");
        assert_eq!(events, history(&set, "PRT"));
        assert!(events.is_sorted_by_key(|event| event.at));
        let (first, last) = (events[0].at.date_naive(), events[events.len() - 1].at.date_naive());
        assert!(first >= first_day() - chrono::Days::new(1) && last <= LAST_DAY + chrono::Days::new(2));
        let mut months: BTreeMap<_, usize> = BTreeMap::new();
        for event in events.iter().filter(|event| event.action == "BOL_DOWNLOADED") {
            *months.entry((event.at.year(), event.at.month())).or_default() += 1;
        }
        assert!(months.len() >= 12 && months.values().all(|count| *count > 0), "{months:?}");
        assert!((1_000..6_000).contains(&events.len()), "{}", events.len());
    }

    #[test]
    fn customers_get_only_documents_of_their_own_that_were_there() {
        let set = generate(6, 400);
        let known: HashSet<_> = set.users.iter().map(|user| user.email.as_str()).collect();
        for event in history(&set, "PRT").iter().filter(|event| event.outcome == "success") {
            assert!(known.contains(event.email.as_str()));
            let user = set.users.iter().find(|user| user.email == event.email).expect("a user");
            let Some(number) = &event.number else { continue };
            let bol = set.bols.iter().find(|bol| bol.number("PRT") == *number).expect("a BOL");
            assert!(user.role != "customer" || user.customers.contains(bol.customer.as_ref().expect("a customer")));
            assert!(event.at >= bol.issued_at, "{event:?}");
            let Some(file) = &event.file_name else { continue };
            let document = bol.documents.iter().find(|document| document.file_name(number) == *file);
            assert!(document.expect("a document").stored_at <= event.at, "{event:?}");
        }
    }
}
