DROP FUNCTION link_fetch;
DROP INDEX audit_events_links;
DROP TABLE link_fetches;
