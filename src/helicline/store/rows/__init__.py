"""The SQL of each noun as functions of a transaction, one file for each noun."""
