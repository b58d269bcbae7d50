"""What anchoring may cost a day: when it runs short, appends come less often and carry more, and none fails."""

DAY_S = 86_400
GAS_OF_AN_APPEND = 130_000  # the longest proof takes 99,372 (contracts/gas.json), and a quarter more is asked for


def pause_s(daily_gas: int, used: int) -> float:
    """Seconds from one append to the next, when `used` gas of `daily_gas` went in the last 24 hours.

    The first half of the budget goes as photos come, the second is spread evenly over a day, so that a rush never ends
    in hours of silence. Infinite when there is not enough for one more.
    """
    if used + GAS_OF_AN_APPEND <= daily_gas / 2:
        return 0
    if used + GAS_OF_AN_APPEND > daily_gas:
        return float("inf")
    return DAY_S * 2 * GAS_OF_AN_APPEND / daily_gas
