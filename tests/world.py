"""A tiny data root with one expanded cohort, whose generations are made one by one."""

import json
from pathlib import Path

from tests import tiny_root
from tests.scripted_server import ScriptedServer
from tests.tiny_root import declare, expand
from workflow_lib import generations
from workflow_lib.calls import Caller
from workflow_lib.cohorts.membership import Entry
from workflow_lib.settings import Settings

LONG = "one\ntwo\nthree\nfour"
MODELS = (
    "id,model,endpoint,max_tokens,temperature,input_usd_per_mtok,output_usd_per_mtok\n"
    "wa,sim-writer-a,offline,,,,\nja,sim-judge-a,offline,,,,\njb,sim-judge-b,offline,,,,\n"
    "real,org/real,home,,,1,2\nhot,org/hot,home,77,0,,\n"
)
ENDPOINTS = {"home": {"base_url": "http://127.0.0.1:1/v1"}}


class World:
    """A tiny data root with one expanded cohort; drafts are written by model `writer`."""

    def __init__(self, folder: Path, writer: str = "wa", **config):
        tiny_root.make(folder, llm_models=MODELS)
        self.folder = folder
        self.settings = self.load(**config)
        declare(self.settings, tiny_root.SPEC.replace("[wa]", f"[{writer}]"))
        self.members = expand(self.settings).membership
        self.draft = self.members.stage("draft")[0]
        self.essay, self.copy = self.members.stage("essay")
        self.evaluation = self.members.stage("evaluation")[0]
        self.lines: list[str] = []

    def load(self, url: str | None = None, **config) -> Settings:
        endpoints = {"home": {"base_url": url}} if url else ENDPOINTS
        return tiny_root.load(self.folder, endpoints=endpoints, llm={"backoff_s": 0, "max_tries": 2}, **config)

    def files(self, entry: Entry):
        return self.settings.data.generation(entry.stage, entry.gen_id)

    def buy(self, entry: Entry, settings: Settings | None = None, order_id: str | None = None) -> str:
        generations.buy(Caller(settings or self.settings), entry, self.lines.append, order_id)
        return self.files(entry).raw.read_bytes().decode()

    def answered(self, entry: Entry, *replies, order_id: str | None = None, **config) -> str:
        """Buy a generation from a server that gives these replies; returns raw.txt."""
        with ScriptedServer(*replies) as server:
            self.server = server
            return self.buy(entry, self.load(server.url, **config), order_id)

    def parse(self, entry: Entry, settings: Settings | None = None) -> str:
        generations.parse(settings or self.settings, entry)
        return self.files(entry).parsed.read_bytes().decode()

    def make(self, *entries: Entry) -> None:
        for entry in entries:
            self.buy(entry)
            self.parse(entry)

    def failure(self, entry: Entry) -> dict:
        return json.loads(self.files(entry).failure.read_text())

    def raw_metadata(self, entry: Entry) -> dict:
        return json.loads(self.files(entry).raw_metadata.read_text())

    def needs_parse(self, entry: Entry, baseline: str | None = None, settings: Settings | None = None) -> bool:
        return generations.needs_parse(settings or self.settings, entry, baseline)

    def set_parser(self, stage: str, template: str, parser: str) -> None:
        path = self.settings.data.catalog(f"{stage}_templates")
        lines = path.read_text().splitlines()
        column = lines[0].split(",").index("parser")
        for number, line in enumerate(lines):
            cells = line.split(",")
            if cells[0] == template:
                cells[column] = parser
                lines[number] = ",".join(cells)
        path.write_text("\n".join(lines) + "\n\n")
