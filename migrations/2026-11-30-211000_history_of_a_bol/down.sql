DROP INDEX audit_events_bol;
CREATE INDEX audit_events_bol ON audit_events (bol_id, occurred_at DESC) WHERE bol_id IS NOT NULL;
