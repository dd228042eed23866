"""The configuration Asterisk runs with, as templates with few variables (``string.Template``)."""
