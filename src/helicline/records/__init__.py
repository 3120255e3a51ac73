"""The nouns as frozen records: what every room, edge and page agrees on. No I/O here."""
