"""Since when? The transparency log, its anchors on a chain, and receipts that a stranger verifies."""
