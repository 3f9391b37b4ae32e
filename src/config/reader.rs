//! Reads values and collects the problems found.

use std::collections::HashMap;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use url::Host;

/// The names of the roles, which a higher layer defines ([`crate::accounts::Role`], whose test compares them).
pub const ROLES: [&str; 4] = ["customer", "office", "auditor", "admin"];

pub(super) struct Reader<'a> {
    values: &'a HashMap<String, String>,
    /// One line each.
    pub(super) problems: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(values: &'a HashMap<String, String>) -> Self {
        Self { values, problems: Vec::new() }
    }
}

impl Reader<'_> {
    /// Treats an empty value as not set, because hosting dashboards and compose files write empty values.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        let value = self.values.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())?;
        if value.contains(char::REPLACEMENT_CHARACTER) {
            let problem = format!("{name}: found a value that is not UTF-8 text");
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
            return None;
        }
        Some(value.into())
    }

    pub(super) fn problem(&mut self, name: &str, found: &str, allowed: &str) {
        let mut found: String = found.chars().take(80).collect();
        found.retain(|c| !c.is_control());
        self.problems.push(format!("{name}: found \"{found}\", allowed is {allowed}"));
    }

    pub(super) fn missing(&mut self, name: &str, allowed: &str) {
        self.problems.push(format!("{name}: not set, needed is {allowed}"));
    }

    pub(super) fn parsed<T: FromStr>(&mut self, name: &str, allowed: &str) -> Option<T> {
        let found = self.text(name)?;
        let parsed = found.parse().ok();
        if parsed.is_none() {
            self.problem(name, &found, allowed);
        }
        parsed
    }

    pub(super) fn number(&mut self, name: &str, default: u64, least: u64, most: u64) -> u64 {
        let Some(found) = self.text(name) else { return default };
        match found.parse() {
            Ok(number) if (least..=most).contains(&number) => number,
            _ => {
                self.problem(name, &found, &format!("a whole number from {least} to {most}"));
                default
            }
        }
    }

    /// `None`: not set.
    pub(super) fn years(&mut self, name: &str) -> Option<u16> {
        self.text(name)?;
        u16::try_from(self.number(name, 0, 1, 100)).ok()
    }

    pub(super) fn flag(&mut self, name: &str, default: bool) -> bool {
        let Some(found) = self.text(name) else { return default };
        match found.to_ascii_lowercase().as_str() {
            "true" | "1" => true,
            "false" | "0" => false,
            _ => {
                self.problem(name, &found, "True or False (in any case), 1 or 0");
                default
            }
        }
    }

    /// Names of roles, or `none` for no role.
    pub(super) fn roles(&mut self, name: &str, default: &[&str]) -> Vec<String> {
        let Some(found) = self.text(name) else { return default.iter().map(ToString::to_string).collect() };
        let found = found.to_ascii_lowercase();
        let mut roles = Vec::new();
        for role in found.split(',').map(str::trim).filter(|role| !role.is_empty() && found != "none") {
            if ROLES.contains(&role) {
                roles.push(role.to_owned());
            } else {
                self.problem(name, role, &format!("{}, separated by commas, or none", ROLES.join(", ")));
            }
        }
        roles
    }

    pub(super) fn networks(&mut self, name: &str) -> Vec<IpNet> {
        let mut networks = Vec::new();
        for found in self.text(name).unwrap_or_default().split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match found.parse().or_else(|_| found.parse::<IpAddr>().map(IpNet::from)) {
                Ok(network) => networks.push(network),
                Err(_) => self.problem(name, found, "CIDRs such as 10.0.0.0/8, separated by commas"),
            }
        }
        networks
    }

    /// Domains in lower case and ASCII.
    pub(super) fn domains(&mut self, name: &str) -> Vec<String> {
        let mut domains = Vec::new();
        for found in self.text(name).unwrap_or_default().split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match Host::parse(found) {
                Ok(Host::Domain(domain)) if domain.contains('.') => domains.push(domain),
                _ => self.problem(name, found, "domains such as terminal.example, separated by commas"),
            }
        }
        domains
    }
}
