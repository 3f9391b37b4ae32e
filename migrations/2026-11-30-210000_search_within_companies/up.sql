-- One index finds text, kinds of documents and status, each alone or within companies. With a million BOLs it takes a
-- minute to build, in which the table is locked.
CREATE EXTENSION IF NOT EXISTS btree_gin;

CREATE FUNCTION bol_marks(kinds text[], voided timestamptz) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT kinds || CASE WHEN voided IS NOT NULL THEN '{void}'::text[]
                         WHEN NOT kinds @> '{signed-bol}' THEN '{unsigned}'::text[]
                         ELSE '{}'::text[] END
$$;
COMMENT ON FUNCTION bol_marks IS 'The kinds of the documents of a BOL, and void or unsigned: what a list can be filtered by.';

DROP INDEX bols_search;
CREATE INDEX bols_search ON bols USING gin (customer_id, search_text gin_trgm_ops, bol_marks(document_kinds, voided_at));

-- Reads the index, whatever Postgres expects of the words: it takes a word that no BOL has for a common one.
CREATE FUNCTION bols_matching(patterns text[], numbers text[], or_patterns text[], marks text[], companies bigint[], most integer)
RETURNS bigint[] LANGUAGE plpgsql STABLE SET search_path = public, pg_temp SET enable_seqscan = off SET enable_indexscan = off AS $$
DECLARE
    query text := '';
    alternatives text := format('number = ANY (%L::text[])', numbers);
    pattern text;
    ids bigint[];
BEGIN
    IF companies IS NOT NULL THEN
        query := query || format(' AND customer_id = ANY (%L::bigint[])', companies);
    END IF;
    FOREACH pattern IN ARRAY patterns LOOP
        query := query || format(' AND search_text LIKE %L', pattern);
    END LOOP;
    FOREACH pattern IN ARRAY or_patterns LOOP
        alternatives := alternatives || format(' OR search_text LIKE %L', pattern);
    END LOOP;
    IF numbers <> '{}' THEN
        query := query || format(' AND (%s)', alternatives);
    END IF;
    IF marks <> '{}' THEN
        query := query || format(' AND bol_marks(document_kinds, voided_at) @> %L::text[]', marks);
    END IF;
    EXECUTE format('SELECT array_agg(id) FROM (SELECT id FROM bols WHERE true%s LIMIT %s) AS found', query, most) INTO ids;
    RETURN coalesce(ids, '{}');
END $$;
COMMENT ON FUNCTION bols_matching IS 'The ids of up to `most` BOLs that have all patterns and marks, and one of the numbers or of the other patterns.';

CREATE FUNCTION portal_matching(patterns text[], numbers text[], or_patterns text[], marks text[], companies bigint[], most integer)
RETURNS bigint[] LANGUAGE sql STABLE SECURITY DEFINER AS $$
    SELECT public.bols_matching(patterns, numbers, or_patterns, marks,
        ARRAY(SELECT unnest(companies) INTERSECT SELECT unnest(public.portal_customer_ids())), most)
$$;
COMMENT ON FUNCTION portal_matching IS 'The same for a customer: only within the companies of the signed scope, and in none without one.';

REVOKE EXECUTE ON FUNCTION bols_matching, portal_matching FROM PUBLIC;
GRANT EXECUTE ON FUNCTION portal_matching TO portal_customer;
