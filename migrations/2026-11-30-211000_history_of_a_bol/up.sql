-- The page of a BOL reads the newest downloads. The index had all its events, so that a BOL that was viewed thousands of
-- times made the page slow; and every view was written to it, though nothing else reads it.
DROP INDEX audit_events_bol;
CREATE INDEX audit_events_bol ON audit_events (bol_id, occurred_at DESC, id DESC)
    WHERE action IN ('BOL_DOWNLOADED', 'LINK_FETCHED', 'BOLS_ZIPPED', 'BOL_PREVIEWED');
