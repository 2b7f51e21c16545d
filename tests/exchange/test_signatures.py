"""Signatures of messages and files: made alike, found broken, and checked by another's tool."""

from __future__ import annotations

import base64
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from importlib.resources import files
from typing import Any

import pytest
import xmlschema
from capvalidator import check_schema, validate_cap_message
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, SignatureMethod
from signxml.signer import XMLSigner

from pipeline.alerts import cap
from pipeline.exchange import signatures
from pipeline.exchange.keys import fingerprint
from pipeline.exchange.signatures import (
    BadSignature,
    sign_detached,
    sign_message,
    strip_signature,
    verify_detached,
    verify_message,
)
from tests.alerts.cap_cases import every_decision, send
from tests.exchange.key_cases import SMALL, keys_of

A, B = keys_of("A"), keys_of("B")
ROTATED = keys_of("B", "A")
EXC, RSA = CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0, SignatureMethod.RSA_SHA256
DECLARATION = b"<?xml version='1.0' encoding='UTF-8'?>\n"


@cache
def messages() -> tuple[bytes, ...]:
    """Messages of every kind of decision, and the parts of each in one language."""
    made = []
    for decision in every_decision():
        message, _ = send(decision)
        assert message is not None
        made += [message.content, *cap.split_languages(message.content).values()]
    return tuple(made)


def changed(content: bytes, position: int, bit: int) -> bytes:
    flipped = bytearray(content)
    flipped[position] ^= 1 << bit
    return bytes(flipped)


def test_every_message_is_valid_for_another_validator() -> None:
    schema = xmlschema.XMLSchema((files("capvalidator") / "static/CAP-v1.2-schema.xsd").read_text())
    assert len(messages()) == 14 * 8
    for content in messages():
        signed = sign_message(content, A)
        result = validate_cap_message(signed, strict=True)
        assert (result.passed, result.message) == (True, "CAP XML file is valid.")
        assert check_schema(signed).passed
    assert schema.is_valid(sign_message(messages()[0], A))
    spoilt = sign_message(SMALL, A).replace(b"rain", b"Rain")
    assert not validate_cap_message(spoilt, strict=True).passed


def test_the_same_bytes_twice_and_the_unsigned_ones_back() -> None:
    for content in messages():
        signed = sign_message(content, A)
        assert signed == sign_message(content, A) != sign_message(content, B)
        assert strip_signature(signed) == content == strip_signature(content)
        assert verify_message(signed, A.certificates) == fingerprint(A.certificate)
        assert signed.startswith(DECLARATION)
        assert len(signed[signed.index(b"<ds:SignatureValue>") :].split()) == 1, "no white space"
        assert etree.fromstring(signed)[-1].tag == f"{{{signatures.DSIG}}}Signature"


def test_white_space_between_elements_may_be_dropped_on_the_way() -> None:
    signed = sign_message(messages()[0], A)
    parser = etree.XMLParser(remove_blank_text=True)
    again = etree.tostring(etree.fromstring(signed, parser))
    assert again != signed
    verify_message(again, A.certificates)
    verify_message(etree.tostring(etree.fromstring(signed), encoding="UTF-16"), A.certificates)
    indented = etree.tostring(etree.fromstring(signed), pretty_print=True)
    with pytest.raises(BadSignature, match="expected the content and signature of"):
        verify_message(indented, A.certificates)


