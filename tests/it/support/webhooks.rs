//! Webhooks in the database, for tests about the pages.

use super::App;

impl App {
    /// Adds webhook 1 about ACME's BOLs, which fails, and webhook 2 about all, which is off. Deliveries 1 to 4 are one of each
    /// state. Nothing is sent: their address is refused.
    pub async fn insert_webhooks(&self) {
        self.sql(
            "INSERT INTO webhooks (customer_id, made_by, form_key, url, events, key_salt, public_key, created_at, key_made_at, key_made_by, failures, paused_until, \
                                   stopped_at, stopped_for) \
             SELECT c.id, u.id, k, 'https://127.0.0.1:9/hooks/sesame-of-a-receiver-with-a-long-path?k=' || k, \
                    '{bol.issued,bol.assigned,bol.voided,bol.weighed,document.added,document.fetched}', sha256('salt'), sha256('key'), now(), now(), u.id, \
                    CASE k WHEN '1' THEN 3 ELSE 20 END, now() + interval '1 year', CASE k WHEN '2' THEN now() END, CASE k WHEN '2' THEN 'failures' ELSE '' END \
             FROM users u, (VALUES ('1', 'ACME'), ('2', NULL)) AS w (k, code) LEFT JOIN customers c ON c.code = w.code \
             WHERE u.email = 'admin@terminal.example' ORDER BY k; \
             INSERT INTO webhook_deliveries (webhook_id, message_id, event, bol_id, bol_number, body, created_at, due_at, give_up_at, attempts, \
                                             state, ended_at) \
             SELECT w, 'evt_' || n, 'bol.issued', 1, 'PRT-2025-0001', '{\"type\":\"bol.issued\",\"data\":{\"sesame\":true}}', now(), \
                    now() + interval '1 hour', now() + interval '3 days', 2, s, CASE s WHEN 'waiting' THEN NULL ELSE now() END \
             FROM (VALUES (1, 'delivered'), (2, 'failed'), (3, 'waiting'), (4, 'withheld')) AS d (n, s), generate_series(1, 2) AS w ORDER BY w, n; \
             INSERT INTO webhook_attempts (delivery_id, at, milliseconds, url, signature, status, answer, error) \
             SELECT d.id, now(), 31, 'https://127.0.0.1:9/hooks', 'v1,' || repeat('sesame', 7) || '= v1a,' || repeat('sesame', 14) || '==', s, a, e \
             FROM webhook_deliveries d, (VALUES (200, 'noted', ''), (503, '<html>sesame</html>', ''), (NULL, '', 'The receiver took longer.')) AS t (s, a, e)",
        )
        .await;
    }
}
