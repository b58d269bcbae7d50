"""Under which terms? What the uploader states about a photo, and the dialects in which machines are told."""
