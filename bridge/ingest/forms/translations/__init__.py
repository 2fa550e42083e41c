"""The texts that a person who fills in a form reads, by language."""
