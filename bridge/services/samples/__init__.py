"""Sample requests: the events they make, the secrets that sign them, forgeries and replays."""
