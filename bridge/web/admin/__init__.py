"""The admin API: JSON over HTTP for programs and for remote command lines."""
