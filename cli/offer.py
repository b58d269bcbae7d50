"""What a 402 says that a buyer acts on: read strictly, for it comes from whoever answers at an address."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from ledger.accounts import checksummed
from pipeline.errors import Rejected

Address = Annotated[
    str, Field(pattern=r"^0x[0-9a-fA-F]{40}$"), AfterValidator(lambda address: checksummed(bytes.fromhex(address[2:])))
]


class Chain(BaseModel):
    """Where the contract is."""

    id: int = Field(ge=1, lt=2**63)
    contract: Address


class Price(BaseModel):
    """Digits of the currency's smallest unit; `currency`: a token, or None for the chain's coin."""

    amount: str = Field(pattern=r"^[0-9]{1,78}$")
    currency: Address | None

    @property
    def units(self) -> int:
        """The amount as a number."""
        return int(self.amount)


class Offer(BaseModel):
    """A licence that is for sale."""

    use: str = Field(pattern=r"^[a-z-]{1,30}$")
    asset: str = Field(pattern=r"^0x[0-9a-f]{1,64}$")
    terms_id: str = Field(pattern=r"^[0-9a-f]{64}$")
    price: Price
    chain: Chain
    play_money: str | None = None

    @property
    def work(self) -> int:
        """The work's id as a number."""
        return int(self.asset, 16)


def read_offer(content: bytes) -> Offer:
    """The offer in a 402's body. Raises Rejected for anything else."""
    try:
        return Offer.model_validate_json(content)
    except ValidationError as error:
        field = ".".join(map(str, error.errors()[0]["loc"])) or "the body"
        raise Rejected(f"what the service asks for cannot be read ({field}): nothing was paid") from None
