-- Today's page adds up twelve weeks of loads, without reading a BOL.
CREATE INDEX bols_loads ON bols (bol_date) INCLUDE (net_lb) WHERE voided_at IS NULL;
