"""What is counted. prometheus_client in its multi-process mode: every process writes files that /metrics adds up."""

from prometheus_client import Counter, Histogram

REQUESTS = Counter("capture_http_requests_total", "Answers by route and status", ["route", "status"])
REGISTERED = Counter("capture_registered_total", "Captures registered")
UPLOADED_BYTES = Counter("capture_uploaded_bytes_total", "Bytes of new uploads")
REQUEST_SECONDS = Histogram(
    "capture_http_seconds", "Time to the first byte of the answer, by route", ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)  # fmt: skip
