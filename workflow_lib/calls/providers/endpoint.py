"""Where requests go."""

from dataclasses import dataclass

from ... import redaction


@dataclass(frozen=True)
class Endpoint:
    """One endpoint of the configuration, ready to be asked.

    Attributes:
        name: as in llm_models.csv.
        base_url: up to, not including, /chat/completions; None for the offline models in this process.
        key: sent as bearer token; never written anywhere.
        key_env: the variable that it came from, for messages.
        headers: further headers, sorted pairs.
        provider: how it is spoken to, a name of `providers.PROVIDERS`.
    """

    name: str
    base_url: str | None
    key: str | None
    key_env: str
    headers: tuple[tuple[str, str], ...] = ()
    provider: str = "openai-compatible"

    @property
    def key_name(self) -> str:
        """What messages call the place where the key is set."""
        return self.key_env or f"endpoints.{self.name}.api_key_env"

    def __repr__(self) -> str:
        return f"Endpoint({self.name}, {redaction.address(self.base_url or self.provider)})"
