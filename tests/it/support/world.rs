//! Two competing companies, users of every role, and a few loads.
//!
//! Every field of ACME contains the word `sesame`, so that a test can search any answer for a leak.

use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use primetrade::accounts::customers::NewCustomer;
use primetrade::accounts::passwords;
use primetrade::accounts::users::{self, NewMembership, NewUser};
use primetrade::bols::{BolNumber, NewBol, Printed};
use primetrade::config::{DatabaseUrl, SecretKey, StorageConfig};
use primetrade::db::schema::bols;
use primetrade::documents::Kind;
use primetrade::documents::lifecycle::version::{Slot, key_for};
use primetrade::documents::lifecycle::{self, FileDigest, NewDocument};
use primetrade::storage::{LocalStore, ObjectKey, S3Store, Storage};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use super::{admit_server, copy_of, migrated_database};

pub const PASSWORD: &str = "pig-iron-by-the-river-17";

#[derive(Clone)]
pub struct World {
    pub acme: i64,
    pub rival: i64,
    /// The ids of ACME's documents: two versions of the BOL, the signed copy, the scale ticket.
    pub acme_documents: Vec<i64>,
    pub loose_document: i64,
    files: Vec<(ObjectKey, Vec<u8>)>,
}

impl World {
    pub const ACME: &'static str = "buyer@acme.example";
    pub const COLLEAGUE: &'static str = "dock@acme.example";
    pub const RIVAL: &'static str = "buyer@rival.example";
    /// A member of both companies.
    pub const BROKER: &'static str = "broker@both.example";
    pub const OFFICE: &'static str = "clerk@terminal.example";
    pub const AUDITOR: &'static str = "auditor@terminal.example";
    pub const ADMIN: &'static str = "admin@terminal.example";
    /// Has never set a password.
    pub const NEW: &'static str = "new@acme.example";
    pub const DISABLED: &'static str = "gone@acme.example";

    /// Has two versions, a signed copy and a scale ticket.
    pub const ACME_BOL: &'static str = "PRT-2025-0001";
    /// The key of its newest PDF.
    pub const ACME_BOL_KEY: &'static str = "bols/2025/PRT-2025-0001.v2.pdf";
    pub const ACME_VOID: &'static str = "PRT-2025-0002";
    pub const RIVAL_BOL: &'static str = "PRT-2025-0003";
    /// Not yet assigned to a customer.
    pub const LOOSE_BOL: &'static str = "PRT-2025-0004";
    /// A BOL of ACME without any document.
    pub const ACME_BARE: &'static str = "PRT-2025-0005";

    /// Creates a database with the sample data. The files are for [`World::store`].
    pub async fn database() -> (DatabaseUrl, Self) {
        static TEMPLATE: OnceCell<(String, World)> = OnceCell::const_new();
        let (template, world) = TEMPLATE.get_or_init(Self::create).await;
        (copy_of(template).await, world.clone())
    }

    /// Creates the sample data in a database of its own, and returns its name.
    async fn create() -> (String, Self) {
        let url = migrated_database().await;
        admit_server(&url).await;
        let world = Self::fill(&url).await;
        (url.options().get_dbname().unwrap().to_owned(), world)
    }

    /// Creates the sample data in a migrated database.
    pub async fn fill(url: &DatabaseUrl) -> Self {
        let mut connection = primetrade::db::connect(url).await.unwrap();
        // The portal sends no mail about the sample data.
        connection.batch_execute("SET portal.quiet = 'on'").await.unwrap();
        let (acme, rival) = people(&mut connection).await;
        let mut paper = Paperwork { connection, files: Vec::new() };
        let first = paper.issue(1, Some(acme), "sesame", None).await;
        let mut acme_documents = Vec::new();
        for (kind, version) in [(Kind::Bol, 1), (Kind::Bol, 2), (Kind::SignedBol, 1), (Kind::ScaleTicket, 1)] {
            acme_documents.push(paper.file(first, 1, kind, version).await);
        }
        let void = paper.issue(2, Some(acme), "sesame", Some("Wrong truck, sesame")).await;
        paper.file(void, 2, Kind::Bol, 1).await;
        let theirs = paper.issue(3, Some(rival), "radish", None).await;
        paper.file(theirs, 3, Kind::Bol, 1).await;
        let loose = paper.issue(4, None, "nobody", None).await;
        let loose_document = paper.file(loose, 4, Kind::Bol, 1).await;
        paper.issue(5, Some(acme), "sesame bare", None).await;
        Self { acme, rival, acme_documents, loose_document, files: paper.files }
    }

    /// Puts the files of the sample data into a storage.
    pub async fn store(&self, config: &StorageConfig) {
        let storage = match config {
            StorageConfig::S3(s3) => Storage::from(S3Store::new(s3).await),
            StorageConfig::Local { root } => {
                Storage::from(LocalStore::new(root, &SecretKey::from_bytes(vec![0]), String::new()))
            }
        };
        for (key, bytes) in &self.files {
            storage.put(key, bytes.clone(), Sha256::digest(bytes).into()).await.unwrap();
        }
    }
}

