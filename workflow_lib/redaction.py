"""What must not be kept or shown: keys, and all parts of addresses besides host and path.

Everything that a server says passes `text`, and every address `address`, before it reaches a file, a log or the
screen. The process learns its secrets once, when it reads its endpoints.
"""

import base64
import re
import threading
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

MARK = "[key]"
# shorter values are placeholders ("none", "EMPTY"): taking them out would mangle ordinary words
SHORTEST = 6
# in a model's own text even "ollama" may be a word; what long keys look like is no word
SHORTEST_IN_ANSWERS = 16

_URL_SECRETS = re.compile(r"(?<=://)[^/@\s]*@|(?<=[\w/])\?[^\s\"'<>]*=[^\s\"'<>,]*")
_known: set[str] = set()
_lock = threading.Lock()


def learn(*secrets: str | None) -> None:
    """Remember secrets of this process; empty and very short ones are ignored."""
    with _lock:
        for secret in secrets:
            if secret and len(secret) >= SHORTEST and secret not in _known:
                # as they stand, and as they come back out of a URL or a JSON text
                _known.update((secret, quote(secret, safe=""), secret.replace("/", "\\/")))


def learn_address(address: str | None) -> None:
    """Remember what a URL carries beside host and path: user, password, values of its query."""
    try:
        parts = urlsplit(address or "")
    except ValueError:
        # no request can go there; what it carries may be a secret all the same
        learn(*(found.strip("@?") for found in _URL_SECRETS.findall(address or "")))
        return
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    learn(unquote(password), *(value for _, value in parse_qsl(parts.query)))
    if user:
        learn(base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode())
        # a user name alone is a key where no password follows
        learn(None if password else unquote(user))


def text(words: str, shortest: int = SHORTEST) -> str:
    """Return words with every known secret of at least `shortest` characters replaced, whatever its case."""
    with _lock:
        found = [secret for secret in _known if len(secret) >= shortest]
    # the longest first: one secret may hold another
    for secret in sorted(found, key=len, reverse=True):
        words = re.sub(re.escape(secret), MARK, words, flags=re.IGNORECASE)
    return words


def message(words: str) -> str:
    """Return `text` of words that may hold addresses: user-info and queries of URLs are taken out too."""
    return _URL_SECRETS.sub("", text(words))


def address(url: str) -> str:
    """Return a URL without user-info, query and fragment, as messages show it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return message(url)
    return text(urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")))
