"""Sample requests: their events, the secrets that sign them, forgeries and replays."""
