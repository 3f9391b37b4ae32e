//! Compares `src/db/schema.rs`, which is written by hand in the form of `diesel print-schema`, with the database.

use crate::support::{migrated_database, rows};

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_in_the_code_is_the_one_in_the_database() {
    let url = migrated_database().await;
    let source = include_str!("../../../src/db/schema.rs");
    let mut described = Vec::new();
    for table in source.split("diesel::table! {").skip(1) {
        let table = table.trim_start();
        let name = table.split_whitespace().next().unwrap();
        for line in table.lines().skip(1).map_while(|line| line.trim().split_once(" -> ")) {
            described.push(format!("{name}|{}|{}", line.0, line.1.trim_end_matches(',')));
        }
    }
    let found = rows(
        &url,
        "SELECT c.relname, a.attname, CASE WHEN a.attnotnull THEN t.diesel ELSE 'Nullable<' || t.diesel || '>' END
         FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         JOIN (VALUES ('int8', 'Int8'), ('int4', 'Int4'), ('text', 'Text'), ('bool', 'Bool'), ('date', 'Date'), ('jsonb', 'Jsonb'),
               ('bytea', 'Bytea'), ('inet', 'Inet'), ('timestamptz', 'Timestamptz'), ('_text', 'Array<Text>'), ('_cidr', 'Array<Cidr>')) t (pg, diesel)
           ON t.pg = format_type(a.atttypid, NULL)::text OR a.atttypid::regtype::oid = t.pg::regtype::oid
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
           AND c.relname NOT LIKE '%diesel%'
         ORDER BY c.relname, a.attnum",
    )
    .await;
    described.sort();
    let mut found: Vec<String> = found.into_iter().filter(|line| !line.starts_with("audit_events|xact_id")).collect();
    found.sort();
    assert_eq!(described, found);
}

/// diesel takes the number of a folder for the migration, and passes over a second one with it.
#[test]
fn every_migration_has_a_number_of_its_own() {
    let folders = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap();
    let names = folders.map(|folder| folder.unwrap().file_name().into_string().unwrap());
    let mut numbers: Vec<String> = names.filter_map(|name| Some(name.split_once('_')?.0.to_owned())).collect();
    let all = numbers.len();
    numbers.sort();
    numbers.dedup();
    assert!(all > 20 && numbers.len() == all, "two migrations share a number");
}
