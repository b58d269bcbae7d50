"""What was once handed out stays valid: the golden file is what the code makes, and its receipt verifies."""

import json

from ledger import cose
from ledger.verify import verify
from tests.golden.make_ledger import PATH, make


def test_the_golden_file_is_what_the_code_makes() -> None:
    assert json.loads(PATH.read_text()) == make()


def test_the_golden_receipt_verifies() -> None:
    golden = json.loads(PATH.read_text())
    upload = bytes.fromhex(golden["receipt"]["upload"])
    steps = verify(json.dumps(golden["receipt"]["document"]).encode(), upload, golden["checkpoint"]["vkey"])
    assert [result for _, result, _ in steps] == ["passed"] * 7


def test_the_golden_cose_receipt_verifies() -> None:
    golden = json.loads(PATH.read_text())
    statement = [bytes.fromhex(word) for word in golden["receipt"]["document"]["statement"]]
    said = cose.verify(bytes.fromhex(golden["receipt"]["cose"]), statement, golden["checkpoint"]["vkey"])
    assert (said.capture, said.size, said.index) == ("golden", 2, 1)
