"""Spam among a form's submissions: what it is known by, and that each submission counts once. Pure."""

from bridge.forms.spam.gate import Gate, Passed, pass_through
from bridge.forms.spam.judging import CONTROLS, MARKED, TOKEN_FIELD
from bridge.forms.spam.once import Marks, derive

__all__ = ["CONTROLS", "MARKED", "TOKEN_FIELD", "Gate", "Marks", "Passed", "derive", "pass_through"]
