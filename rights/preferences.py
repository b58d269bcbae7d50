"""The uploader's terms in the words that C2PA readers understand (CAWG metadata 1.1 and training-mining 1.1).

Plain mappings, so that the domain that signs needs to know nothing of rights.
"""

from typing import Any

from pipeline.record import AiTraining, Rights
from rights.terms import licence_title, licence_url

_CONTEXT = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
}

# Uses that CAWG names. Capture asks one question about all of them: may machines learn from this photo?
_USES = ("cawg.ai_generative_training", "cawg.ai_inference", "cawg.ai_training", "cawg.data_mining")
_DIALECT: dict[AiTraining, str] = {"allowed": "allowed", "not_allowed": "notAllowed", "ask": "constrained"}


def metadata_assertion(rights: Rights) -> dict[str, Any]:
    """The `cawg.metadata` assertion (JSON-LD of XMP fields). A field that was not stated is not there."""
    stated = {
        "dc:creator": [rights.creator] if rights.creator else None,
        "dc:rights": rights.copyright_notice,
        "photoshop:Credit": rights.credit,
        "xmpRights:UsageTerms": licence_title(rights),
        "xmpRights:WebStatement": licence_url(rights),
    }
    fields = {name: value for name, value in stated.items() if value is not None}
    used = {name.split(":")[0] for name in fields}
    return {"@context": {prefix: _CONTEXT[prefix] for prefix in sorted(used)}, **fields}


def training_mining_assertion(rights: Rights) -> dict[str, Any]:
    """The `cawg.training-mining` assertion: every use that it names is allowed, notAllowed, or constrained.

    "ask" becomes `constrained`, with a sentence that says whom to ask.
    """
    entry = {"use": _DIALECT[rights.ai_training]}
    if rights.ai_training == "ask":
        entry["constraint_info"] = _whom_to_ask(rights)
    return {"entries": {use: dict(entry) for use in _USES}}


def _whom_to_ask(rights: Rights) -> str:
    holder = rights.credit or rights.creator or "the rights holder"
    return f"Ask {holder} for permission first. Terms: {licence_url(rights)}"
