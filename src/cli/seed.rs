//! `primetrade seed`: puts the sample data into an empty database and the configured storage.

mod history;
mod inbox;

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Failure, database_url};
use crate::accounts::customers::NewCustomer;
use crate::accounts::passwords;
use crate::accounts::users::{self, NewMembership, NewUser};
use crate::bols::settings::Company;
use crate::bols::{Bol, BolNumber, NewBol, Printed, PrintedCodes, fields};
use crate::config::Config;
use crate::db::schema::{bols, customers, settings, users as users_table};
use crate::db::{Database, DbResult};
use crate::documents::Kind;
use crate::documents::lifecycle::version::{Slot, key_for};
use crate::documents::lifecycle::{self, FileDigest, NewDocument};
use crate::issuing::print::{self, Sheet};
use crate::samples::{self, SampleBol, SampleDocument, SampleSet, SampleUser};
use crate::storage::{ObjectKey, Storage, StorageError};

/// Rows per INSERT: 33 columns each, and a statement has at most 65,535 parameters.
const BATCH: usize = 500;
/// Simultaneous PUTs.
const MAX_PUTS: usize = 16;

/// Seeds, and returns the sample data and the number of documents. Fills the storage first, so that a database with
/// BOLs has their files.
pub async fn run(config: &Config, customers: usize, bol_count: usize) -> Result<(SampleSet, usize), Failure> {
    let db = Database::new(database_url(config)?, 2);
    if let Some(what) = present(&db).await? {
        return Err(Failure::Problem(format!(
            "the database already has {what}; sample data has public passwords, so it is loaded only into an empty database"
        )));
    }
    let sample = samples::generate(customers, bol_count);
    let storage = Storage::with_long_timeouts(&config.storage).await;
    let codes = PrintedCodes::new(vec![config.public_origin()], config.secret_key.as_ref());
    let printer = SamplePrinter { prefix: &config.bol_prefix, codes: &codes, zone: config.time_zone };
    let stored = store_documents(&printer, &sample.bols, &storage).await?;
    let hashes = hash_passwords(&sample.users).await?;
    let rows = Rows { prefix: &config.bol_prefix, sample: &sample, stored: &stored, hashes: &hashes };
    let events = db
        .transaction(async |connection: &mut AsyncPgConnection| -> DbResult<_> {
            rows.insert(connection).await?;
            Ok(history::insert(connection, &sample, &config.bol_prefix).await?)
        })
        .await?;
    let waiting = match inbox::fill(&db, config, &sample, (&storage, &codes)).await {
        Ok(waiting) => waiting,
        // The rest of the sample data is complete. Files can't be examined on this machine, or the storage went away.
        Err(Failure::Usage(why) | Failure::Problem(why)) => {
            eprintln!("the inbox gets no sample documents: {why}");
            0
        }
    };
    eprintln!(
        "seeded {} customers, {} users, {} BOLs, {} documents",
        sample.customers.len(),
        sample.users.len(),
        sample.bols.len(),
        stored.len()
    );
    match events {
        Some(events) => eprintln!("seeded {events} events of the access log"),
        None => eprintln!("the access log has events or belongs to another role, so it got no sample history"),
    }
    eprintln!("seeded {waiting} documents of the inbox");
    let count = stored.len();
    Ok((sample, count))
}

/// Returns what the database has, if it isn't empty.
pub async fn present(db: &Database) -> Result<Option<&'static str>, Failure> {
    let mut connection = db.get().await?;
    let any_bol: Option<i64> = bols::table.select(bols::id).first(&mut connection).await.optional()?;
    let any_user: Option<i64> = users_table::table.select(users_table::id).first(&mut connection).await.optional()?;
    let any_customer: Option<i64> = customers::table.select(customers::id).first(&mut connection).await.optional()?;
    let found = [("BOLs", any_bol), ("users", any_user), ("customers", any_customer)];
    Ok(found.into_iter().find_map(|(what, any)| any.map(|_| what)))
}

/// Prints the sample logins as a table or as JSON.
pub fn print(sample: &SampleSet, as_json: bool) {
    if as_json {
        let login = |user: &SampleUser| json!({"role": user.role, "email": user.email, "password": user.password, "customers": user.customers});
        let logins: Vec<_> = sample.users.iter().map(login).collect();
        println!("{}", json!({ "logins": logins }));
        return;
    }
    for user in &sample.users {
        println!("{:<9} {:<44} {:<32} {}", user.role, user.email, user.password, user.customers.join(" "));
    }
}

/// A stored sample document.
struct StoredSample {
    kind: Kind,
    key: ObjectKey,
    digest: FileDigest,
}

type StoredSamples = HashMap<(usize, usize), StoredSample>;

/// Renders the PDFs of the samples.
struct SamplePrinter<'a> {
    prefix: &'a str,
    codes: &'a PrintedCodes,
    zone: Tz,
}

