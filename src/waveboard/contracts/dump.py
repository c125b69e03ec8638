"""Values -> YAML text that `text.read` gives back unchanged: no alias, no tag, every text that looks like something else in quotes."""

from typing import Any

import yaml

from waveboard.contracts.scalars import NotANumber, resolve


class _Dumper(yaml.SafeDumper):
    """SafeDumper without aliases, indenting lists as the operator does."""

    def ignore_aliases(self, data: object) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = (
        "|" if "\n" in value and value == value.strip("\n") + "\n" and " \n" not in value else '"' if _ambiguous(value) else None
    )
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _ambiguous(value: str) -> bool:
    try:
        return not isinstance(resolve(value), str) or "\n" in value
    except NotANumber:
        return True


_Dumper.add_representer(str, _text)


def dump(value: Any) -> str:
    """One document; keys in the order given. Ends with a newline."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120, default_flow_style=False)
    return text
