"""Each adapter is one declaration, and all it names is there."""

import inspect

import pytest

from checks.errors import CheckDeclarationError
from checks.registry import Registry
from dataflow.settings import SourceSettings
from dataflow.settings.adapters import ADAPTERS, Adapter
from dataflow.sources import Source, named


@pytest.mark.parametrize("adapter", ADAPTERS.values(), ids=list(ADAPTERS))
def test_what_an_adapter_names_is_there_and_fits(adapter: Adapter) -> None:
    source = named(adapter.source)
    assert list(inspect.signature(source).parameters) == ["name", "settings"]
    methods = [name for name in vars(Source) if not name.startswith("_")]
    assert [name for name in methods if not callable(getattr(source, name, None))] == []
    assert list(inspect.signature(named(adapter.probe)).parameters)[:2] == ["name", "settings"]
    if adapter.ways:
        assert list(inspect.signature(named(adapter.ways)).parameters) == ["reading"]


def test_the_settings_have_the_section_of_each_adapter_and_no_other() -> None:
    common = {"adapter", "root", "trust", "time_zone", "lookback_seconds", "objects"}
    assert set(SourceSettings.model_fields) == common | {name for name, one in ADAPTERS.items() if one.section}


def test_a_second_adapter_of_one_name_is_refused() -> None:
    with pytest.raises(CheckDeclarationError, match="Declared twice: adapter files"):
        Registry("adapter", [*ADAPTERS.values(), ADAPTERS["files"]], name=lambda one: one.name)