impl SamplePrinter<'_> {
    /// Returns the PDF of a document. The program prints real BOLs; every other document is a stand-in.
    async fn pdf(&self, bol: &SampleBol, document: &SampleDocument, number: &str) -> Result<Vec<u8>, Failure> {
        if document.kind != Kind::Bol.as_str() {
            return Ok(samples::paper(bol, document, number));
        }
        let new = row(&bol.as_printed(document.version), self.prefix, None);
        let bol = Bol {
            id: 0,
            number: new.number,
            customer_id: None,
            printed: new.printed,
            issued_by: new.issued_by,
            official_weight_lb: None,
            weighed_at: None,
            weighed_by: String::new(),
            voided_at: new.voided_at,
            voided_by: new.voided_by,
            void_reason: new.void_reason,
            reissue_of: None,
            ..Bol::default()
        };
        let number: BolNumber = number.parse().map_err(Failure::problem)?;
        let sheet = Sheet::new(&bol, self.codes.address(&number), self.zone);
        print::print(sheet).await.map_err(Failure::problem)
    }
}

async fn store_documents(
    printer: &SamplePrinter<'_>,
    sample: &[SampleBol],
    storage: &Storage,
) -> Result<StoredSamples, Failure> {
    let wanted = sample
        .iter()
        .enumerate()
        .flat_map(|(b, bol)| bol.documents.iter().enumerate().map(move |(d, document)| (b, d, bol, document)));
    stream::iter(wanted)
        .map(|(b, d, bol, document)| async move {
            let number = bol.number(printer.prefix);
            let kind: Kind = document.kind.parse().map_err(Failure::Problem)?;
            let key = key(&number, kind, document.version)?;
            let bytes = printer.pdf(bol, document, &number).await?;
            let (sha256, size): ([u8; 32], _) = (Sha256::digest(&bytes).into(), bytes.len() as u64);
            match storage.put(&key, bytes, sha256).await {
                Ok(()) => {}
                // An interrupted run stored it. The samples are deterministic, so the bytes must be the same.
                Err(StorageError::Exists(key)) => {
                    let there = storage.head(&key).await.map_err(Failure::problem)?;
                    if there.is_none_or(|there| there.size != size) {
                        return Err(Failure::Problem(format!(
                            "the storage has a different object under {key}; nothing was changed"
                        )));
                    }
                }
                Err(error) => return Err(Failure::problem(error)),
            }
            Ok(((b, d), StoredSample { kind, key, digest: FileDigest { sha256, size } }))
        })
        .buffer_unordered(MAX_PUTS)
        .try_collect()
        .await
}

fn key(number: &str, kind: Kind, version: i32) -> Result<ObjectKey, Failure> {
    let number: BolNumber = number.parse().map_err(Failure::problem)?;
    key_for(&number, kind, version).map_err(Failure::problem)
}

async fn hash_passwords(users: &[SampleUser]) -> Result<Vec<String>, Failure> {
    stream::iter(users)
        .map(|user| async {
            passwords::hash(&user.password).await.ok_or_else(|| Failure::problem("a password can't be hashed"))
        })
        .buffered(4)
        .try_collect()
        .await
}

/// Fills the lists that the form offers from the BOLs.
const LISTS: &str = "WITH product AS (
        INSERT INTO products (name) SELECT DISTINCT product FROM bols ORDER BY product RETURNING id, name),
    lot AS (
        INSERT INTO lots (number, product_id, chemistry)
        SELECT DISTINCT ON (lower(lot)) lot, product.id, chemistry FROM bols JOIN product ON name = product
        WHERE lot <> '' ORDER BY lower(lot), bols.id DESC),
    ship_to AS (
        INSERT INTO ship_tos (customer_id, address)
        SELECT DISTINCT customer_id, ship_to FROM bols WHERE customer_id IS NOT NULL AND ship_to <> '')
    INSERT INTO carriers (name, scac)
    SELECT DISTINCT ON (lower(carrier)) carrier, carrier_scac FROM bols WHERE carrier <> '' ORDER BY lower(carrier), id DESC";
const TRUCKS: &str = "INSERT INTO trucks (carrier_id, truck_number, trailer_number)
    SELECT DISTINCT ON (c.id, lower(truck_number)) c.id, truck_number, trailer_number
    FROM bols JOIN carriers c ON lower(c.name) = lower(carrier) WHERE truck_number <> ''
    ORDER BY c.id, lower(truck_number), bols.id DESC";
/// As if every user had logged in and read all until a week before the newest change.
const READ_UNTIL: &str = "UPDATE users SET read_until = (SELECT max(changed_at) - interval '7 days' FROM bols)";

/// The rows to insert, in one transaction.
struct Rows<'a> {
    prefix: &'a str,
    sample: &'a SampleSet,
    stored: &'a StoredSamples,
    hashes: &'a [String],
}

