CREATE TABLE audit_leaves (
    position bigint PRIMARY KEY,
    event_id bigint NOT NULL CONSTRAINT audit_leaves_once UNIQUE,
    hash     bytea  NOT NULL CONSTRAINT audit_leaves_hash CHECK (octet_length(hash) = 32)
);
COMMENT ON TABLE audit_leaves IS 'The leaves of the tree over audit_events, from the left: SHA-256 of 0x00 and the canonical bytes of the event (RFC 6962). No foreign key: a leaf outlives its event.';

CREATE TABLE audit_checkpoints (
    size         bigint  PRIMARY KEY CONSTRAINT audit_checkpoints_some CHECK (size > 0),
    note         text    NOT NULL,
    edge         bytea   NOT NULL,
    publish_at   timestamptz,
    is_published boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE audit_checkpoints IS 'The end of each batch of sealed events: how many leaves the tree had, and its root, signed.';
COMMENT ON COLUMN audit_checkpoints.note IS 'A C2SP tlog-checkpoint in a signed note (Ed25519).';
COMMENT ON COLUMN audit_checkpoints.edge IS 'Hashes of the largest complete subtrees of the tree, from the left: what appending to it needs.';
COMMENT ON COLUMN audit_checkpoints.publish_at IS 'Since when it is to be in the storage too; most checkpoints never are.';
CREATE INDEX audit_checkpoints_chosen    ON audit_checkpoints (publish_at) WHERE publish_at IS NOT NULL;
CREATE INDEX audit_checkpoints_waiting   ON audit_checkpoints (size) WHERE publish_at IS NOT NULL AND NOT is_published;
CREATE INDEX audit_checkpoints_published ON audit_checkpoints (size) WHERE is_published;

-- The order in which events are sealed: by the transaction that wrote them.
CREATE INDEX audit_events_sealing ON audit_events (xact_id, id);

-- Dates outside of the calendar could not be read back, and would block the sealing of every later event.
ALTER TABLE audit_events ADD CONSTRAINT audit_events_dated CHECK (occurred_at >= '2000-01-01Z' AND occurred_at < '10000-01-01Z');

CREATE FUNCTION audit_seals_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_leaves_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_leaves
    FOR EACH STATEMENT EXECUTE FUNCTION audit_seals_are_append_only();
CREATE TRIGGER audit_checkpoints_no_change BEFORE UPDATE OF size, note, edge OR DELETE OR TRUNCATE ON audit_checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION audit_seals_are_append_only();
REVOKE UPDATE, DELETE, TRUNCATE ON audit_leaves, audit_checkpoints FROM PUBLIC;
DO $$ BEGIN
    EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON audit_leaves, audit_checkpoints FROM %I', current_user);
    EXECUTE format('GRANT UPDATE (publish_at, is_published) ON audit_checkpoints TO %I', current_user);
END $$;
