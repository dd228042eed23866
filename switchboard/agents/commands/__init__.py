"""What a desk may ask for: ``group`` says what a command is, ``table`` lists the groups (docs/protocol.md)."""
