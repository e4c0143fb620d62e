"""The declaration of a source adapter, from which settings, sources, doctor, benchmark and describe derive."""

from __future__ import annotations

from dataclasses import dataclass

from dataflow.settings.section import Section


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """One kind of system that rows are read from.

    Declared beside the settings, which validate its section, and implemented above them. So code is named here as
    `module:attribute`, and loaded when such a source is opened: drivers load slowly.

    `source` makes a Source (dataflow/sources/protocol.py) from the source's name and settings, `probe` yields Findings
    from the same two, and `ways` names the ways to read, where there are several, for `dataflow bench sources`.
    """

    name: str
    meaning: str
    source: str
    probe: str
    ways: str = ""
    section: type[Section] | None = None
    """The section that only this adapter reads: [sources.NAME.<adapter>]."""
    reads_files: bool = False
    """Whether a source has a `root`, and each of its objects `format` and `path`."""

    modes: tuple[str, ...] = ("changes", "full", "append")
    """The modes in which its objects can be read."""

    @property
    def needs_section(self) -> bool:
        """Whether the section has settings without a default."""
        return bool(self.required)

    @property
    def required(self) -> tuple[str, ...]:
        """The settings of the section that have no default."""
        fields = self.section.model_fields if self.section else {}
        return tuple(name for name, field in fields.items() if field.is_required())
