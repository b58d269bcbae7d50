"""Who says so? The Content Credentials (C2PA) that come with a photo, and those that Capture signs."""
