-- Sample data for measurements at scale, for psql as a superuser of an empty, migrated database:
--     psql -v bols=1000000 -v customers=2000 -v events=2000000 -v hash=… -f benches/portal/scale.sql
-- Customers have very different sizes: of a million BOLs and 2,000 customers, the largest has 80,000 and the smallest 170.
\set ON_ERROR_STOP on
SET statement_timeout = 0;
SET maintenance_work_mem = '1GB';
-- No triggers: the rows below already have what they would compute.
SET session_replication_role = replica;

INSERT INTO customers (code, name) SELECT 'C' || n, 'Foundry number ' || n FROM generate_series(1, :customers) n;
INSERT INTO users (email, name, role, password_hash)
    SELECT 'buyer' || n || '@example.com', 'Buyer ' || n, 'customer', :'hash' FROM generate_series(1, :customers) n
    UNION ALL SELECT 'office@example.com', 'Office', 'office', :'hash'
    UNION ALL SELECT 'admin@example.com', 'Administrator', 'admin', :'hash';
INSERT INTO memberships (user_id, customer_id)
    SELECT u.id, c.id FROM users u JOIN customers c ON u.email = 'buyer' || substr(c.code, 2) || '@example.com';

-- The golden ratio spreads the customers evenly over time.
DROP INDEX bols_search;
INSERT INTO bols (number, number_year, number_seq, customer_id, customer_name, bol_date, product, lot, customer_po, release_number,
                  carrier, carrier_scac, truck_number, trailer_number, seal_numbers, driver_name, ship_to, net_lb, voided_at,
                  void_reason, document_kinds, changed_at, created_at, visible_since)
SELECT 'PRT-' || y || '-' || lpad(s::text, greatest(4, length(s::text)), '0'), y, s, c, 'Foundry number ' || c, day, product,
       'BPI-' || n % 500, '4500' || (n * 7919) % 90000, 'R-' || n % 900,
       (ARRAY['Buckeye Hopper Lines', 'Green River Freight', 'Ohio Valley Transport', 'Lakes Bulk'])[1 + n % 4],
       (ARRAY['BKHP', 'GRFR', 'OVTR', 'LKBK'])[1 + n % 4], (n % 900)::text, 'ED-' || n % 3000,
       (100000 + n % 900000)::text, (ARRAY['Jo Li', 'Sam Ortiz', 'Pat Kim', 'Lee Novak'])[1 + n % 4],
       E'Miami Valley Ductile Castings\n1480 Troy Street\nDayton, OH 45404', 42000 + n % 7000,
       CASE WHEN n % 250 = 0 THEN day + time '15:00' END, CASE WHEN n % 250 = 0 THEN 'wrong weight' ELSE '' END,
       CASE WHEN n % 5 = 0 THEN '{bol}' ELSE '{bol,signed-bol}' END::text[], day + time '12:00', day + time '12:00', day + time '12:00'
FROM (SELECT n, 1 + floor(:customers * ((n * 0.6180339887498949) % 1) ^ 3)::bigint AS c,
             date '2026-11-30' - ((:bols - n) * 2000 / :bols)::int AS day,
             2021 + (n * 6 / :bols)::int AS y, n::int AS s,
             (ARRAY['Basic pig iron', 'Foundry pig iron', 'Nodular pig iron', 'Shredded scrap', 'Heavy melt', 'Turnings'])[1 + n % 6] AS product
      FROM generate_series(0::bigint, :bols - 1) n) AS g
WHERE s > 0;
CREATE INDEX bols_search ON bols USING gin (customer_id, search_text gin_trgm_ops, bol_marks(document_kinds, voided_at));

INSERT INTO bol_counts (customer_id, bols)
    SELECT customer_id, count(*) FROM bols GROUP BY customer_id UNION ALL SELECT NULL, count(*) FROM bols;

INSERT INTO documents (bol_id, customer_id, kind, version, object_key, file_name, sha256, size_bytes, state, stored_at, created_at)
    SELECT id, customer_id, 'bol', 1, 'bols/' || number_year || '/' || number || '.pdf', number || '.pdf', sha256('x'), 40000, 'stored', created_at, created_at
    FROM bols;
INSERT INTO bol_opens (user_id, bol_id, opened_at)
    SELECT m.user_id, b.id, b.created_at FROM memberships m JOIN bols b ON b.customer_id = m.customer_id WHERE b.id % 3 = 0;

SELECT audit_prepare_months('2025-01-01', 24);
INSERT INTO audit_events (occurred_at, action, outcome, user_id, user_email, user_role, customer_id, customer_code, bol_id, bol_number,
                          file_name, ip, user_agent, request_id)
SELECT timestamptz '2026-11-29Z' - (:events - n) * (interval '690 days' / :events),
       (ARRAY['BOL_DOWNLOADED', 'BOL_VIEWED', 'BOL_PREVIEWED', 'BOL_VIEWED'])[1 + n % 4], 'success', u.id, u.email, 'customer',
       b.customer_id, 'C' || b.customer_id, b.id, b.number, b.number || '.pdf', '192.0.2.1', 'Mozilla/5.0', 'r-' || n
FROM generate_series(1, :events) n
JOIN bols b ON b.id = 1 + (n::bigint * 7919) % (:bols - 1)
JOIN users u ON u.email = 'buyer' || b.customer_id || '@example.com';
VACUUM ANALYZE;
