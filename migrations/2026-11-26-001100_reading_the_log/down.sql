DROP INDEX audit_events_trouble, audit_events_number, audit_events_customer, audit_events_user, audit_events_action;
DROP TRIGGER audit_events_opens ON audit_events;
CREATE TRIGGER audit_events_opens AFTER INSERT ON audit_events FOR EACH ROW
    WHEN (NEW.bol_id IS NOT NULL AND NEW.user_id IS NOT NULL AND NEW.outcome = 'success'
          AND NEW.action IN ('BOL_VIEWED', 'BOL_PREVIEWED', 'BOL_DOWNLOADED'))
    EXECUTE FUNCTION audit_event_onto_bol_opens();
