"""The status of a bridge at one moment, for the overview and `status`."""
