"""Write tests/golden/rights.json: terms documents, their canonical bytes and their digests.

    python -m tests.golden.make_rights

What is there is never changed: terms ids stand in leaves that are on a chain.
"""

import json
from pathlib import Path
from typing import Any

from pipeline.record import Rights, encode
from rights.preferences import metadata_assertion, training_mining_assertion
from rights.terms import PRESETS, licence_url, terms_bytes, terms_id

FILE = Path(__file__).with_name("rights.json")

CASES: dict[str, Rights] = {
    "nothing stated": Rights(),
    "everything stated": Rights("Ada Lovelace", "Ada / Agency", "© 2026 Ada Lovelace", "cc-by-4.0", "ask"),
    "beyond the basic plane": Rights(creator="Zoë 𝔄𝔡𝔞 李", copyright_notice='"quoted" \\ and / slashed'),
    "a licence of one's own": Rights(licence="https://example.org/terms?v=1#use", ai_training="allowed"),
}


def vectors() -> dict[str, Any]:
    """Everything in the file, from today's code."""
    return {
        "presets": {name: preset.url for name, preset in PRESETS.items()},
        "terms": [
            {
                "name": name,
                "rights": encode(rights),
                "canonical": terms_bytes(rights).decode(),
                "terms_id": terms_id(rights).hex(),
                "licence_url": licence_url(rights),
                "cawg.metadata": metadata_assertion(rights),
                "cawg.training-mining": training_mining_assertion(rights),
            }
            for name, rights in CASES.items()
        ],
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(vectors(), indent=1, ensure_ascii=False, sort_keys=True) + "\n")
