-- One index for each question of an auditor, in the order of the pages: newest first.
CREATE INDEX audit_events_action   ON audit_events (action, occurred_at DESC, id DESC);
CREATE INDEX audit_events_user     ON audit_events (lower(user_email), occurred_at DESC, id DESC);
CREATE INDEX audit_events_customer ON audit_events (customer_code, occurred_at DESC, id DESC) WHERE customer_code IS NOT NULL;
CREATE INDEX audit_events_number   ON audit_events (bol_number, occurred_at DESC, id DESC) WHERE bol_number IS NOT NULL;
CREATE INDEX audit_events_trouble  ON audit_events (outcome, occurred_at DESC, id DESC) WHERE outcome <> 'success';

-- A PDF that was sent in a ZIP counts as fetched.
DROP TRIGGER audit_events_opens ON audit_events;
CREATE TRIGGER audit_events_opens AFTER INSERT ON audit_events FOR EACH ROW
    WHEN (NEW.bol_id IS NOT NULL AND NEW.user_id IS NOT NULL AND NEW.outcome = 'success'
          AND NEW.action IN ('BOL_VIEWED', 'BOL_PREVIEWED', 'BOL_DOWNLOADED', 'BOLS_ZIPPED'))
    EXECUTE FUNCTION audit_event_onto_bol_opens();
