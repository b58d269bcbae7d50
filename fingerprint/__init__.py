"""Does it look like that? Decoding, fingerprints, the index over them, and the verdict."""
