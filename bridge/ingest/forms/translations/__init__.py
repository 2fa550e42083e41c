"""Texts shown to visitors who fill in a form, by language."""
