"""Hosted form pages and the answers to submissions."""
