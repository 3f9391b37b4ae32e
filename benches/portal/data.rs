//! The data of the benchmark: rows that the database generates, and a file for every BOL that is downloaded.

use std::path::Path;
use std::time::Duration;

use diesel::QueryableByName;
use diesel::sql_types::Text;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use primetrade::accounts::passwords;
use primetrade::config::DatabaseUrl;
use primetrade::db;

pub const CUSTOMERS: usize = 200;
pub const BOLS: usize = 100_000;
pub const PASSWORD: &str = "pig-iron-by-the-river-17";
const FILE: &[u8] = b"%PDF-1.7\n% a bill of lading\n%%EOF\n";

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// The email address of a customer's user, counted from 1.
pub fn email(customer: usize) -> String {
    format!("buyer{customer}@example.com")
}

/// Without notices about the documents, whose emails would take turns with the pages.
pub async fn load(url: &DatabaseUrl, media: &Path) {
    let hash = passwords::hash(PASSWORD).await.unwrap();
    let mut connection = db::connect(url).await.unwrap();
    let size = FILE.len();
    connection
        .batch_execute(&format!(
            "SET statement_timeout = 0;
             INSERT INTO customers (code, name) SELECT 'C' || n, 'Foundry number ' || n FROM generate_series(1, {CUSTOMERS}) n;
             INSERT INTO users (email, name, role, password_hash)
                 SELECT 'buyer' || n || '@example.com', 'Buyer ' || n, 'customer', '{hash}' FROM generate_series(1, {CUSTOMERS}) n;
             INSERT INTO memberships (user_id, customer_id)
                 SELECT u.id, c.id FROM users u JOIN customers c ON u.email = 'buyer' || substr(c.code, 2) || '@example.com';
             INSERT INTO bols (number, number_year, number_seq, customer_id, customer_name, bol_date, product, lot, customer_po,
                               release_number, carrier, carrier_scac, truck_number, trailer_number, ship_to, net_lb, changed_at)
                 SELECT 'PRT-' || y || '-' || lpad(s::text, 5, '0'), y, s, 1 + n % {CUSTOMERS}, 'Foundry number ' || 1 + n % {CUSTOMERS},
                        make_date(y, 1 + s / 2400, 1 + s % 28), 'Basic pig iron grade ' || n % 7, 'BPI-' || n % 500, '4500' || n % 9000,
                        'R-' || n % 90, 'Buckeye Hopper Lines', 'BKHP', (n % 900)::text, 'ED-' || n % 3000,
                        E'Miami Valley Ductile Castings\\n1480 Troy Street\\nDayton, OH 45404', 42000 + n % 7000, now()
                 FROM (SELECT n, 2023 + n / 28000 AS y, 1 + n % 28000 AS s FROM generate_series(0, {BOLS} - 1) n) g;
             INSERT INTO documents (bol_id, kind, version, object_key, file_name, sha256, size_bytes, state, stored_at)
                 SELECT id, 'bol', 1, 'bols/' || number_year || '/' || number || '.pdf', number || '.pdf', sha256('x'), {size}, 'stored', now()
                 FROM bols;
             DELETE FROM notices;
             INSERT INTO bol_opens (user_id, bol_id, opened_at)
                 SELECT m.user_id, b.id, now() FROM memberships m JOIN bols b ON b.customer_id = m.customer_id WHERE b.id % 2 = 0"
        ))
        .await
        .unwrap();
    connection.batch_execute("VACUUM ANALYZE").await.unwrap();
    for line in lines(
        url,
        "SELECT object_key AS line FROM documents d JOIN bols b ON b.id = d.bol_id WHERE b.number_year = 2026",
    )
    .await
    {
        let path = media.join(line);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, FILE).unwrap();
    }
}

/// The newest BOL of each of the first customers.
pub async fn newest(url: &DatabaseUrl, customers: usize) -> Vec<String> {
    let sql = format!(
        "SELECT DISTINCT ON (u.id) b.number AS line FROM users u JOIN memberships m ON m.user_id = u.id
         JOIN bols b ON b.customer_id = m.customer_id
         WHERE u.email = ANY(SELECT 'buyer' || n || '@example.com' FROM generate_series(1, {customers}) n)
         ORDER BY u.id, b.bol_date DESC, b.id DESC"
    );
    lines(url, &sql).await
}

/// Adds 2,000 events to each of these BOLs: half of them views, half of them downloads.
pub async fn add_history(url: &DatabaseUrl, numbers: &[String]) {
    let numbers = numbers.join(",");
    let mut connection = db::connect(url).await.unwrap();
    connection
        .batch_execute(&format!(
            "SET statement_timeout = 0;
             INSERT INTO audit_events (occurred_at, action, outcome, user_email, user_role, customer_id, customer_code, bol_id, bol_number)
                 SELECT now() - n * interval '1 minute', (ARRAY['BOL_VIEWED', 'BOL_DOWNLOADED'])[1 + n % 2], 'success',
                        'buyer@example.com', 'customer', b.customer_id, c.code, b.id, b.number
                 FROM bols b JOIN customers c ON c.id = b.customer_id, generate_series(1, 2000) n
                 WHERE b.number = ANY('{{{numbers}}}')"
        ))
        .await
        .unwrap();
    connection.batch_execute("VACUUM ANALYZE audit_events").await.unwrap();
}

/// Waits until a running server has sealed this many events, so that sealing doesn't take turns with the pages.
pub async fn until_sealed(url: &DatabaseUrl, events: u64) {
    let sealed = "SELECT coalesce(max(position) + 1, 0)::text AS line FROM audit_leaves";
    while lines(url, sealed).await[0].parse::<u64>().unwrap() < events {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn lines(url: &DatabaseUrl, sql: &str) -> Vec<String> {
    let mut connection = db::connect(url).await.unwrap();
    let found: Vec<Line> = diesel::sql_query(sql).load(&mut connection).await.unwrap();
    found.into_iter().map(|row| row.line).collect()
}
