"""Processes of the tests, forked from one that has imported what they need, which takes half a second for each."""

import multiprocessing

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["pytest", "wiring", "tests.store.test_erasure"])
