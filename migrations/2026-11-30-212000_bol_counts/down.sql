DROP TRIGGER bols_counted_insert ON bols;
DROP TRIGGER bols_counted_update ON bols;
DROP TRIGGER bols_counted_delete ON bols;
DROP FUNCTION bols_counted;
DROP TABLE bol_counts;
