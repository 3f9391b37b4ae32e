DROP TABLE link_refusals;
