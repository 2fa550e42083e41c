"""The rows of the known providers, by field of business."""
