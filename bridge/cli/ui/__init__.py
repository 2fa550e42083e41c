"""Everything the command line prints."""
