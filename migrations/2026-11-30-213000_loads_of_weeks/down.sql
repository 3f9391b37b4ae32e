DROP INDEX bols_loads;
