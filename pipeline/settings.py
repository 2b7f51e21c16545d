"""One typed, frozen settings object, from the environment and an optional TOML file."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from pipeline.choices import Change, Product, Region, Upstream

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "data" / "reference"
ACTUAL_NEEDS = ("alert_sender_name", "alert_contact", "public_url")
"""Settings without which no message is ``Actual``."""

SECRETS = ("records_url", "signing_keys_pem", "notice_webhook", "notice_mail_password")
"""Settings that no error, log or file shows."""


class Settings(BaseSettings):
    """Folders, addresses, and how alerts are issued.

    Each field is read from the environment (``MEKONG_DATA_DIR`` and so on), else from
    ``mekong.toml`` in the working directory, else it has the default below.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        env_prefix="MEKONG_",
        toml_file="mekong.toml",
        extra="forbid",
        hide_input_in_errors=True,
    )

    data_dir: Path = Field(
        default=ROOT / "data", description="Everything made by running lies here."
    )
    upstream: Upstream = Field(
        default="virtual",
        description="'virtual': files laid out under <data_dir>/upstream; 'internet': files are "
        "fetched from their providers into that folder; 'archive': nothing is fetched, only what "
        "has been ingested is used.",
    )
    endpoints: dict[str, str] = Field(
        default={},
        description="Base addresses that replace those of ENDPOINTS in "
        "pipeline/sources/__init__.py, in JSON; without name and password.",
    )
    wait_minutes: int = Field(
        default=90,
        ge=0,
        description="How long after its time a scheduled night waits for core files that are "
        "usually there by then.",
    )
    records_url: SecretStr | None = Field(
        default=None,
        description="SQLAlchemy URL of the tables; default SQLite under data_dir. It is kept "
        "secret, as it may hold a password.",
    )
    alert_status: Literal["Test", "Actual"] = Field(
        default="Test",
        description="CAP status where nothing virtual went in; 'Actual' falls back to "
        "Test for a city whose alarm or flood stage is unverified.",
    )
    alert_scope: Literal["Restricted", "Public"] = Field(
        default="Restricted",
        description="CAP scope; public warnings are the national services' task.",
    )
    alert_sender: str = Field(default="mekong-early-warning@example.org", description="CAP sender.")
    alert_sender_name: str | None = Field(
        default=None,
        description="Readable name of the sender in every language; default that of the texts.",
    )
    alert_contact: str | None = Field(
        default=None, description="Whom receivers of a message ask: a telephone number or address."
    )
    public_url: str | None = Field(
        default=None,
        pattern=r"https?://\S+",
        description="Address below which the pages of the cities are published.",
    )
    hub_url: str | None = Field(
        default=None,
        pattern=r"https?://\S+",
        description="WebSub hub that the feeds name, which tells receivers of a new message.",
    )
    report_number: str | None = Field(
        default=None,
        pattern=r"\+?[0-9]{3,15}",
        description="Telephone number that takes texts from the ground, printed on the cards.",
    )
    alert_identifier_prefix: str = Field(
        default="mekong-",
        pattern=r"[A-Za-z0-9:._-]+",
        description="What identifiers of messages begin with, such as 'urn:oid:2.49.0.1.418.0.' of "
        "a registered authority.",
    )
    alert_authorities: dict[str, str] = Field(
        default={},
        description="Authority in whose name the messages of a country are sent, by ISO 3166-1 "
        "code, in JSON; without one each says that it is an automatic forecast.",
    )
    alert_changes_sent: tuple[Change, ...] = Field(
        default=("new", "raised", "ended"),
        description="Changes of an event at which its short texts are to be sent, in JSON.",
    )
    alert_products: dict[str, Product] = Field(
        default={},
        description="What a country's service calls such a message: 'warning', 'advisory' or "
        "'vigilance', by ISO 3166-1 code, in JSON; default the name of the hazard alone.",
    )
    region: Region = Field(
        default="mekong",
        description="'mekong': the basin and the cities of its countries; 'asean': all pilots of "
        "the ASEAN Smart Cities Network too, with everything made by running in <data_dir>/asean.",
    )
    dask_scheduler: str | None = Field(
        default=None,
        description="Address of a dask.distributed scheduler that computes grids, such as "
        "'tcp://10.0.0.5:8786'; default this machine's cores.",
    )
    reference_dir: Path | None = Field(
        default=None,
        description="Folder of an agency's own rows of the tables of data/reference and of its own "
        "texts, laid over the project's; read once in a process, from the environment or "
        "mekong.toml alone.",
    )
    regressor: str = Field(
        default="ridge",
        description="Regression of the stage model: 'ridge', or the class of any regressor of "
        "scikit-learn, such as 'HistGradientBoostingRegressor'.",
    )
    signing_keys: Path | None = Field(
        default=None,
        description="File of the keys that sign what is published, made by 'mekong keys new' and "
        "readable by its owner alone; default unsigned, which exercises alone may be.",
    )
    signing_keys_pem: SecretStr | None = Field(
        default=None,
        description="The content of such a file in its place, as a secret store hands it out.",
    )
    notice_webhook: SecretStr | None = Field(
        default=None,
        description="Address that notices to the operator are posted to, in JSON: https, or http "
        "on this machine. It is kept secret, as most such addresses are keys.",
    )
    notice_mail_to: tuple[str, ...] = Field(
        default=(), description="Addresses that notices are mailed to, in JSON."
    )
    notice_mail_from: str = Field(
        default="mekong-early-warning@example.org", description="Sender of such mail."
    )
    notice_mail_server: str = Field(
        default="127.0.0.1:25",
        pattern=r"\[?[A-Za-z0-9:._-]+\]?:[0-9]{1,5}",
        description="Server that takes such mail, as host:port; STARTTLS where it offers it.",
    )
    notice_mail_user: str | None = Field(
        default=None, description="Login at that server; it wants TLS, or this machine."
    )
    notice_mail_password: SecretStr | None = Field(
        default=None, description="Password of that login."
    )
    dead_man_hours: float = Field(
        default=26.0,
        gt=0,
        description="Age of the last good night, in hours, above which somebody is woken.",
    )
    keep_upstream_days: int = Field(
        default=14,
        ge=0,
        description="Days after which 'mekong retain' removes an upstream file that was ingested; "
        "a source that is asked back further keeps its files for as long as it is.",
    )
    keep_published_days: int = Field(
        default=90,
        ge=0,
        description="Days after which 'mekong retain' removes a published tree.",
    )
    keep_snapshot_days: int = Field(
        default=7,
        ge=0,
        description="Days after which 'mekong retain' removes what commits of the archive have "
        "replaced; runs are made again all the same.",
    )
    keep_grid_days: int = Field(
        default=400,
        ge=130,
        description="Days after which 'mekong retain' removes grids of rain at steps below a day; "
        "runs up to 30 days after them can then no longer be made again.",
    )
    seed: int = Field(default=20260820, description="Seed of the virtual basin.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: arguments first, then the environment, then the TOML file.

        Raises
        ------
        SettingsError
            The TOML file cannot be read, or a key of it or a variable of the environment is no
            setting.
        """
        if "reference_dir" in init_settings():
            raise SettingsError(
                "reference_dir: expected in the environment (MEKONG_REFERENCE_DIR) or mekong.toml, "
                "found an argument; a process reads the tables once"
            )
        fields = sorted(settings_cls.model_fields)
        prefix = "MEKONG_"
        variables = sorted(name for name in os.environ if name.upper().startswith(prefix))
        for name in variables:
            field = name.upper().removeprefix(prefix).lower()
            _refuse_unknown(field, name, {f"{prefix}{key.upper()}": key for key in fields})
        try:
            toml = TomlConfigSettingsSource(settings_cls)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            raise SettingsError(
                f"mekong.toml: expected TOML, found: {error}; mend it or move it away"
            ) from error
        for name in toml.toml_data:
            _refuse_unknown(name, f"mekong.toml: {name}", {key: key for key in fields})
        return init_settings, env_settings, toml

    @field_validator("reference_dir", mode="before")
    @classmethod
    def _folder_of_tables(cls, folder: object) -> object:
        """Expand ``~``, which a shell may have left; an empty variable means no folder."""
        if isinstance(folder, str | Path):
            return Path(folder).expanduser() if str(folder) else None
        return folder

    @model_validator(mode="before")
    @classmethod
    def _hide_keys(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Hide secrets before anything is checked: any error of the model shows its whole input."""
        for name in SECRETS:
            if (secret := values.get(name)) is not None and not isinstance(secret, SecretStr):
                values[name] = SecretStr(str(secret))
        if "-----BEGIN" in str(values.get("signing_keys")):
            values["signing_keys"] = "**********"
            raise ValueError(
                "signing_keys: expected the path of a file, found keys; their content belongs into "
                "signing_keys_pem"
            )
        endpoints = values.get("endpoints")
        if isinstance(endpoints, dict):
            bare = {name: re.sub(r"//[^/?#]*@", "//", str(url)) for name, url in endpoints.items()}
            if bare != {name: str(url) for name, url in endpoints.items()}:
                values["endpoints"] = bare
                raise ValueError("endpoints: expected addresses, found a name or password in one")
        return values

    @model_validator(mode="after")
    def _keys_in_one_place(self) -> Self:
        if self.signing_keys is not None and self.signing_keys_pem is not None:
            raise ValueError("expected signing_keys or signing_keys_pem, found both")
        return self

    @field_validator("records_url")
    @classmethod
    def _url_of_tables(cls, url: SecretStr | None) -> SecretStr | None:
        """Refuse what is no URL here: SQLAlchemy's own error shows a part of it."""
        if url is None or not url.get_secret_value():
            return None
        import sqlalchemy as sa  # noqa: PLC0415  (heavy, wanted only here)

        try:
            sa.make_url(url.get_secret_value())
        except (ValueError, sa.exc.ArgumentError):
            raise ValueError(
                "expected a URL of SQLAlchemy, with %40 for @ and %2F for / in its password"
            ) from None
        return url

    @field_validator("notice_webhook")
    @classmethod
    def _webhook_over_tls(cls, address: SecretStr | None) -> SecretStr | None:
        """Refuse an address that carries notices, and itself, readable over a network."""
        if address is None or not address.get_secret_value():
            return None
        parts = urlsplit(address.get_secret_value())
        hosts = {"https": r".+", "http": r"localhost|::1|127(\.\d{1,3}){3}"}.get(parts.scheme, "")
        if not parts.hostname or not re.fullmatch(hosts, parts.hostname):
            raise ValueError("expected https, or http on this machine")
        return address

    @model_validator(mode="after")
    def _named_sender_of_actual(self) -> Self:
        named = {name: getattr(self, name) for name in ACTUAL_NEEDS}
        if self.alert_status == "Actual" and not all(named.values()):
            absent = ", ".join(name for name, value in named.items() if not value)
            raise ValueError(f"alert_status 'Actual': expected {absent} to be set, found none")
        return self

    @model_validator(mode="after")
    def _tables_of_one_region(self) -> Self:
        url = self.records_url.get_secret_value() if self.records_url else None
        if url is not None and ("asean" in url) != (self.region == "asean"):
            preposition = "with" if self.region == "asean" else "without"
            raise ValueError(
                f"records_url: expected a database of its own for region {self.region!r}, "
                f"{preposition} 'asean' in its URL, found another"
            )
        return self

    @property
    def region_dir(self) -> Path:
        """Folder of everything that holds one region's grids or cities; regions never mix."""
        return self.data_dir if self.region == "mekong" else self.data_dir / self.region

    @property
    def upstream_dir(self) -> Path:
        """Folder that holds upstream files, laid out as the providers lay out theirs."""
        return self.region_dir / "upstream"

    @property
    def archive_dir(self) -> Path:
        """Folder of the Icechunk repository."""
        return self.region_dir / "archive"

    @property
    def models_dir(self) -> Path:
        """Folder of trained models, one subfolder per version."""
        return self.region_dir / "models"

    @property
    def published_dir(self) -> Path:
        """Folder of the published trees."""
        return self.region_dir / "published"

    @property
    def scoreboard_dir(self) -> Path:
        """Folder of the scoreboards of the last nights."""
        return self.region_dir / "scoreboard"

    @property
    def database(self) -> str:
        """SQLAlchemy URL of the tables."""
        if self.records_url is not None:
            return self.records_url.get_secret_value()
        return f"sqlite:///{self.region_dir / 'records.db'}"


def _refuse_unknown(field: str, label: str, fields: Mapping[str, str]) -> None:
    """Raise SettingsError for a name that is no setting, with a hint at a similar one.

    Parameters
    ----------
    field, label
        Name of the field that is set, and how the message calls it.
    fields
        Fields of the settings by the names that the source gives them.
    """
    names = {key: name for name, key in fields.items()}
    if field not in names:
        near = difflib.get_close_matches(field.casefold(), names, n=1)
        hint = f"did you mean {names[near[0]]}?" if near else f"expected {', '.join(fields)}"
        raise SettingsError(f"{label} is no setting; {hint}")
