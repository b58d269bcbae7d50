"""Pauses between two looks at what waits."""

from workers.pauses import FIRST_S, LONGEST_S, Pauses


def test_pauses_double_up_to_the_longest_and_new_names_have_none() -> None:
    now = 0.0
    pauses = Pauses(lambda: now)
    assert pauses.due(["old"]) == ["old"]
    lengths = []
    for _ in range(12):
        pauses.again("old")
        began = now
        while not pauses.due(["old"]):
            now += FIRST_S / 2
        lengths.append(now - began)
    assert all(abs(found - wanted) < FIRST_S for found, wanted in zip(lengths, [0.1, 0.2, 0.4, 0.8, 1.6], strict=False))
    assert all(LONGEST_S <= found < LONGEST_S + FIRST_S for found in lengths[-3:])
    pauses.again("old")
    assert pauses.due(["new", "old"]) == ["new"]


def test_what_waits_no_more_is_forgotten() -> None:
    pauses = Pauses(lambda: 0.0)
    pauses.again("a")
    assert pauses.due(["a"]) == []
    assert pauses.due([]) == []
    assert pauses.due(["a"]) == ["a"], "it was taken up anew"
