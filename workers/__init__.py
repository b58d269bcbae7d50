"""Door 2: RQ. Jobs of five lines each, the processes that run them, and the sweeper. Never imports capture_api."""
