"""People are told of what needs them: each need once, those that come together in one message."""
