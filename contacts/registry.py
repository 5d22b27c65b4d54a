"""What other apps lend to the facts app, which imports none of them; each registers in its `AppConfig.ready`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class DefinitionInForce:
    """The names under which stages are shown. ``version`` is ``key@version``, ``labels`` by stage key."""

    version: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    def label(self, stage: str) -> str:
        """Return the label of a stage; its key where the definition does not use it."""
        return self.labels.get(stage) or stage.replace("_", " ").capitalize()


_providers: list[Callable[[], DefinitionInForce]] = []


def register_definition(provider: Callable[[], DefinitionInForce]) -> None:
    """Let ``provider`` tell which definition is in force."""
    _providers[:] = [provider]


def definition_in_force() -> DefinitionInForce:
    """Return the definition in force; an empty one where no judgement app is installed."""
    return _providers[0]() if _providers else DefinitionInForce()