async fn people(connection: &mut AsyncPgConnection) -> (i64, i64) {
    static HASH: OnceCell<String> = OnceCell::const_new();
    let hash = HASH.get_or_init(|| async { passwords::hash(PASSWORD).await.unwrap() }).await;
    let acme = NewCustomer { code: "ACME", name: "Acme Steel", address: "" }.insert(connection).await.unwrap().id;
    let rival = NewCustomer { code: "RIVAL", name: "Rival Iron", address: "" }.insert(connection).await.unwrap().id;
    for (email, role, companies) in [
        (World::ACME, "customer", vec![acme]),
        (World::COLLEAGUE, "customer", vec![acme]),
        (World::RIVAL, "customer", vec![rival]),
        (World::BROKER, "customer", vec![acme, rival]),
        (World::NEW, "customer", vec![acme]),
        (World::DISABLED, "customer", vec![acme]),
        (World::OFFICE, "office", vec![]),
        (World::AUDITOR, "auditor", vec![]),
        (World::ADMIN, "admin", vec![]),
    ] {
        let password_hash = (email != World::NEW).then(|| hash.clone());
        let id = NewUser { email, name: "Somebody", role, password_hash }.insert(connection).await.unwrap();
        let memberships: Vec<_> = companies
            .into_iter()
            .map(|customer_id| NewMembership { user_id: id, customer_id, is_admin: false })
            .collect();
        users::add_memberships(connection, &memberships).await.unwrap();
        if email == World::DISABLED {
            users::set_active(connection, id, false).await.unwrap();
        }
    }
    (acme, rival)
}

struct Paperwork {
    connection: AsyncPgConnection,
    files: Vec<(ObjectKey, Vec<u8>)>,
}

impl Paperwork {
    async fn issue(&mut self, seq: i32, customer_id: Option<i64>, word: &str, void: Option<&str>) -> i64 {
        let day = format!("2025-03-{seq:02}");
        let at = format!("{day}T15:00:00Z").parse().unwrap();
        let new = NewBol {
            number: format!("PRT-2025-{seq:04}"),
            number_year: 2025,
            number_seq: seq,
            customer_id,
            printed: Printed {
                customer_name: format!("Company {word}"),
                bol_date: day.parse().unwrap(),
                product: format!("Pig iron {word}"),
                lot: format!("LOT-{word}"),
                chemistry: "C 4.31% Si 0.72%".into(),
                customer_po: format!("PO-{word}-{seq}"),
                release_number: format!("REL-{word}"),
                carrier: format!("Carrier {word}"),
                carrier_scac: "ABCD".into(),
                truck_number: format!("TRUCK-{word}-{seq}"),
                trailer_number: format!("TRAILER-{word}"),
                seal_numbers: "1, 2".into(),
                driver_name: "A. Driver".into(),
                ship_from: "The terminal".into(),
                care_of: String::new(),
                ship_to: format!("Plant {word}\n1 Mill Street"),
                freight_terms: "prepaid".into(),
                pieces: None,
                package_type: "Bulk".into(),
                gross_lb: Some(78_900),
                tare_lb: Some(32_000),
                net_lb: 46_900,
                scale_ticket: "77".into(),
                special_instructions: "<script>alert(1)</script>".into(),
                trailer_loaded_by: "shipper".into(),
                freight_counted_by: "driver".into(),
                ..Printed::default()
            },
            official_weight_lb: None,
            voided_at: void.map(|_| at),
            void_reason: void.unwrap_or_default().into(),
            changed_at: at,
            created_at: at,
            ..NewBol::default()
        };
        diesel::insert_into(bols::table).values(new).returning(bols::id).get_result(&mut self.connection).await.unwrap()
    }

    async fn file(&mut self, bol_id: i64, seq: i32, kind: Kind, version: i32) -> i64 {
        let number: BolNumber = format!("PRT-2025-{seq:04}").parse().unwrap();
        let key = key_for(&number, kind, version).unwrap();
        let bytes = format!("%PDF-1.4\n% {key} {}\n%%EOF\n", if seq < 3 { "sesame" } else { "other" }).into_bytes();
        let sha256: [u8; 32] = Sha256::digest(&bytes).into();
        let digest = FileDigest { sha256, size: bytes.len() as u64 };
        self.files.push((key.clone(), bytes));
        let new = NewDocument::at_bol(Slot { bol_id, kind, version, key }, digest);
        let stored_at = format!("2025-03-{seq:02}T16:00:00Z").parse().unwrap();
        lifecycle::register(&mut self.connection, &new, Some(stored_at)).await.unwrap()
    }
}
