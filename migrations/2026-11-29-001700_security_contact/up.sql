ALTER TABLE settings ADD COLUMN security_contact text NOT NULL DEFAULT '';
COMMENT ON COLUMN settings.security_contact IS
    'Where to report a weakness (RFC 9116): an email address or an https URL. Empty: company_email.';
