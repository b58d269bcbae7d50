"""What flows through Capture, and in what order. Imports the standard library and nothing else."""
