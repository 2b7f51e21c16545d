"""Trained models on disk: skops files, one folder per version, and a pointer to the latest."""

from __future__ import annotations

import hashlib
import io
import json
import re
import warnings
import zipfile
from collections.abc import Collection, Mapping
from datetime import datetime
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline.storage.atomic import locked, make_private_folder, point_link, write_folder

TRUSTED = frozenset(
    {
        "models.drought.model.DroughtModel",
        "models.low_flow.LowFlowModel",
        "models.stage.design.ColumnProducts",
        "models.stage.neighbours.Neighbours",
        "models.stage.design.StageDesign",
        "models.stage.design.StageFeatures",
        "models.stage.errors.ErrorDistribution",
        "models.stage.errors.ErrorModel",
        "models.stage.imputer.BoundedScaler",
        "models.stage.imputer.ConditionalMeanImputer",
        "models.stage.licence.Licence",
        "models.stage.model.StageModel",
        "models.stage.regressions.LeadRegressors",
        "models.stage.regressions.SeasonalRidge",
        "models.stage.regressor.StageRegressor",
        "models.stage.regressor.TierModel",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.tree._tree.Tree",
    }
)
"""Types that a model file may hold beside those that skops trusts by itself: those of this project,
and what scikit-learn's regressors are made of."""
EPOCH = (1980, 1, 1, 0, 0, 0)
LATEST = "latest"
METADATA = "metadata.json"


class UntrustedModel(ValueError):  # noqa: N818
    """A model file holds types that are not trusted; it was not loaded."""


class NoModels(LookupError):  # noqa: N818
    """No sound models were trained by the moment asked for."""


def save(models: Mapping[str, object], metadata: Mapping[str, Any], folder: Path) -> str:
    """Write models and make them the latest.

    Parameters
    ----------
    models
        Name -> model; each becomes ``<name>.skops``.
    metadata
        What JSON can hold: training period, origin of the data, package versions, features.
    folder
        Folder of all versions; made if absent.

    Returns
    -------
    str
        Version: the first 16 hex digits of the SHA-256 of the models' bytes and the metadata. The
        same models with the same metadata have the same version.

    Raises
    ------
    UntrustedModel
        A model holds a type that :func:`load` would refuse.
    """
    persistence = _import_persistence()
    payload = {name: _plain(persistence.dumps(model)) for name, model in sorted(models.items())}
    for name, data in payload.items():
        _check(name, data)
    text = json.dumps(dict(metadata), indent=1, sort_keys=True, allow_nan=False)
    digest = hashlib.sha256(text.encode())
    for name, data in payload.items():
        digest.update(name.encode() + hashlib.sha256(data).digest())
    version = digest.hexdigest()[:16]
    target = folder / version
    make_private_folder(folder)
    files = {f"{name}.skops": data for name, data in payload.items()}
    with locked(folder):
        if not target.is_dir():
            write_folder(target, files | {METADATA: text.encode()})
        point_link(folder / LATEST, version)
    return version


