"""A telephone in a room: its voice goes in as opus, what it hears is the mix of the others. Numbers need numpy."""
