DROP INDEX audit_events_trouble, audit_events_number, audit_events_customer, audit_events_user, audit_events_action;
