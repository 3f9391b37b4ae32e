ALTER TABLE bols DROP CONSTRAINT bols_net_is_gross_less_tare;
ALTER TABLE bols ADD CONSTRAINT bols_net_is_gross_less_tare CHECK (
    (gross_lb IS NULL AND tare_lb IS NULL) OR (tare_lb > 0 AND net_lb = gross_lb - tare_lb));
