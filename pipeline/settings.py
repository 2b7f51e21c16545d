"""One typed, frozen settings object, from the environment and an optional TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "data" / "reference"


class Settings(BaseSettings):
    """Where things lie and how alerts are issued.

    Each field is read from the environment (``MEKONG_DATA_DIR`` and so on), else from
    ``mekong.toml`` in the working directory, else it has the default below.
    """

    model_config = SettingsConfigDict(
        frozen=True, env_prefix="MEKONG_", toml_file="mekong.toml", extra="forbid"
    )

    data_dir: Path = Field(
        default=ROOT / "data", description="Everything made by running lies here."
    )
    upstream: Literal["virtual", "archive"] = Field(
        default="virtual",
        description="'virtual': files laid out under <data_dir>/upstream; 'archive': nothing is "
        "fetched, only what has been ingested is used.",
    )
    records_url: str | None = Field(
        default=None, description="SQLAlchemy URL of the tables; default SQLite under data_dir."
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
        """Arguments first, then the environment, then the TOML file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def upstream_dir(self) -> Path:
        """Folder that holds upstream files, laid out as the providers lay out theirs."""
        return self.data_dir / "upstream"

    @property
    def archive_dir(self) -> Path:
        """Folder of the Icechunk repository."""
        return self.data_dir / "archive"

    @property
    def models_dir(self) -> Path:
        """Folder of trained models, one subfolder per version."""
        return self.data_dir / "models"

    @property
    def published_dir(self) -> Path:
        """Folder of the published trees."""
        return self.data_dir / "published"

    @property
    def database(self) -> str:
        """SQLAlchemy URL of the tables."""
        return self.records_url or f"sqlite:///{self.data_dir / 'records.db'}"
