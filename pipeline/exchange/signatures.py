"""Signatures: XML-DSig inside CAP messages, Ed25519 in files beside others.

A message is signed without white space between its elements: receivers that drop such white space
before they verify would call it tampered with.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from signxml.algorithms import (
    CanonicalizationMethod,
    DigestAlgorithm,
    SignatureConstructionMethod,
    SignatureMethod,
)
from signxml.exceptions import SignXMLException
from signxml.signer import XMLSigner
from signxml.verifier import SignatureConfiguration, XMLVerifier

from pipeline.alerts.cap import NAMESPACE
from pipeline.exchange.keys import SigningKeys, fingerprint

DSIG = "http://www.w3.org/2000/09/xmldsig#"
C14N = CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0
METHOD, DIGEST = SignatureMethod.RSA_SHA256, DigestAlgorithm.SHA256
ENVELOPED = SignatureConstructionMethod.enveloped
PARTS: tuple[tuple[str, dict[str, str]], ...] = (
    ("Signature", {}),
    ("SignedInfo", {}),
    ("CanonicalizationMethod", {"Algorithm": C14N.value}),
    ("SignatureMethod", {"Algorithm": METHOD.value}),
    ("Reference", {"URI": ""}),
    ("Transforms", {}),
    ("Transform", {"Algorithm": ENVELOPED.value}),
    ("Transform", {"Algorithm": C14N.value}),
    ("DigestMethod", {"Algorithm": DIGEST.value}),
    ("DigestValue", {}),
    ("SignatureValue", {}),
    ("KeyInfo", {}),
    ("X509Data", {}),
    ("X509Certificate", {}),
)
"""Elements of a signature in their order, with their attributes. A verifier takes no other: what
else a signature may hold by its schema is not signed and could carry an ``info``."""
CONFIGURATION = SignatureConfiguration(
    location="./",
    expect_references=1,
    signature_methods=frozenset({METHOD}),
    digest_algorithms=frozenset({DIGEST}),
)
_LINE = re.compile(rb"[A-Za-z0-9+/]{86}==\n")
"""A line of a file of signatures: 64 bytes in base64."""


class BadSignature(Exception):  # noqa: N818
    """Something is not signed as it should be; the message says what was expected and found."""


def sign_message(content: bytes, keys: SigningKeys) -> bytes:
    """Sign a CAP message; the signature becomes the last child of ``alert``.

    The same message and keys give the same bytes.

    Parameters
    ----------
    content
        Message as this project writes it: in UTF-8 with a declaration, on one line.
    keys
        Keys of the signer, of which the newest RSA key signs.

    Raises
    ------
    ValueError
        No CAP message, one that is signed, has white space between its elements, or is written in
        another way than this project does, so that the signed bytes could not be had back.
    """
    try:
        alert = etree.fromstring(content, _parser())
    except etree.XMLSyntaxError as error:
        raise ValueError(f"expected a CAP message, found no XML: {error}") from None
    if alert.tag != f"{{{NAMESPACE}}}alert":
        raise ValueError(f"expected a CAP message, found {alert.tag!r}")
    if alert.find(f".//{{{DSIG}}}Signature") is not None:
        raise ValueError("expected a message without a signature, found one")
    if any(_is_blank(element) for element in alert.iter()):
        raise ValueError("expected no white space between the elements of a message, found some")
    if _serialise(alert) != content:
        raise ValueError(
            "expected a message in UTF-8 with a declaration and nothing around alert, found "
            "another form"
        )
    signer = XMLSigner(ENVELOPED, METHOD, DIGEST, C14N)
    signed = signer.sign(alert, key=keys.rsa, cert=[keys.certificate])
    for element in signed.iter(f"{{{DSIG}}}X509Certificate"):
        element.text = "".join((element.text or "").split())
    return _serialise(signed)


def strip_signature(content: bytes) -> bytes:
    """Return the bytes of a message before it was signed; one without a signature as it is.

    Nothing is verified.

    Raises
    ------
    BadSignature
        No XML, or more than one signature.
    """
    alert = _parse(content)
    signatures = list(alert.iter(f"{{{DSIG}}}Signature"))
    if not signatures:
        return content
    if len(signatures) > 1 or signatures[0].getparent() is not alert:
        raise BadSignature(
            f"expected one signature as a child of alert, found {len(signatures)} in the message"
        )
    alert.remove(signatures[0])
    return _serialise(alert)


def verify_message(content: bytes, certificates: Sequence[x509.Certificate]) -> str:
    """Verify that a CAP message is wholly signed by a key that the receiver has pinned.

    Parameters
    ----------
    content
        Message, also one that was parsed and written again without white space between elements.
    certificates
        Pinned certificates. That in the message only says which of them to use.

    Returns
    -------
    str
        Fingerprint of the certificate.

    Raises
    ------
    BadSignature
        No signature or more than one, changed content, a certificate that is not pinned or not
        valid now, anything in the document that is not signed, or another kind of signature.
    """
    alert = _parse(content)
    signature = _only_signature(alert)
    certificate = _pinned_certificate(signature, certificates)
    try:
        result = XMLVerifier().verify(alert, x509_cert=certificate, expect_config=CONFIGURATION)
    except (SignXMLException, InvalidSignature, ValueError, etree.LxmlError) as error:
        raise BadSignature(
            f"expected the content and signature of {fingerprint(certificate)}, found another: "
            f"{error}"
        ) from None
    alert.remove(signature)
    whole = etree.tostring(alert, method="c14n", exclusive=True, with_comments=True)
    if isinstance(result, list) or result.signed_data != whole:
        raise BadSignature("expected a message that is wholly signed, found parts that are not")
    return fingerprint(certificate)


def sign_detached(content: bytes, keys: SigningKeys) -> bytes:
    """Sign a file with every Ed25519 key: a file of signatures, one line of base64 per key."""
    return b"".join(base64.b64encode(key.sign(content)) + b"\n" for key in keys.ed25519)


def keep_valid_lines(
    content: bytes, signature: bytes, public_keys: Sequence[Ed25519PublicKey]
) -> bytes:
    """Keep the lines of a file of signatures by which any of the keys signed the content.

    ``latest.json`` and its signatures cannot be replaced together: new signatures that are followed
    by these lines fit both the new file and the one that it replaces.

    Raises
    ------
    BadSignature
        The file of signatures has another form.
    """
    return b"".join(line for line, _ in _valid_lines(content, signature, public_keys))


def verify_detached(
    content: bytes, signature: bytes, public_keys: Sequence[Ed25519PublicKey]
) -> str:
    """Verify that any line of a file of signatures is by any pinned key.

    Parameters
    ----------
    content
        Signed file.
    signature
        File of signatures.
    public_keys
        Pinned keys.

    Returns
    -------
    str
        Fingerprint of the key.

    Raises
    ------
    BadSignature
        The file of signatures has another form, or no line of it fits.
    """
    for _, key in _valid_lines(content, signature, public_keys):
        return fingerprint(key)
    raise BadSignature(
        f"expected a signature by {' or '.join(map(fingerprint, public_keys)) or 'a pinned key'}, "
        f"found {len(signature.splitlines())} that are not, or changed content"
    )


def _valid_lines(
    content: bytes, signature: bytes, public_keys: Sequence[Ed25519PublicKey]
) -> Iterator[tuple[bytes, Ed25519PublicKey]]:
    lines = _LINE.findall(signature)
    if not lines or b"".join(lines) != signature:
        raise BadSignature("expected lines of 88 characters of base64, found another form")
    for line in lines:
        raw = base64.b64decode(line)
        if base64.b64encode(raw) + b"\n" != line:  # the last character has bits that mean nothing
            raise BadSignature("expected base64 in its one form, found another")
        for key in public_keys:
            try:
                key.verify(raw, content)
            except InvalidSignature:
                continue
            yield line, key
            break


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True)


def _parse(content: bytes) -> etree._Element:
    try:
        return etree.fromstring(content, _parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise BadSignature(f"expected a CAP message, found no XML: {error}") from None


def _serialise(alert: etree._Element) -> bytes:
    return etree.tostring(alert, encoding="UTF-8", xml_declaration=True)


def _is_blank(element: etree._Element) -> bool:
    """Whether white space alone stands before its first child or after it."""
    texts = [element.tail, element.text if len(element) else None]
    return any(text is not None and not text.strip() for text in texts)


def _only_signature(alert: etree._Element) -> etree._Element:
    """Signature of a message that has nothing but ``alert`` and its one signature at the end."""
    if alert.tag != f"{{{NAMESPACE}}}alert":
        raise BadSignature(f"expected a CAP message, found {alert.tag!r}")
    around = alert.getprevious() is not None or alert.getnext() is not None
    if around or alert.getroottree().docinfo.doctype:
        raise BadSignature("expected nothing around alert, found what is not signed")
    signatures = list(alert.iter(f"{{{DSIG}}}Signature"))
    if len(signatures) != 1:
        raise BadSignature(f"expected one signature, found {len(signatures) or 'none'}")
    signature = signatures[0]
    if signature is not alert[-1]:
        raise BadSignature("expected the signature as the last child of alert, found it elsewhere")
    parts = [(str(part.tag), dict(part.attrib)) for part in signature.iter()]
    expected = [(f"{{{DSIG}}}{name}", attributes) for name, attributes in PARTS]
    if parts != expected:
        names = [tag.rpartition("}")[2] for tag, _ in parts]
        raise BadSignature(
            "expected a signature of the whole document by RSA-SHA256 with exclusive C14N and a "
            f"certificate, found {' '.join(names)} with other parts or algorithms"
        )
    return signature


def _pinned_certificate(
    signature: etree._Element, certificates: Sequence[x509.Certificate]
) -> x509.Certificate:
    """Pinned certificate that a signature names."""
    text = "".join((signature.findtext(f".//{{{DSIG}}}X509Certificate") or "").split())
    try:
        der = base64.b64decode(text, validate=True)
    except ValueError:
        raise BadSignature("expected a certificate in base64, found another form") from None
    for certificate in certificates:
        if certificate.public_bytes(Encoding.DER) == der:
            return certificate
    pinned = " or ".join(map(fingerprint, certificates)) or "a pinned one"
    raise BadSignature(f"expected the certificate {pinned}, found {fingerprint(der)}")
