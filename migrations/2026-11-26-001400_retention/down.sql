DROP INDEX audit_checkpoints_newest;
