-- What a copy of another database into this one has brought so far. There are
-- rows only while it is not whole: no server takes such a database.
CREATE TABLE copy_journal (
	user_id TEXT NOT NULL, -- the owner of rows that are here; '*' for the copy itself
	state   TEXT NOT NULL, -- the SHA-256 of the owner's rows; of the copy, what it is of
	PRIMARY KEY (user_id)
) WITHOUT ROWID;
