DROP TABLE session_links;
