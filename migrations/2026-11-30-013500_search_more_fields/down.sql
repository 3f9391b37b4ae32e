ALTER TABLE bols DROP COLUMN search_text;
ALTER TABLE bols ADD COLUMN search_text text NOT NULL GENERATED ALWAYS AS (lower(
    number || ' ' || customer_po || ' ' || release_number || ' ' || product || ' ' || carrier || ' ' || carrier_scac
    || ' ' || truck_number || ' ' || trailer_number || ' ' || ship_to || ' ' || lot)) STORED;
COMMENT ON COLUMN bols.search_text IS 'What the search box looks in, lower case.';
CREATE INDEX bols_search ON bols USING gin (search_text gin_trgm_ops);
