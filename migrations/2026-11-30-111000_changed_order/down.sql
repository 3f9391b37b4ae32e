DROP INDEX bols_by_changed;
DROP INDEX bols_customer_changed;
CREATE INDEX bols_customer_changed ON bols (customer_id, changed_at) WHERE customer_id IS NOT NULL;
COMMENT ON TABLE bol_requests IS
    'What was asked to be issued, so that asking twice (a double click, a repeated call) issues once. Committed with the BOL or not at all.';
COMMENT ON COLUMN bol_requests.digest IS 'SHA-256 of the load: the same key for another load is a mistake of the caller.';
