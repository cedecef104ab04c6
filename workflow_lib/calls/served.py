"""Whether the model that answered is the one that was asked."""

import re

# dates and versions as providers append them: -2024-08-06, -20250514, @20250514, -05-06, -0528, -001, -v3.1, -latest
_VERSION = re.compile(r"[-@](?:\d{4}-\d{2}-\d{2}|\d{2}-\d{2}|\d{2}-\d{4}|\d{3,8}|v\d+(?:\.\d+)*|latest)$")


def served_other_model(asked: str | None, served: str | None) -> bool:
    """Return whether an endpoint says that another model answered than the one asked for.

    One model has several names: with or without the provider in front, with or without a variant such as
    ``:free``, with or without a date or version behind. Two different dates are two models.

    Args:
        asked: the model's name in the request; None or empty where it was not recorded.
        served: the name in the answer; None or empty where the endpoint gave none.

    Returns:
        False also where one of the names is not known: there is nothing to show a mismatch.
    """
    if not asked or not served:
        return False
    first, second = _parts(asked), _parts(served)
    return any(one != other for one, other in zip(first[:2], second[:2], strict=True) if one and other) or (
        first[2] != second[2]
    )


def _parts(name: str) -> tuple[str, str, list[str]]:
    """Return provider, date or version, and the words of the name itself, sorted.

    Sorted because ``claude-sonnet-4`` is also served as ``claude-4-sonnet-20250522``.
    """
    provider, _, model = name.strip().lower().rpartition("/")
    model = model.partition(":")[0]
    version = ""
    while found := _VERSION.search(model):
        model, version = model[: found.start()], found[0] + version
    return provider, version, sorted(model.split("-"))
