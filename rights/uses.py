"""What the record of a photo lets others do: for nothing, or with a licence that is for sale."""

from rights.offers import PRESETS
from rights.record import RightsRecord

AI = "ai-training"  # the others are terms' own fields: commercial, derivatives


def is_free(record: RightsRecord, use: str) -> bool:
    """Whether anybody may use the photo so without a licence: by a work's terms, else by what was stated."""
    offer = record.licence_on_chain
    if offer and offer.barred:
        return False
    if offer and offer.counts:
        free = offer.terms["ai_training"] == "allowed" if use == AI else offer.terms[use] and not offer.price
        return bool(free) and not offer.awaits_parents
    if use == AI:
        return record.stated.ai_training == "allowed"
    # A page of the owner's own may say anything: only of licences that have a name here is known what they allow.
    preset = PRESETS.get(record.stated.licence or "")
    return bool(preset and getattr(preset.terms, use))


def is_sold(record: RightsRecord, use: str) -> bool:
    """Whether a licence that can be bought now is for this use."""
    offer = record.licence_on_chain
    if offer is None or not offer.on_sale:
        return False
    return bool(offer.terms["ai_training"] == "paid" if use == AI else offer.terms[use])