def load(
    folder: Path, version: str | None = None, *, names: Collection[str] | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read the models of a version.

    Parameters
    ----------
    folder
        As given to :func:`save`.
    version
        Default the latest.
    names
        Models to load, those of them that the version has; default all. The bytes and the types of
        this project are checked of all.

    Returns
    -------
    tuple of dict
        Name -> model, and the metadata with ``version`` added.

    Raises
    ------
    LookupError
        There is no such version.
    UntrustedModel
        A file holds a type that is not trusted, or its bytes are not those that were saved.
    """
    if version is None:
        pointer = folder / LATEST
        if not pointer.is_symlink():
            raise LookupError(f"{folder}: expected a trained model, found none")
        version = pointer.readlink().name
    source = folder / version
    if not re.fullmatch(r"[0-9a-f]{16}", version) or not source.is_dir():
        raise LookupError(f"{folder}: expected a model version, found no {version!r}")
    text = (source / METADATA).read_text(encoding="utf-8")
    digest = hashlib.sha256(text.encode())
    payload = {path.stem: path.read_bytes() for path in sorted(source.glob("*.skops"))}
    for name, data in payload.items():
        digest.update(name.encode() + hashlib.sha256(data).digest())
    if digest.hexdigest()[:16] != version:
        raise UntrustedModel(f"{source}: expected the bytes that were saved, found others")
    for name, data in payload.items():
        _check_own_types(name, data)
    wanted = {name: data for name, data in payload.items() if names is None or name in names}
    models = {name: _load_model(name, data) for name, data in wanted.items()}
    return models, {**json.loads(text), "version": version}


def _import_persistence() -> ModuleType:
    """Import ``skops.io``: 2 s, wanted only where models are saved or loaded.

    Its import looks at every loaded module; lazy ones of other packages warn of that a thousand
    times.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return import_module("skops.io")


def _load_model(name: str, data: bytes) -> Any:
    persistence = _import_persistence()
    try:
        return persistence.loads(data, trusted=sorted(TRUSTED))
    except persistence.exceptions.UntrustedTypesFoundException:
        _check(name, data)
        raise


def load_last(
    folder: Path, *, asof: datetime, names: Collection[str] | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read the last sound models that were trained on nothing later than a moment.

    Parameters
    ----------
    folder
        As given to :func:`save`.
    asof
        Moment that the ``asof`` of their metadata must not exceed.
    names
        As of :func:`load`.

    Returns
    -------
    tuple of dict
        As of :func:`load`; ``broken`` of the metadata names the damaged models, and how they are.

    Raises
    ------
    NoModels
        None has been trained by then, or all that were are damaged.
    """
    trained, broken = _list_versions(folder)
    for moment, _, version in sorted(trained, reverse=True):
        if moment > asof:
            continue
        try:
            models, metadata = load(folder, version, names=names)
        except (UntrustedModel, OSError, LookupError, ValueError) as error:
            broken.append(f"models {version} are damaged ({error})")
        else:
            return models, metadata | {"broken": sorted(broken)}
    raise NoModels(
        f"expected models trained by {asof:%Y-%m-%d}, found "
        f"{'; '.join(sorted(broken)) or 'none'}; run: mekong train --date {asof:%Y}-01-01"
    )


def _list_versions(folder: Path) -> tuple[list[tuple[datetime, float, str]], list[str]]:
    """Moment of training, time of writing and name of each version; and what is damaged."""
    trained, broken = list[tuple[datetime, float, str]](), list[str]()
    for path in folder.glob("[!.]*"):
        if path.is_symlink() or not path.is_dir():
            continue
        try:
            metadata = json.loads((path / METADATA).read_text(encoding="utf-8"))
            moment = datetime.fromisoformat(metadata["asof"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            broken.append(f"models {path.name} are damaged ({METADATA}: {error})")
        else:
            trained.append((moment, path.stat().st_mtime, path.name))
    return trained, broken


def check_types(model: object) -> None:
    """Check that a model can be saved and loaded.

    Raises
    ------
    UntrustedModel
        It holds a type that :func:`load` would refuse.
    """
    persistence = _import_persistence()
    unknown = set(persistence.get_untrusted_types(data=persistence.dumps(model))) - TRUSTED
    if unknown:
        raise UntrustedModel(f"models are saved without {', '.join(sorted(unknown))}")


def _check(name: str, data: bytes) -> None:
    unknown = set(_import_persistence().get_untrusted_types(data=data)) - TRUSTED
    if unknown:
        raise _untrusted_model(name, unknown)


def _check_own_types(name: str, data: bytes) -> None:
    """Check the types of this project in a model file, for which skops need not be imported."""
    own_types = set[str]()

    def note_type(node: dict[str, Any]) -> None:
        if node.get("__module__", "").partition(".")[0] == "models":
            own_types.add(f"{node['__module__']}.{node['__class__']}")

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        json.loads(archive.read("schema.json"), object_hook=note_type)
    if own_types - TRUSTED:
        raise _untrusted_model(name, own_types - TRUSTED)


def _untrusted_model(name: str, types: Collection[str]) -> UntrustedModel:
    return UntrustedModel(
        f"model {name!r}: expected types that this version of the code knows, found "
        f"{', '.join(sorted(types))}; models of another version are trained again: mekong train"
    )


def _plain(data: bytes) -> bytes:
    """Rewrite an archive with fixed times and with members named by order, not by address."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    schema = json.loads(members.pop("schema.json"))
    names: dict[str, str] = {}
    numbers: dict[int, int] = {}
    _renumber(schema, names, numbers)
    ordered = {new: members[old] for old, new in names.items()}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for filename, content in [*ordered.items(), ("schema.json", json.dumps(schema).encode())]:
            info = zipfile.ZipInfo(filename, EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return out.getvalue()


def _renumber(node: Any, names: dict[str, str], numbers: dict[int, int]) -> None:
    """Replace memory addresses by order of appearance, in place."""
    if isinstance(node, dict):
        address = node.get("__id__")
        if isinstance(address, int):
            node["__id__"] = numbers.setdefault(address, len(numbers) + 1)
        member = node.get("file")
        if isinstance(member, str):
            node["file"] = names.setdefault(member, f"{len(names):06d}{Path(member).suffix}")
        for value in node.values():
            _renumber(value, names, numbers)
    elif isinstance(node, list):
        for value in node:
            _renumber(value, names, numbers)
