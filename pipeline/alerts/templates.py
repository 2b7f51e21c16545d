"""Templates of the messages per language, with an agency's own texts laid over the project's."""

from __future__ import annotations

import hashlib
import json
import string
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipeline.geography.reference_schema import TRANSLATIONS
from pipeline.geography.reference_tables import BadReference, Finding
from pipeline.settings import Settings

LANGUAGES = ("en", *TRANSLATIONS)
ENGLISH_ONLY = "term"
"""Section of English alone: terms of a country in Latin transcription."""
FOLDER = Path(__file__).parent / "messages"
OWN = "messages"
"""Folder of an agency's own texts, within its folder of reference tables."""
SIGNATURE = ("reviewed", "reviewer", "reviewed_on", "english")
"""Keys of an agency's file beside its texts: whether, by whom and when they were reviewed, and the
digest of the English texts that they translate."""


@lru_cache
def read_templates(language: str) -> dict[str, Any]:
    """Read the templates of one language, with the agency's texts of the settings.

    Raises
    ------
    ValueError
        The project's file does not have the keys and slots of the English one.
    BadReference
        The agency's file cannot be laid over it.
    """
    return read_with_own(language, Settings().reference_dir)


def read_with_own(language: str, agency: Path | None) -> dict[str, Any]:
    """Read the templates of one language, with the texts of an agency's folder.

    An agency's texts count as reviewed while the file that was signed has every text, and the
    English texts are those that its reviewer read.

    Parameters
    ----------
    language
        One of ``LANGUAGES``.
    agency
        Folder of the agency's reference tables, which may hold ``messages/<language>.toml``.

    Raises
    ------
    ValueError, BadReference
        As for :func:`read_templates`.
    """
    templates = _read(FOLDER / f"{language}.toml")
    if wrong := sorted(find_text_faults(list_texts(templates), language=language, whole=True)):
        raise ValueError(f"{language}.toml: {'; '.join(wrong)}")
    path = _own_path(agency, language)
    if path is None:
        return templates
    name = f"{OWN}/{path.name}"
    try:
        own = _read(path)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadReference([Finding(name, 0, f"expected TOML in UTF-8, found: {error}")]) from error
    signature = {key: own.pop(key, None) for key in SIGNATURE}
    if faults := find_text_faults(own, language=language, whole=False):
        raise BadReference([Finding(name, 0, fault) for fault in faults])
    templates["reviewed"] = (
        signature["reviewed"] is True
        and own.keys() >= list_texts(templates).keys()
        and (language == "en" or signature["english"] == digest_english(agency))
    )
    for key, text in own.items():
        section, _, part = key.partition(".")
        if section == "months":
            templates[section][int(part) - 1] = text
        elif part:
            templates[section][part] = text
        else:
            templates[section] = text
    return templates


def _own_path(agency: Path | None, language: str) -> Path | None:
    """Path of an agency's texts in a language, where there are any."""
    path = None if agency is None else agency / OWN / f"{language}.toml"
    return path if path and path.exists() else None


def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def check_language(language: str) -> None:
    """Raise LookupError for a language that messages do not have."""
    if language not in LANGUAGES:
        raise LookupError(f"language: expected one of {', '.join(LANGUAGES)}, found {language!r}")


def list_texts(templates: Mapping[str, Any]) -> dict[str, str]:
    """List the texts that a speaker can correct, by their dotted keys.

    Signs alone, as between the items of a list, are not among them, nor what describes the file.
    """
    texts: dict[str, str] = {}
    for key, value in templates.items():
        parts: Iterator[tuple[str, Any]]
        if isinstance(value, list):
            parts = ((f"{key}.{number}", part) for number, part in enumerate(value, 1))
        elif isinstance(value, dict):
            parts = ((f"{key}.{sub}", part) for sub, part in value.items())
        else:
            parts = iter([(key, value)])
        if key not in {"language", "tag", "name", "note"}:
            texts |= {
                name: text
                for name, text in parts
                if isinstance(text, str) and any(sign.isalpha() for sign in text)
            }
    return texts


def find_text_faults(texts: Mapping[str, object], *, language: str, whole: bool) -> list[str]:
    """Find texts without the keys and slots of the English ones, or that are no line of text.

    Parameters
    ----------
    texts
        Texts by dotted key.
    language
        Language of the texts; the section ``ENGLISH_ONLY`` belongs to no other than English.
    whole
        Whether every key must be there.
    """
    english = {
        key: text
        for key, text in list_texts(_read(FOLDER / "en.toml")).items()
        if language == "en" or key.partition(".")[0] != ENGLISH_ONLY
    }
    absent = english.keys() - texts.keys() if whole else ()
    faults = [f"{key}: expected a text, found none" for key in sorted(absent)]
    for key, text in texts.items():
        if key not in english:
            faults.append(f"{key}: expected a key of en.toml, found another")
        elif not isinstance(text, str) or not _is_line(text):
            faults.append(f"{key}: expected one line of text, found {text!r}")
        elif (slots := _slots(text)) != (expected := _slots(english[key])):
            wanted = ", ".join(sorted(f"{{{slot}}}" for slot in expected or ())) or "no slot"
            other = text if slots is None else ", ".join(sorted(f"{{{slot}}}" for slot in slots))
            faults.append(f"{key}: expected {wanted}, found {other or 'none'}")
    return faults


def _is_line(text: str) -> bool:
    """Whether a text is one line that says something; zero-width spaces are part of scripts."""
    breaks = {"Cc", "Zl", "Zp"}
    return bool(text.strip()) and not any(unicodedata.category(sign) in breaks for sign in text)


def _slots(text: str) -> set[str] | None:
    """Slots of a text; None where it has a brace without its fellow, or a slot with a format."""
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError:
        return None
    if any(form or conversion for _, _, form, conversion in parts):
        return None
    return {slot for _, slot, _, _ in parts if slot is not None}


def digest_english(agency: Path | None) -> str:
    """SHA-256 of the English texts, with an agency's own."""
    texts = list_texts(read_with_own("en", agency))
    return hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()


def messages_digest() -> dict[str, str]:
    """SHA-256 of the files of templates of each language: the project's, then the agency's."""
    agency = Settings().reference_dir
    digests = {}
    for language in LANGUAGES:
        digest = hashlib.sha256((FOLDER / f"{language}.toml").read_bytes())
        if path := _own_path(agency, language):
            digest.update(path.read_bytes())
        digests[language] = digest.hexdigest()
    return digests


def check_own_texts(agency: Path) -> list[Finding]:
    """Check an agency's own texts without using them.

    Parameters
    ----------
    agency
        Folder of its reference tables.

    Returns
    -------
    list of Finding
        Faults, and for a file without any its effect.
    """
    folder, findings = agency / OWN, []
    known = {f"{language}.toml" for language in LANGUAGES}
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    for path in (path for path in paths if not path.name.startswith(".")):
        name = f"{OWN}/{path.name}"
        if path.name not in known:
            text = f"expected one of {', '.join(sorted(known))}, found an unknown file"
            findings.append(Finding(name, 0, text))
            continue
        try:
            templates = read_with_own(path.stem, agency)
        except BadReference as bad:
            findings += bad.findings
            continue
        state = "reviewed" if templates["reviewed"] else "not reviewed"
        text = f"in place of the project's texts; with these the language is {state}"
        findings.append(Finding(name, 0, text, wrong=False))
    return findings
