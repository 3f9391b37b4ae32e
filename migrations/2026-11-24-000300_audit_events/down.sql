DROP TABLE bol_opens;
DROP TABLE audit_events;
DROP FUNCTION audit_event_onto_bol_opens();
DROP FUNCTION audit_prepare_months(date, integer);
DROP FUNCTION audit_events_are_append_only();
