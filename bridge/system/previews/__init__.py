"""Image previews of uploaded files, drawn in a confined process."""
