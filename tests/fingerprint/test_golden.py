"""The fingerprints of yesterday are those of today, and those of an older processor."""

import json
import os
import subprocess
import sys
from base64 import b64decode, b64encode
from dataclasses import replace

import cv2
import numpy as np
import pytest

from fingerprint.features import POINT, ROOTSIFT
from fingerprint.vectors import VECTORS, difference, expected
from pipeline.canonical import digest_of
from pipeline.record import Fingerprint, SoftBinding, decode, encode
from tests.golden.make_fingerprint import GOLDEN, PHOTOS, as_text, golden


def with_points(fact: Fingerprint, points: bytes) -> Fingerprint:
    kept = (each for each in fact.soft_bindings if each.alg != ROOTSIFT)
    return replace(fact, soft_bindings=(*kept, SoftBinding(ROOTSIFT, b64encode(points).decode())))


def points_of(fact: Fingerprint) -> np.ndarray[tuple[int, ...], np.dtype[np.void]]:
    return np.frombuffer(b64decode(fact.value(ROOTSIFT)), POINT).copy()


def test_fingerprints_are_as_they_were() -> None:
    found, wanted = golden(), json.loads(GOLDEN.read_text())
    assert set(found) == set(wanted) == set(PHOTOS)
    for name, fact in found.items():
        assert difference(*(decode(Fingerprint, each["fingerprint"]) for each in (fact, wanted[name]))) == "", name


def test_the_golden_digests_are_those_of_the_golden_facts() -> None:
    for name, held in json.loads(GOLDEN.read_text()).items():
        fact = decode(Fingerprint, held["fingerprint"])
        assert digest_of(encode(fact)).hex() == held["digest"], name


def test_the_files_are_as_the_script_writes_them() -> None:
    for path in (GOLDEN, VECTORS):
        assert as_text(json.loads(path.read_text())) == path.read_text(), path.name


def test_the_order_of_the_points_does_not_matter() -> None:
    fact = expected()["hills"]
    assert difference(with_points(fact, points_of(fact)[::-1].tobytes()), fact) == ""


@pytest.mark.parametrize(("changed", "is_same"), [(2, True), (3, False)])
def test_two_of_200_points_may_be_others(changed: int, is_same: bool) -> None:
    fact = expected()["hills"]
    points = points_of(fact)
    assert len(points) == 200
    points["code"][:changed] ^= np.uint64(0xFF)
    for pair in ((with_points(fact, points.tobytes()), fact), (fact, with_points(fact, points.tobytes()))):
        assert (difference(*pair) == "") is is_same


@pytest.mark.parametrize(("by", "is_same"), [(100, True), (200, False)])
@pytest.mark.parametrize("axis", ["x", "y"])
def test_how_far_a_point_may_be_off(axis: str, by: int, is_same: bool) -> None:
    fact = expected()["hills"]
    points = points_of(fact)
    points[axis] = np.where(points[axis] > 32768, points[axis] - by, points[axis] + by)
    assert (difference(with_points(fact, points.tobytes()), fact) == "") is is_same


@pytest.mark.parametrize(("flipped", "is_same"), [((1, 1), True), ((3, 1), False)])
def test_how_many_bits_may_be_others(flipped: tuple[int, int], is_same: bool) -> None:
    fact = expected()["hills"]
    points = points_of(fact)
    points["code"] ^= np.array(flipped, np.uint64)
    assert (difference(with_points(fact, points.tobytes()), fact) == "") is is_same


def test_no_points_are_not_some_points() -> None:
    fact = expected()["hills"]
    none = with_points(fact, b"")
    assert difference(none, none) == ""
    assert difference(none, fact) == difference(fact, none) == f"{ROOTSIFT} has 0.0% of the points in common"


@pytest.mark.parametrize("alg", [each.alg for each in expected()["hills"].soft_bindings if each.alg != ROOTSIFT])
def test_all_else_is_exact(alg: str) -> None:
    fact = expected()["hills"]
    value = fact.value(alg)
    other = value[:-1] + ("A" if value[-1] != "A" else "B")
    bindings = tuple(SoftBinding(each.alg, other) if each.alg == alg else each for each in fact.soft_bindings)
    assert difference(replace(fact, soft_bindings=bindings), fact) == f"{alg} is {other}, expected {value}"
    fewer = replace(fact, soft_bindings=tuple(each for each in fact.soft_bindings if each.alg != alg))
    assert difference(fewer, fact) == f"{alg} is None, expected {value}"
    assert difference(fact, fewer) == f"{alg} is {value}, expected None"


def test_an_older_processor_makes_the_same_fingerprints() -> None:
    if "*AVX2" not in cv2.getCPUFeaturesLine().split():
        pytest.skip("this processor has no AVX2 that could be switched off")
    done = _self_test_without(
        OPENCV_CPU_DISABLE="AVX,AVX2,FMA3" + (",AVX512-SKX" if "*AVX512-SKX" in cv2.getCPUFeaturesLine() else ""),
        # NumPy refuses names that this build or this processor does not have.
        NPY_DISABLE_CPU_FEATURES=" ".join(np.show_config(mode="dicts")["SIMD Extensions"]["found"]),
        OPENBLAS_CORETYPE="Nehalem",
    )
    features, *lines = done.stdout.splitlines()
    assert "*AVX2?" in features.split()  # OpenCV's mark for what was switched off
    assert done.returncode == 0, lines
    assert lines and all(line.endswith(": ok") for line in lines)


def _self_test_without(**disabled: str) -> subprocess.CompletedProcess[str]:
    program = "import cv2, fingerprint.__main__ as it; print(cv2.getCPUFeaturesLine()); raise SystemExit(it.main([]))"
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program], env=os.environ | disabled, capture_output=True, text=True
    )