impl Rows<'_> {
    async fn insert(&self, connection: &mut AsyncPgConnection) -> QueryResult<()> {
        // Suppresses emails to customers about samples.
        diesel::sql_query("SET LOCAL portal.quiet = 'on'").execute(connection).await?;
        let mut ids = HashMap::new();
        for customer in &self.sample.customers {
            let new = NewCustomer { code: &customer.code, name: &customer.name, address: &customer.address };
            ids.insert(Arc::<str>::from(customer.code.as_str()), new.insert(connection).await?.id);
        }
        for (user, hash) in self.sample.users.iter().zip(self.hashes) {
            let new =
                NewUser { email: &user.email, name: &user.name, role: user.role, password_hash: Some(hash.clone()) };
            let user_id = new.insert(connection).await?;
            let of = |code: &String| {
                ids.get(code.as_str()).map(|id| NewMembership {
                    user_id,
                    customer_id: *id,
                    is_admin: user.is_company_admin,
                })
            };
            let memberships: Vec<_> = user.customers.iter().filter_map(of).collect();
            users::add_memberships(connection, &memberships).await?;
        }
        for (batch, offset) in self.sample.bols.chunks(BATCH).zip((0..).step_by(BATCH)) {
            let id = |bol: &SampleBol| bol.customer.as_deref().and_then(|code| ids.get(code)).copied();
            let new: Vec<_> = batch.iter().map(|bol| row(bol, self.prefix, id(bol))).collect();
            let bol_ids: Vec<i64> =
                diesel::insert_into(bols::table).values(new).returning(bols::id).get_results(connection).await?;
            let new: Vec<_> = batch
                .iter()
                .enumerate()
                .flat_map(|(index, bol)| self.documents(bol, offset + index, bol_ids[index]))
                .collect();
            for part in new.chunks(BATCH) {
                lifecycle::register_all(connection, part).await?;
            }
        }
        diesel::update(bols::table).set(bols::visible_since.eq(bols::created_at)).execute(connection).await?;
        let [company_name, company_address, company_phone, company_email] = samples::TERMINAL.map(String::from);
        let company = Company { company_name, company_address, company_phone, company_email };
        diesel::update(settings::table).set(company).execute(connection).await?;
        diesel::sql_query(LISTS).execute(connection).await?;
        diesel::sql_query(TRUCKS).execute(connection).await?;
        diesel::sql_query(READ_UNTIL).execute(connection).await?;
        Ok(())
    }

    fn documents(&self, bol: &SampleBol, index: usize, bol_id: i64) -> Vec<(NewDocument, DateTime<Utc>)> {
        let new = |(position, document): (usize, &SampleDocument)| {
            let StoredSample { kind, key, digest } = self.stored.get(&(index, position))?;
            let slot = Slot { bol_id, kind: *kind, version: document.version, key: key.clone() };
            Some((NewDocument::at_bol(slot, *digest), document.stored_at))
        };
        bol.documents.iter().enumerate().filter_map(new).collect()
    }
}

/// The name of the issuing user on every sample.
const ISSUED_BY: &str = "Sample data";

fn row(bol: &SampleBol, prefix: &str, customer_id: Option<i64>) -> NewBol {
    let [name, address, phone, email] = samples::TERMINAL.map(String::from);
    let mut printed = Printed {
        customer_name: bol.customer_name.clone(),
        bol_date: bol.bol_date,
        pieces: bol.pieces,
        gross_lb: bol.gross_lb,
        tare_lb: bol.tare_lb,
        net_lb: bol.net_lb,
        company_name: name,
        company_address: address,
        company_phone: phone,
        company_email: email,
        ..Printed::default()
    };
    for (field, text) in bol.texts() {
        if let Some(field) = fields::find(field) {
            field.set_text(&mut printed, text);
        }
    }
    let (voided_at, void_reason) = bol.voided.clone().unzip();
    NewBol {
        number: bol.number(prefix),
        number_year: bol.number_year,
        number_seq: bol.number_seq,
        customer_id,
        printed,
        official_weight_lb: bol.official_weight_lb,
        issued_by: ISSUED_BY.into(),
        voided_by: if voided_at.is_some() { ISSUED_BY.into() } else { String::new() },
        voided_at,
        void_reason: void_reason.unwrap_or_default(),
        changed_at: bol.issued_at,
        created_at: bol.issued_at,
        ..NewBol::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bols::Draft;

    /// The form of a new BOL copies a customer's last load. Issued again with another weight, nothing of it is refused.
    #[test]
    fn every_sample_load_can_be_issued_again() {
        let sample = samples::generate(20, 1000);
        let [company_name, company_address, company_phone, company_email] = samples::TERMINAL.map(String::from);
        let company = Company { company_name, company_address, company_phone, company_email };
        let mut terms = std::collections::BTreeSet::new();
        for bol in &sample.bols {
            let Some(code) = &bol.customer else { continue };
            let last = row(bol, "PRT", None).printed;
            let mut draft = Draft::default();
            draft.set("customer", code);
            assert!(!draft.fill_from_last(&last).is_empty());
            draft.fill_defaults(samples::LAST_DAY, &company);
            draft.set("net_lb", "46,060");
            let checked = draft.check(Some((&last.customer_name, true)), &company);
            let errors = checked.err().unwrap_or_default();
            assert!(errors.is_empty(), "{}: {:?}", bol.number("PRT"), errors.iter().collect::<Vec<_>>());
            terms.insert(last.freight_terms);
        }
        assert_eq!(terms.len(), 3, "{terms:?}");
    }
}
