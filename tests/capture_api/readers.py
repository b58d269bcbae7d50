"""What somebody else's program reads of a photo's rights, one reader for each language; none knows of our code.

Each reader gives what its language carries, by the same names: `licence` (a URL), `ai` (allowed, ask, not_allowed; or
`reserved` in languages that cannot tell the last two apart), `creator`, `credit`, `notice`, `token`, `price`.
"""

import io
import json
import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import c2pa
from PIL import Image

from tests.service import Answer

Said = dict[str, Any]
RSL = "{https://rslstandard.org/rsl}"
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
WORDS = {"Yes": "allowed", "Only": "ask", "No": "not_allowed"}
CAWG = {"allowed": "allowed", "constrained": "ask", "notAllowed": "not_allowed"}
PLUS = {"ALLOWED": "allowed", "PROHIBITED-SEECONSTRAINT": "ask", "PROHIBITED-EXCEPTSEARCHENGINEINDEXING": "not_allowed"}
XMP = {
    "{http://purl.org/dc/elements/1.1/}creator": "creator",
    "{http://purl.org/dc/elements/1.1/}rights": "notice",
    "{http://ns.adobe.com/photoshop/1.0/}Credit": "credit",
    "{http://ns.adobe.com/xap/1.0/rights/}WebStatement": "licence",
    "{http://ns.useplus.org/ldf/xmp/1.0/}DataMining": "ai",
}


def of_json(answer: Answer) -> Said:
    record = answer.json["record"]
    offer = record.get("licence_on_chain") or {}
    said = {"licence": record["licence_url"], "ai": record["ai_training"], "creator": record.get("creator"),
            "credit": record.get("credit"), "notice": record.get("copyright_notice")}  # fmt: skip
    return said | {"token": offer.get("token"), "price": offer["price"] if offer.get("on_sale") else None}


def of_json_ld(answer: Answer) -> Said:
    picture = answer.json
    ids = {each["propertyID"]: each["value"] for each in picture["identifier"]}
    return {
        "licence": picture["license"],
        "ai": picture["usageInfo"]["name"].removeprefix("AI training: "),
        "creator": picture["creator"]["name"],
        "credit": picture["creditText"],
        "notice": picture["copyrightNotice"],
        "token": ids.get("CAIP-19"),
    }


class Page(HTMLParser):
    """Metadata, links and scripts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.meta, self.licences, self.script, self._within = dict[str, str](), list[str](), "", False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self._within = tag == "script" and found.get("type") == "application/ld+json"
        if tag == "meta":
            self.meta[found.get("property") or found.get("name", "")] = found.get("content", "")
        if tag == "a" and "license" in found.get("rel", "").split():
            self.licences.append(found["href"])

    def handle_data(self, data: str) -> None:
        if self._within:
            self.script += data


def of_page(answer: Answer) -> Said:
    """The JSON-LD within the page; of the page itself `…` says whether it contradicts that."""
    page = Page(answer.body.decode())
    said = of_json_ld(Answer(200, {}, page.script.encode()))
    words = page.meta["og:description"].rpartition("AI training: ")[2].split()[0].strip(",.")
    assert WORDS[words] == said["ai"]
    assert said["credit"] in page.meta["og:title"]
    assert page.licences[0] == said["licence"], "what a person can click"
    return said | {"tdm": page.meta["tdm-reservation"]}


def of_rsl(answer: Answer) -> Said:
    (content,) = ElementTree.fromstring(answer.body).findall(f"{RSL}content")
    said = {"licence": content.findtext(f"{RSL}terms"), "credit": content.findtext(f"{RSL}copyright")}
    for licence in content.findall(f"{RSL}license"):
        payment = licence.find(f"{RSL}payment")
        kind = None if payment is None else payment.get("type")
        if "ai-all" in (licence.findtext(f"{RSL}prohibits") or "").split():
            return said | {"ai": "not_allowed"}
        if "ai-all" in (licence.findtext(f"{RSL}permits") or "").split():
            where = licence.findtext(f"{RSL}payment/{RSL}custom")
            return said | {"ai": "ask" if kind == "purchase" else "allowed", "asked_at": where}
    raise AssertionError("it says nothing of AI")


def of_manifest(answer: Answer) -> Said:
    """What the file says for ever: what was stated when it was signed."""
    with c2pa.Reader("application/c2pa", io.BytesIO(answer.body)) as reader:
        report = json.loads(reader.json())
    active = report["manifests"][report["active_manifest"]]
    found = {each["label"]: each["data"] for each in active["assertions"]}
    fields, uses = found["cawg.metadata"], found["cawg.training-mining"]["entries"]
    assert set(uses) == {"cawg.ai_generative_training", "cawg.ai_inference", "cawg.ai_training", "cawg.data_mining"}
    (use,) = {each["use"] for each in uses.values()}
    return {"licence": fields["xmpRights:WebStatement"], "ai": CAWG[use], "creator": fields["dc:creator"][0],
            "credit": fields["photoshop:Credit"], "notice": fields["dc:rights"]}  # fmt: skip


def of_xmp(answer: Answer) -> Said:
    """Of a small picture."""
    packet = Image.open(io.BytesIO(answer.body)).info["xmp"]
    said: Said = {}
    for element in ElementTree.fromstring(packet).iter():
        if name := XMP.get(element.tag):
            said[name] = "".join(element.itertext())
    return said | {"ai": PLUS[said["ai"].rpartition("/DMI-")[2]]}


def of_headers(answer: Answer) -> Said:
    """Of any answer about a photo."""
    usage = dict(re.findall(r"([a-z-]+)=([yn])", answer.headers["Content-Usage"]))
    assert usage["train-ai"] == usage["ai-use"] and usage["search"] == "y"
    reserved = answer.headers["tdm-reservation"] == "1"
    assert reserved == (usage["train-ai"] == "n") == ("tdm-policy" in answer.headers)
    links = re.findall(r'<([^>]*)>; rel="([a-z0-9-]+)"(; type="[^"]+")?', answer.headers["Link"])
    (licence,) = [url for url, rel, kind in links if rel == "license" and not kind]
    return {"licence": licence, "ai": "reserved" if reserved else "allowed",
            "on_sale": any(rel == "payment" for _, rel, _ in links)}  # fmt: skip


def of_oembed(answer: Answer) -> Said:
    card = answer.json
    return {"licence": card["license_url"], "ai": card["ai_training"], "creator": card["author_name"],
            "credit": card["credit"], "notice": card["copyright_notice"]}  # fmt: skip


def of_row(row: dict[str, Any]) -> Said:
    """Of a line of the catalogue."""
    said = {"licence": row["licence_url"], "ai": row["ai_training"], "creator": row["creator"], "credit": row["credit"],
            "notice": row["copyright_notice"], "token": row["token"]}  # fmt: skip
    return said | {"price": int(row["price"]["amount"]) if row["price"] else None}


def of_402(answer: Answer) -> Said:
    offer = answer.json
    token = f"eip155:{offer['chain']['id']}/erc721:{offer['chain']['contract']}/{int(offer['asset'], 16)}"
    return of_headers(answer) | {"token": token, "price": int(offer["price"]["amount"])}


def of_robots(answer: Answer, path: str) -> Said:
    """What robots.txt says of a path: the longest rule that fits counts (draft-ietf-aipref-attach)."""
    rules = re.findall(r"^Content-Usage: (?:(/\S*) )?(.*)$", answer.body.decode(), re.MULTILINE)
    fitting = [(len(under), usage) for under, usage in rules if path.startswith(under or "/")]
    return dict(re.findall(r"([a-z-]+)=([yn])", max(fitting)[1]))
