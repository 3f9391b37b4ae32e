-- A CHECK whose result is NULL passes. With only one of the two weights given, nothing was compared.
ALTER TABLE bols DROP CONSTRAINT bols_net_is_gross_less_tare;
ALTER TABLE bols ADD CONSTRAINT bols_net_is_gross_less_tare CHECK (
    num_nulls(gross_lb, tare_lb) = 2
    OR (num_nulls(gross_lb, tare_lb) = 0 AND tare_lb > 0 AND net_lb = gross_lb - tare_lb));
