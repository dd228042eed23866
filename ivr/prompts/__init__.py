"""What callers hear: texts per language, the rendered sounds, and finding, checking and making them.

`catalogue.PromptSet` is for call flows, `check` for operators, `recipe/` for whoever changes the words.
"""