def test_every_flipped_byte_of_a_signed_message_is_found() -> None:
    signed = sign_message(SMALL, A)
    verify_message(signed, A.certificates)
    unseen = []
    for position in range(len(signed)):
        try:
            verify_message(changed(signed, position, position % 8), A.certificates)
        except BadSignature:
            continue
        unseen.append(position)
    assert signed[14:20] == b"'1.0' "
    assert unseen in ([], [17]), "'1.2' for '1.0' in the declaration, which means the same"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<alert>", "expected a CAP message, found no XML"),
        (b"<alert/>", "expected a CAP message, found 'alert'"),
        (SMALL.replace(b"<info>", b"<info>\n"), "expected no white space between the elements"),
        (SMALL.replace(b"</event>", b"</event> "), "expected no white space between the elements"),
        (SMALL.removeprefix(DECLARATION), "expected a message in UTF-8 with a declaration"),
        (SMALL + b"\n", "expected a message in UTF-8 with a declaration and nothing around"),
        (sign_message(SMALL, B), "expected a message without a signature, found one"),
    ],
    ids=range(7),
)
def test_what_cannot_be_signed_is_named(content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sign_message(content, A)


def signed_by(key: Any, certificate: Any, **options: Any) -> bytes:
    """Sign the small message in a way of one's own."""
    given = {"signature_algorithm": RSA, "c14n_algorithm": EXC} | options
    where = {"reference_uri": given.pop("reference_uri", None)}
    alert = etree.fromstring(SMALL)
    if where["reference_uri"]:
        alert[0].set("Id", "part")
    signer = XMLSigner(**given)
    signed = signer.sign(alert, key=key, cert=[certificate], **where)
    return etree.tostring(signed, encoding="UTF-8", xml_declaration=True)


def edit(change: Callable[[etree._Element, etree._Element], etree._Element | None]) -> bytes:
    """Change the small signed message by its alert and its signature."""
    alert = etree.fromstring(sign_message(SMALL, A))
    result = change(alert, alert[-1])
    return etree.tostring(alert if result is None else result)


def put(parent: etree._Element, position: int, child: str) -> None:
    parent.insert(position, etree.fromstring(child))


def wrap(alert: etree._Element, _: etree._Element) -> etree._Element:
    """Put the signed message into a forged one."""
    forged = etree.fromstring(SMALL.replace(b"rain", b"sunshine"))
    forged.append(alert)
    return forged


def comment(alert: etree._Element, _: etree._Element) -> None:
    alert[0].text = "mekong"
    alert[0].append(etree.Comment("cut"))
    alert[0][0].tail = "-1"


OBJECT = f'<Object xmlns="{signatures.DSIG}"><info xmlns="{cap.NAMESPACE}"/></Object>'
ONE = "expected one signature, found"
OTHER_PARTS = "expected a signature of the whole document by RSA-SHA256"
FORGED: dict[str, tuple[bytes, str]] = {
    "unsigned": (SMALL, f"{ONE} none"),
    "no XML": (b"<", "expected a CAP message, found no XML"),
    "another root": (b"<alert/>", "expected a CAP message, found 'alert'"),
    "another signer": (sign_message(SMALL, B), f"found {fingerprint(B.certificate)}"),
    "pinned certificate, another key": (signed_by(B.rsa, A.certificate), "verification failed"),
    "another algorithm": (
        signed_by(A.rsa, A.certificate, signature_algorithm=SignatureMethod.RSA_SHA512),
        OTHER_PARTS,
    ),
    "another C14N": (
        signed_by(A.rsa, A.certificate, c14n_algorithm=CanonicalizationMethod.CANONICAL_XML_1_1),
        OTHER_PARTS,
    ),
    "a part alone": (signed_by(A.rsa, A.certificate, reference_uri="part"), OTHER_PARTS),
    "changed text": (sign_message(SMALL, A).replace(b"rain", b"Rain"), "Digest mismatch"),
    "a second signature": (edit(lambda alert, mark: alert.append(deepcopy(mark))), ONE),
    "an info in the signature": (edit(lambda _, mark: put(mark, 3, OBJECT)), OTHER_PARTS),
    "an info in KeyInfo": (
        edit(lambda _, mark: put(mark[2], 1, f'<info xmlns="{cap.NAMESPACE}"/>')),
        OTHER_PARTS,
    ),
    "signature moved": (edit(lambda alert, mark: alert.insert(0, mark)), "the last child"),
    "wrapped": (edit(wrap), "the last child"),
    "a comment in a text": (edit(comment), "expected a message that is wholly signed"),
    "a comment in the signature": (
        edit(lambda _, mark: mark.append(etree.Comment("x"))),
        OTHER_PARTS,
    ),
    "a style sheet before": (
        sign_message(SMALL, A).replace(b"?>\n", b"?>\n<?xml-stylesheet href='x'?>", 1),
        "expected nothing around alert",
    ),
    "a comment after": (sign_message(SMALL, A) + b"<!-- x -->", "expected nothing around alert"),
    "a document type": (
        sign_message(SMALL, A).replace(b"?>\n", b"?>\n<!DOCTYPE alert>", 1),
        "expected nothing around alert",
    ),
    "an entity": (
        sign_message(SMALL, A)
        .replace(b"?>\n", b"?>\n<!DOCTYPE alert [<!ENTITY e 'rain'>]>", 1)
        .replace(b"rain</event>", b"&e;</event>"),
        "expected nothing around alert",
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_message_is_refused(name: str) -> None:
    content, message = FORGED[name]
    with pytest.raises(BadSignature, match=message):
        verify_message(content, A.certificates)


def test_a_swapped_certificate_is_right_for_those_who_pin_it_alone() -> None:
    swapped = sign_message(SMALL, B)
    assert validate_cap_message(swapped, strict=True).message != "CAP XML file is valid.", (
        "too short for the schema"
    )
    assert verify_message(swapped, B.certificates) == fingerprint(B.certificate)
    with pytest.raises(BadSignature, match=r"expected the certificate .*, found"):
        verify_message(swapped, A.certificates)
    with pytest.raises(BadSignature, match="expected the certificate a pinned one, found"):
        verify_message(swapped, ())


def test_in_a_rotation_the_newest_key_signs_messages_and_every_key_files() -> None:
    signed = sign_message(SMALL, ROTATED)
    assert signed == sign_message(SMALL, B)
    both = ROTATED.certificates
    assert verify_message(signed, both) == fingerprint(B.certificate)
    assert verify_message(sign_message(SMALL, A), both) == fingerprint(A.certificate)
    lines = sign_detached(b"x", ROTATED)
    assert lines == sign_detached(b"x", B) + sign_detached(b"x", A) == sign_detached(b"x", ROTATED)
    for keys in (A, B):
        (public,) = keys.public.ed25519
        assert verify_detached(b"x", lines, [public]) == fingerprint(public)
    (public,) = keys_of("C").public.ed25519
    with pytest.raises(BadSignature, match=r"found 2 that are not, or changed content"):
        verify_detached(b"x", lines, [public])


def test_a_file_of_signatures_may_fit_two_files() -> None:
    public = ROTATED.public.ed25519
    old = sign_detached(b"old", A) + sign_detached(b"older", A)
    kept = signatures.keep_valid_lines(b"old", old, public)
    assert kept == sign_detached(b"old", A)
    lines = sign_detached(b"new", ROTATED) + kept
    for content in (b"new", b"old"):
        verify_detached(content, lines, A.public.ed25519)
    with pytest.raises(BadSignature):
        verify_detached(b"older", lines, A.public.ed25519)
    assert signatures.keep_valid_lines(b"forged", old, public) == b""


def test_every_flipped_bit_of_a_file_of_signatures_is_found() -> None:
    signature, public = sign_detached(b"x", A), A.public.ed25519
    assert base64.b64decode(signature) == A.ed25519[0].sign(b"x")
    for position in range(len(signature)):
        for bit in range(8):
            with pytest.raises(BadSignature):
                verify_detached(b"x", changed(signature, position, bit), public)


@given(content=st.binary(min_size=1, max_size=300), where=st.integers(0), bit=st.integers(0, 7))
def test_any_flipped_bit_of_a_file_is_found(content: bytes, where: int, bit: int) -> None:
    signature, public = sign_detached(content, A), A.public.ed25519
    verify_detached(content, signature, public)
    with pytest.raises(BadSignature):
        verify_detached(changed(content, where % len(content), bit), signature, public)


@pytest.mark.parametrize(
    "signature",
    [b"", b"\n", b"abc\n", sign_detached(b"x", A)[:-1]],
    ids=["empty", "no line", "short line", "no line feed"],
)
def test_a_file_that_has_no_lines_of_signatures_is_named(signature: bytes) -> None:
    with pytest.raises(BadSignature, match="expected lines of 88 characters of base64"):
        verify_detached(b"x", signature, A.public.ed25519)


def test_nothing_but_one_signature_can_be_taken_off() -> None:
    for name in ("a second signature", "wrapped"):
        with pytest.raises(BadSignature, match="expected one signature as a child of alert"):
            strip_signature(FORGED[name][0])
    with pytest.raises(BadSignature, match="found no XML"):
        strip_signature(b"<")
