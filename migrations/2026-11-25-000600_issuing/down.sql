DROP TABLE ship_tos, trucks, carriers, lots, products, settings, bol_requests, bol_counters;
DROP INDEX bols_customer_created, bols_trailer, bols_seals;
ALTER TABLE bols
    DROP COLUMN reissue_of, DROP COLUMN weighed_by, DROP COLUMN weighed_at, DROP COLUMN voided_by, DROP COLUMN issued_by,
    DROP COLUMN bill_to, DROP COLUMN company_email, DROP COLUMN company_phone, DROP COLUMN company_address,
    DROP COLUMN company_name;
