"""Image previews of uploaded files, rendered in a sandboxed process."""
