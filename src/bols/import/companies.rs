//! The customers that the file names, by code or by name. Creates missing ones on request.

use std::collections::HashMap;

use diesel::result::{Error as QueryError, QueryResult};
use diesel_async::AsyncPgConnection;
use unicode_normalization::UnicodeNormalization;

use crate::accounts::customers::{self, NewCustomer};
use crate::bols::lists::customers::{Details, is_customer_code};

/// How a line of the file names its customer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CustomerRef {
    /// A code or a name.
    pub customer: String,
    pub code: String,
    pub address: String,
}

#[derive(Clone, Debug)]
pub(super) struct ImportCustomer {
    pub id: i64,
    pub code: String,
    pub name: String,
}

/// Why a line has no customer.
pub(super) enum CustomerError {
    /// The line is at fault. The text says how.
    Refused(String),
    Db(QueryError),
}

impl From<QueryError> for CustomerError {
    fn from(error: QueryError) -> Self {
        Self::Db(error)
    }
}

fn refused<T>(why: String) -> Result<T, CustomerError> {
    Err(CustomerError::Refused(why))
}

/// Returns the spelling by which names are compared: in lower case, with single spaces of one kind.
fn one_spelling(name: &str) -> String {
    let name: String = name.nfkc().filter(|c| !matches!(c, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{feff}')).collect();
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

pub(super) struct Customers {
    all: Vec<ImportCustomer>,
    by_code: HashMap<String, usize>,
    /// By the name as [`one_spelling`] gives it. `None` means that several customers have it.
    by_name: HashMap<String, Option<usize>>,
    new: usize,
}

impl Customers {
    pub async fn load(connection: &mut AsyncPgConnection) -> QueryResult<Self> {
        let mut companies = Self { all: Vec::new(), by_code: HashMap::new(), by_name: HashMap::new(), new: 0 };
        for customer in customers::all(connection).await? {
            companies.add(ImportCustomer { id: customer.id, code: customer.code, name: customer.name });
        }
        companies.new = companies.all.len();
        Ok(companies)
    }

    fn add(&mut self, company: ImportCustomer) {
        let index = self.all.len();
        let (code, name) = (company.code.clone(), one_spelling(&company.name));
        self.by_name.entry(name).and_modify(|known| *known = None).or_insert(Some(index));
        self.by_code.insert(code, index);
        self.all.push(company);
    }

    /// Returns the customer that the line names, if it names one.
    pub async fn find(
        &mut self,
        connection: &mut AsyncPgConnection,
        reference: &CustomerRef,
        create: bool,
    ) -> Result<Option<ImportCustomer>, CustomerError> {
        let CustomerRef { customer, code, .. } = reference;
        let coded = |code: &str| self.by_code.get(&code.to_uppercase()).copied();
        let called = self.by_name.get(&one_spelling(customer)).copied();
        let found = match (code.as_str(), customer.as_str()) {
            ("", "") => return Ok(None),
            // One column for code and name: both may match, as long as they are the same customer.
            ("", customer) => match (coded(customer), called) {
                (Some(code), Some(Some(name))) if code != name => {
                    return refused(format!(
                        "{customer} is the code of one customer and the name of another (customer_code)"
                    ));
                }
                (Some(code), _) => Some(code),
                (None, Some(None)) => {
                    return refused(format!("several customers are called {customer}; add the code (customer_code)"));
                }
                (None, name) => name.flatten(),
            },
            (code, "") => coded(code),
            (code, customer) => match (coded(code), called) {
                (found, Some(Some(name))) if found != Some(name) => {
                    return refused(format!("{customer} has the code {}, not {code}", self.all[name].code));
                }
                // The customer may have another name today.
                (found, _) => found,
            },
        };
        match found {
            Some(index) => Ok(Some(self.all[index].clone())),
            None if create => self.create(connection, reference).await.map(Some),
            None => {
                let whom = if code.is_empty() { customer } else { code };
                refused(format!("customer {whom} doesn't exist (--create-customers creates missing customers)"))
            }
        }
    }

    async fn create(
        &mut self,
        connection: &mut AsyncPgConnection,
        reference: &CustomerRef,
    ) -> Result<ImportCustomer, CustomerError> {
        let name = if reference.customer.is_empty() { &reference.code } else { &reference.customer };
        let code = if reference.code.is_empty() { self.code_for(name) } else { reference.code.clone() };
        let details = Details::read(name, &reference.address, false).map_err(|errors| {
            let messages = errors.iter().map(|error| format!("customer {}: {}", error.field, error.message));
            CustomerError::Refused(messages.collect::<Vec<_>>().join("; "))
        })?;
        if !is_customer_code(&code) {
            return refused(format!(
                "{name} can't be created with the code {code:?}: 2 to 16 of A-Z 0-9 -, a letter or digit first"
            ));
        }
        let Details { name, address, .. } = details;
        let id = NewCustomer { code: &code, name: &name, address: &address }.insert(connection).await?.id;
        let company = ImportCustomer { id, code, name };
        self.add(company.clone());
        Ok(company)
    }

    /// Makes a code from the name: `Miami Valley Castings Co.` is `MIAMI-VALLEY`, or `MIAMI-VALLEY-2` when that is
    /// taken.
    fn code_for(&self, name: &str) -> String {
        let words = name.to_uppercase();
        let words: Vec<String> = words
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(|word| word.chars().take(12).collect())
            .collect();
        let mut code = words.first().cloned().unwrap_or_default();
        for word in words.iter().skip(1).take_while(|word| !matches!(word.as_str(), "CO" | "INC" | "LLC" | "CORP")) {
            if code.len() + word.len() + 1 > 13 {
                break;
            }
            code = format!("{code}-{word}");
        }
        if code.len() < 2 {
            code = format!("CUSTOMER{}{code}", if code.is_empty() { "" } else { "-" });
        }
        let mut free = code.clone();
        let mut count = 1;
        while self.by_code.contains_key(&free) {
            count += 1;
            free = format!("{code}-{count}");
        }
        free
    }

    pub fn created(&self) -> Vec<(String, String)> {
        self.all[self.new..].iter().map(|company| (company.code.clone(), company.name.clone())).collect()
    }

    pub fn created_with_ids(&self) -> impl Iterator<Item = (i64, &str, &str)> {
        self.all[self.new..].iter().map(|company| (company.id, company.code.as_str(), company.name.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_made_of_names() {
        let mut companies = Customers { all: Vec::new(), by_code: HashMap::new(), by_name: HashMap::new(), new: 0 };
        for (name, expected) in [
            ("Miami Valley Castings Co.", "MIAMI-VALLEY"),
            ("MIAMI Valley Foundry", "MIAMI-VALLEY-2"),
            ("Ünal", "NAL"),
            ("Q", "CUSTOMER-Q"),
            ("漢", "CUSTOMER"),
            ("Superlongcompanyname Of America", "SUPERLONGCOM"),
        ] {
            let code = companies.code_for(name);
            assert_eq!(code, expected, "{name}");
            companies.add(ImportCustomer { id: 0, code, name: name.into() });
        }
    }
}
