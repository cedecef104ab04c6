"""The options of ``daydream serve-offline``, and how it runs until it is interrupted."""

import argparse
import signal
import threading

from .behaviour import FAILED_REQUEST, FATES, KINDS, STATUSES
from .server import OfflineServer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``daydream serve-offline``."""
    parser.add_argument("--port", type=int, default=0, metavar="N", help="TCP port (default: any free one)")
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="address to listen on (default: %(default)s)"
    )
    _add_seconds(parser, "--latency", "seconds per answer")
    _add_list(
        parser,
        "--faults",
        "probabilities of faults, such as 429:0.1,500:0.05,html:0.03,drop:0.03; "
        f"status codes {', '.join(map(str, STATUSES))}; kinds {', '.join(KINDS)}",
    )
    _add_seconds(parser, "--batch-delay", "seconds until a batch is done")
    _add_list(
        parser,
        "--batch-faults",
        f"probabilities of faults of batches: {FAILED_REQUEST} for each request, {', '.join(FATES)} for each batch",
    )
    _add_seconds(parser, "--retry-after", "Retry-After of a 429 in seconds", 1)
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the faults (default: 0)")
    parser.add_argument("--log", metavar="FILE", help="append two JSON lines per request: at receipt, at its end")
    parser.add_argument("--require-key", metavar="KEY", help="answer 401 to any other bearer token")
    parser.add_argument("--serve-as", metavar="NAME", help="model name in all answers (default: the one asked for)")
    price = parser.add_mutually_exclusive_group()
    price.add_argument("--usd-per-call", type=_not_negative, metavar="X", help="cost of each answer in US dollars")
    price.add_argument(
        "--usd-per-mtok", type=_price_pair, metavar="IN,OUT", help="cost per million tokens in US dollars"
    )


def _add_seconds(parser: argparse.ArgumentParser, option: str, what: str, default: float = 0) -> None:
    text = f"{what} (default: {default:g})"
    parser.add_argument(option, type=_not_negative, default=default, metavar="S", help=text)


def _add_list(parser: argparse.ArgumentParser, option: str, what: str) -> None:
    parser.add_argument(option, default="", metavar="LIST", help=what)


def run(args: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM; prints one line with the URL once requests are taken. Returns the exit code.

    It must be called in the main thread.

    Raises:
        DayDreamError: an unknown fault, or a port that is taken.
    """
    ended = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: ended.set())
    server = OfflineServer(
        port=args.port,
        host=args.host,
        latency=args.latency,
        batch_delay=args.batch_delay,
        batch_faults=args.batch_faults,
        faults=args.faults,
        retry_after=args.retry_after,
        seed=args.seed,
        log_path=args.log,
        require_key=args.require_key,
        serve_as=args.serve_as,
        usd_per_call=args.usd_per_call,
        usd_per_mtok=args.usd_per_mtok,
    )
    with server:
        print(f"Offline models at {server.url}", flush=True)
        ended.wait()
    return 0


def _not_negative(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number of at least 0")
    return value


def _price_pair(text: str) -> tuple[float, float]:
    price_in, separator, price_out = text.partition(",")
    if not separator:
        raise argparse.ArgumentTypeError(f"'{text}' is not of the form IN,OUT")
    return _not_negative(price_in), _not_negative(price_out)
