"""What the record of a photo lets others do: for nothing, or with a licence that is for sale."""

from pipeline.works import Terms
from rights.offers import PRESETS, from_json
from rights.record import RightsRecord

AI = "ai-training"  # the others are terms' own fields: commercial, derivatives


def gives_away(terms: Terms, use: str) -> bool:
    """Whether terms let anybody use a work so for nothing; not whether the work can be used at all now."""
    return terms.ai_training == "allowed" if use == AI else bool(getattr(terms, use)) and not terms.fee


def is_free(record: RightsRecord, use: str) -> bool:
    """Whether anybody may use the photo so without a licence: by a work's terms, else by what was stated."""
    offer = record.licence_on_chain
    if offer and offer.barred:
        return False
    if offer and offer.counts:
        return gives_away(from_json(offer.terms), use) and not offer.awaits_parents
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
