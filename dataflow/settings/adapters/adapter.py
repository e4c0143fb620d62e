"""What a source adapter is: the one declaration that settings, sources, doctor, benchmark and describe derive from."""

from __future__ import annotations

from dataclasses import dataclass

from dataflow.settings.section import Section


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """One kind of system that rows are read from.

    It is declared where the settings are, since they validate its section, and implemented above them; so code stands
    here by name, `module:attribute`, and is loaded when such a source is opened: drivers load slowly.

    `source` makes a Source (dataflow/sources/protocol.py) of the source's name and settings, `probe` yields Findings
    from the same two, and `ways`, where there are several ways to read, names them for `dataflow bench sources`.
    """

    name: str
    meaning: str
    source: str
    probe: str
    ways: str = ""
    section: type[Section] | None = None
    """What only this adapter reads: the table [sources.NAME.<adapter>]."""
    reads_files: bool = False
    """Whether a source names its `root`, and each of its objects `format` and `path`."""

    @property
    def needs_section(self) -> bool:
        """Whether the section has settings without a default."""
        return bool(self.required)

    @property
    def required(self) -> tuple[str, ...]:
        """The settings of the section that have no default."""
        fields = self.section.model_fields if self.section else {}
        return tuple(name for name, field in fields.items() if field.is_required())
