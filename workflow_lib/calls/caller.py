"""The decision to buy: is there an answer, is another process waiting for one, or must a call be made?"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from .. import catalogs
from ..catalogs import Model, prices
from ..catalogs.prices import Price
from ..cohorts.membership import Entry
from ..errors import ConfigError
from ..settings import Settings
from . import attempts, costs, endpoints, holders, journal, retries, stopping
from .breaker import Gate
from .budget import Budget, Reservation
from .call import Call, Log
from .committed import committed, request_ceiling_usd
from .endpoints import Endpoint
from .journal import Journal
from .pools import Pools
from .provider_batches.tending import Tender
from .replies import CallError
from .servers import Servers
from .shared import RunFile

CLAIM_POLL_SECONDS = 0.25


class Caller:
    """Buys answers within the limits of a run. One per process: pools and budgets are counted in it.

    Args:
        settings: settings of the run.
        shared: what its processes know in common; default: this process is alone in its run.
    """

    def __init__(self, settings: Settings, shared: RunFile | None = None):
        self.settings = settings
        self.shared = shared or RunFile(settings.data.runs)
        self.pools = Pools(settings.data.coordination, settings.pools)
        self.servers = Servers(settings)
        self.watch = holders.Watch()
        self.batches = Tender(self)
        self._budgets: dict[str, Budget] = {}

    def require_key(self, model_id: str) -> None:
        """Raise ConfigError if a model cannot be asked because its endpoint is not there, or no key is set.

        Args:
            model_id: id of llm_models.csv.
        """
        endpoints.find(self.settings, self.model(model_id).endpoint)

    def model(self, model_id: str) -> Model:
        """Return a model's row.

        Raises:
            ConfigError: llm_models.csv has no such id.
        """
        try:
            return catalogs.load(self.settings.data).models[model_id]
        except KeyError:
            raise ConfigError(f"llm_models.csv has no model '{model_id}'") from None

    def ask(
        self,
        entry: Entry,
        own: Journal,
        request: Mapping[str, Any],
        about: Mapping[str, Any],
        log: Log,
    ) -> dict[str, Any]:
        """Return the answer to a request: of this call, or of another process that made it meanwhile.

        Args:
            entry: the generation; its cohort pays.
            own: its journal.
            request: body of the request.
            about: what else the attempt keeps.
            log: gets a line per failed try.

        Returns:
            The attempt as it stands in the journal.

        Raises:
            CallError: the last try failed; ``NNNN.failed.json`` is written.
            BudgetExhausted: the call does not fit into the budget; nothing was sent.
        """
        model = self.model(entry.llm_model_id)
        endpoint = self._endpoint(model)
        content = self.content_of(entry, request, about)
        waiting = False
        while True:
            state = own.state(self.watch)
            if state.claimed is not None:
                if not waiting:
                    log(f"attempt {state.claimed:04d} is in the hands of another process; waiting for its answer")
                    waiting = True
                batch = own.batch_of(state.claimed)
                if batch is not None:
                    # the process that handed it over may be gone
                    self.batches.step(batch, log)
                stopping.pause(CLAIM_POLL_SECONDS)
                continue
            if state.answered is not None and not state.ordered:
                return own.answer(state.answered)
            call = Call(
                own,
                state.next_number,
                content,
                endpoint,
                model,
                self.pools[model.pool],
                Gate(self.shared, model, is_open=endpoint.base_url is None),
                endpoints.limits_of(self.settings),
                self.settings.llm.max_tries,
                self.settings.llm.backoff_s,
                lambda: self._reservation(entry, model, request),
                log,
            )
            try:
                attempt = call.make()
            except CallError as error:
                raise self.servers.explained(endpoint, error) from None
            if attempt is not None:
                if attempt["cost_source"] == costs.BY_ENDPOINT:
                    most = request_ceiling_usd(model, request)
                    self.compare_prices(model, prices.price(model), attempt["usage"], attempt["cost_usd"], most)
                return attempt

    def content_of(self, entry: Entry, request: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the attempts of a call keep of what is asked; the arguments are those of `ask`."""
        model = self.model(entry.llm_model_id)
        return {
            "gen_id": entry.gen_id,
            "stage": entry.stage,
            "cohort_id": entry.cohort_id,
            "endpoint": model.endpoint,
            "llm_model_id": entry.llm_model_id,
            "model": model.model,
            **about,
            "request": dict(request),
            "request_sha256": journal.request_sha256(request),
            "claimed_at": attempts.now(),
        }

    def _endpoint(self, model: Model) -> Endpoint:
        """Return a model's endpoint; one without a key is refused once, like one that refuses the key."""
        gate = Gate(self.shared, model, is_open=False)
        gate.check()
        try:
            return self.servers.reached(endpoints.find(self.settings, model.endpoint))
        except endpoints.KeyProblem as error:
            refusal = CallError(retries.NO_KEY, error.message, remedy=error.hint)
            refusal.is_said = gate.note(refusal)
            raise refusal from None

    def compare_prices(
        self,
        model: Model,
        price: Price | None,
        usage: Mapping[str, int] | None,
        billed_usd: float,
        most_usd: float | None,
        what: str = "a call",
    ) -> None:
        """Say once per run and model that its endpoint bills more than what was asked costs by its price.

        Args:
            model: who was asked.
            price: that of such calls, None if it is not known.
            usage: tokens as the endpoint counted them, None if it did not say.
            billed_usd: the endpoint's own figure.
            most_usd: what counts if the tokens are not known: the most that it can cost by the price.
            what: names it in the message.
        """
        priced = costs.bill_at(price, usage, None).usd if price else None
        if priced is None:
            priced = most_usd
        if price is not None and priced is not None and costs.is_underpriced(priced, billed_usd):
            table = self.settings.data.catalog(catalogs.MODELS)
            self.shared.note(
                f"prices {model.model_id}",
                f"the prices of model '{model.model_id}' are too low: endpoint '{model.endpoint}' billed "
                f"{billed_usd:.6f} USD for {what} that costs {priced:.6f} by {price.source}\n"
                f"Hint: write the true prices into line {model.line} of {table}, columns input_usd_per_mtok and "
                "output_usd_per_mtok; budgets count what is billed, but reserve by the prices what a call may cost",
            )

    def _reservation(
        self, entry: Entry, model: Model, request: Mapping[str, Any]
    ) -> AbstractContextManager[Reservation]:
        budget = self.budget(entry.cohort_id)
        if not budget.limits(model.model_id):
            # nobody asks for its ceiling, and a process that needs no price does not load the package of prices
            return nullcontext(Reservation(0.0))
        # the preflight refuses a model without a price; its row may have been edited since
        return budget.reserve(model.model_id, request_ceiling_usd(model, request) or 0.0)

    def _say_uncounted(self, path: Path) -> None:
        self.shared.note(
            f"uncounted {path}",
            f"{path}: cannot be read; its call may have been billed, and no budget counts it, because what it may have "
            "cost is not known\nHint: `daydream status` lists it; restore the file from a copy, or leave it as it is",
        )

    def budget(self, cohort_id: str) -> Budget:
        """Return the budget of a cohort."""
        new = Budget(
            self.settings.data.coordination / "budgets" / cohort_id,
            self.settings.budget_usd,
            self.settings.budget_per_model,
            lambda: committed(self.settings, cohort_id, self.watch, self._say_uncounted),
        )
        # setdefault: two threads must not count in two budgets
        return self._budgets.setdefault(cohort_id, new)
