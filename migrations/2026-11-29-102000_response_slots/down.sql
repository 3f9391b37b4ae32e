DROP TABLE response_slots;
