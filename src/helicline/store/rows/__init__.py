"""One file a noun: the SQL of that noun as functions of a transaction."""
