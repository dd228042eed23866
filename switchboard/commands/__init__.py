"""Groups of commands, one module each; ``switchboard.cli`` adds them."""
