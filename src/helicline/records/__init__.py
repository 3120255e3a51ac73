"""The nouns as frozen records, which all rooms, protocols and pages share. No I/O."""
