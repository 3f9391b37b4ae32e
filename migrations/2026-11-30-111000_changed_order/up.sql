-- The order of programs that follow the changes of the list. The first index serves the terminal's own staff, the second
-- each customer; it serves the filter "New only" too.
CREATE INDEX bols_by_changed ON bols (changed_at, id);
DROP INDEX bols_customer_changed;
CREATE INDEX bols_customer_changed ON bols (customer_id, changed_at, id) WHERE customer_id IS NOT NULL;

COMMENT ON TABLE bol_requests IS
    'Forms and requests of the API with a key, so that sending one twice (a double click, a repeated call) changes a BOL once. Committed with the change or not at all.';
COMMENT ON COLUMN bol_requests.digest IS 'SHA-256 of what was asked for: the same key for another request is a mistake of the caller.';
