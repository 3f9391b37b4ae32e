-- The number of BOLs of each company and of all, so that no page of a list counts them. Every change adds rows, and the
-- server adds them up later: a row that every change updates would make clerks wait for each other.
CREATE TABLE bol_counts (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint REFERENCES customers,
    bols        integer NOT NULL
);
COMMENT ON TABLE bol_counts IS 'The sum for a company is the number of its BOLs. NULL: of all BOLs, assigned or not.';
CREATE INDEX bol_counts_customer ON bol_counts (customer_id) INCLUDE (bols);

CREATE FUNCTION bols_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO bol_counts (customer_id, bols)
            SELECT customer_id, count(*) FROM added WHERE customer_id IS NOT NULL GROUP BY customer_id
            UNION ALL SELECT NULL, count(*) FROM added HAVING count(*) > 0;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO bol_counts (customer_id, bols)
            SELECT * FROM (VALUES (OLD.customer_id, -1), (NEW.customer_id, 1)) AS moved (customer_id, bols)
            WHERE customer_id IS NOT NULL;
    ELSE
        INSERT INTO bol_counts (customer_id, bols) VALUES (NULL, -1);
        IF OLD.customer_id IS NOT NULL THEN
            INSERT INTO bol_counts (customer_id, bols) VALUES (OLD.customer_id, -1);
        END IF;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER bols_counted_insert AFTER INSERT ON bols REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION bols_counted();
CREATE TRIGGER bols_counted_update AFTER UPDATE OF customer_id ON bols
    FOR EACH ROW WHEN (OLD.customer_id IS DISTINCT FROM NEW.customer_id) EXECUTE FUNCTION bols_counted();
CREATE TRIGGER bols_counted_delete AFTER DELETE ON bols FOR EACH ROW EXECUTE FUNCTION bols_counted();

INSERT INTO bol_counts (customer_id, bols)
    SELECT customer_id, count(*) FROM bols WHERE customer_id IS NOT NULL GROUP BY customer_id
    UNION ALL SELECT NULL, count(*) FROM bols HAVING count(*) > 0;

ALTER TABLE bol_counts ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_counts ON bol_counts FOR SELECT TO portal_customer
    USING (coalesce(customer_id = ANY ((SELECT portal_customer_ids())::bigint[]), false));
CREATE POLICY server_all ON bol_counts FOR ALL TO portal_server USING (true) WITH CHECK (true);
GRANT SELECT ON bol_counts TO portal_customer;
