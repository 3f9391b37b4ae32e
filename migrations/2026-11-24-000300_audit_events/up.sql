CREATE SEQUENCE audit_events_id_seq AS bigint;

CREATE TABLE audit_events (
    id            bigint NOT NULL DEFAULT nextval('audit_events_id_seq'),
    occurred_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    xact_id       xid8 NOT NULL DEFAULT pg_current_xact_id(),
    action        text NOT NULL CONSTRAINT audit_events_action_format CHECK (action ~ '^[A-Z]+(_[A-Z]+)*$'),
    outcome       text NOT NULL CONSTRAINT audit_events_outcome_known CHECK (outcome IN ('success', 'denied', 'failed')),
    user_id       bigint,
    user_email    text,
    user_role     text,
    customer_id   bigint,
    customer_code text,
    bol_id        bigint,
    bol_number    text,
    document_id   bigint,
    document_kind text,
    file_name     text,
    object_key    text,
    sha256        bytea,
    ip            inet,
    user_agent    text,
    request_id    text,
    detail        jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (id, occurred_at)
) PARTITION BY RANGE (occurred_at);
ALTER SEQUENCE audit_events_id_seq OWNED BY audit_events.id;
COMMENT ON TABLE audit_events IS 'Append-only: INSERT alone is granted, and a trigger refuses everything else. No foreign keys: an event outlives what it speaks of, and keeps the names of its time.';
COMMENT ON COLUMN audit_events.xact_id IS 'The writing transaction, so that sealing can take only what no open transaction may still precede.';
COMMENT ON COLUMN audit_events.bol_number IS 'As asked for when access was denied, which need not exist.';

CREATE INDEX audit_events_bol  ON audit_events (bol_id, occurred_at DESC) WHERE bol_id IS NOT NULL;
CREATE INDEX audit_events_time ON audit_events (occurred_at DESC, id DESC);

CREATE FUNCTION audit_events_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_events is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_events_no_change BEFORE UPDATE OR DELETE ON audit_events
    FOR EACH ROW EXECUTE FUNCTION audit_events_are_append_only();
CREATE TRIGGER audit_events_no_truncate BEFORE TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION audit_events_are_append_only();
REVOKE UPDATE, DELETE, TRUNCATE ON audit_events FROM PUBLIC;
DO $$ BEGIN EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON audit_events FROM %I', current_user); END $$;

-- Stores events of a month without a partition of its own, so that no event is ever rejected.
CREATE TABLE audit_events_other PARTITION OF audit_events DEFAULT;
CREATE TRIGGER audit_events_no_truncate BEFORE TRUNCATE ON audit_events_other
    FOR EACH STATEMENT EXECUTE FUNCTION audit_events_are_append_only();

CREATE FUNCTION audit_prepare_months(first_month date, months integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    month date;
    partition text;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('audit_prepare_months'));
    FOR i IN 0 .. months - 1 LOOP
        month := (date_trunc('month', first_month) + make_interval(months => i))::date;
        partition := 'audit_events_' || to_char(month, 'YYYY_MM');
        IF to_regclass(partition) IS NULL AND NOT EXISTS (
            SELECT 1 FROM audit_events_other
            WHERE occurred_at >= month::timestamp AT TIME ZONE 'UTC'
              AND occurred_at < (month + interval '1 month') AT TIME ZONE 'UTC')
        THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF audit_events FOR VALUES FROM (%L) TO (%L)', partition,
                month::timestamp AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
            EXECUTE format('CREATE TRIGGER audit_events_no_truncate BEFORE TRUNCATE ON %I
                FOR EACH STATEMENT EXECUTE FUNCTION audit_events_are_append_only()', partition);
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END $$;
COMMENT ON FUNCTION audit_prepare_months IS 'Makes the monthly partitions that are missing; called by migrate and by serve.';
SELECT audit_prepare_months(current_date, 3);

CREATE TABLE bol_opens (
    user_id     bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    bol_id      bigint NOT NULL REFERENCES bols,
    opened_at   timestamptz NOT NULL,
    PRIMARY KEY (user_id, bol_id)
);
COMMENT ON TABLE bol_opens IS 'When a user last opened a BOL, for the "new" mark: a projection of audit_events that its trigger keeps.';

CREATE FUNCTION audit_event_onto_bol_opens() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    -- Most opens are repeats: one probe, no write.
    IF NOT EXISTS (SELECT 1 FROM bol_opens o JOIN bols b ON b.id = o.bol_id
                   WHERE o.user_id = NEW.user_id AND o.bol_id = NEW.bol_id AND o.opened_at >= b.changed_at) THEN
        INSERT INTO bol_opens (user_id, bol_id, opened_at) VALUES (NEW.user_id, NEW.bol_id, NEW.occurred_at)
        ON CONFLICT (user_id, bol_id) DO UPDATE SET opened_at = excluded.opened_at;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER audit_events_opens AFTER INSERT ON audit_events FOR EACH ROW
    WHEN (NEW.bol_id IS NOT NULL AND NEW.user_id IS NOT NULL AND NEW.outcome = 'success'
          AND NEW.action IN ('BOL_VIEWED', 'BOL_PREVIEWED', 'BOL_DOWNLOADED'))
    EXECUTE FUNCTION audit_event_onto_bol_opens();
