ALTER TABLE audit_events DROP CONSTRAINT audit_events_dated;
DROP INDEX audit_events_sealing;
DROP TABLE audit_checkpoints;
DROP TABLE audit_leaves;
DROP FUNCTION audit_seals_are_append_only;
