"""Webhook senders: a row for each, their signatures, handshakes and samples."""
