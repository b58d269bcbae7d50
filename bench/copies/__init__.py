"""`make bench-copies`: are copies found whatever was done to them, and is nothing innocent accused?"""
