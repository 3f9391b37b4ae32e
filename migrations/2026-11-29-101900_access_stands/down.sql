DROP FUNCTION assert_access;
