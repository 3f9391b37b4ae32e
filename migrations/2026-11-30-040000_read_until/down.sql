DROP INDEX bols_customer_changed;
ALTER TABLE users DROP COLUMN read_until;
