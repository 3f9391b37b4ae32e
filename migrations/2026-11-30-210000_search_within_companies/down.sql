DROP FUNCTION portal_matching, bols_matching;
DROP INDEX bols_search;
CREATE INDEX bols_search ON bols USING gin (search_text gin_trgm_ops);
DROP FUNCTION bol_marks;
DROP EXTENSION btree_gin;
