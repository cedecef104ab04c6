"""What is wrong with a store, and what can be repaired from its other files."""

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .. import catalogs as catalogs_module
from .. import cohorts, generations, ids, parsers, tables
from ..calls.journal import Journal
from ..catalogs import Catalogs, combos
from ..cohorts import membership, tasks
from ..cohorts.membership import Entry, Membership
from ..errors import DayDreamError, MembershipError, nearest
from ..files import encode, read_json, read_recorded, read_text, sha256_file, write_json
from ..generations.state import States
from ..paths import DataRoot, Generation, is_safe_id
from ..settings import Settings
from ..stages import FIRST, JUDGING, PARENT_STAGE, PARENTS, STAGE, STAGES
from .findings import (
    BROKEN_ATTEMPT,
    BROKEN_MEMBERSHIP,
    BROKEN_METADATA,
    BROKEN_PARENT,
    BROKEN_TEXT,
    DUPLICATE_RAW,
    EDITED_RAW,
    EMPTY_COHORT,
    EMPTY_FILE,
    ID_MISMATCH,
    MISSING_FILE,
    ORPHAN,
    PARSED_DIFFERS,
    UNKNOWN_COMBO,
    UNKNOWN_CONCEPT,
    UNKNOWN_MODEL,
    UNKNOWN_TEMPLATE,
    Finding,
)

# bytes; shorter ones say little more than a score
SHORTEST_UNIQUE_VERDICT = 200


def check(settings: Settings) -> list[Finding]:
    """Return what is wrong with the store and the cohorts, by stage, gen_id and file; writes nothing.

    Raises:
        CatalogError: a catalog or the registry of combos cannot be read.
    """
    return list(_Check(settings).run())


class _Check:
    def __init__(self, settings: Settings):
        self.settings = settings
        self.data: DataRoot = settings.data
        self.catalogs: Catalogs = catalogs_module.load(settings.data)
        self.combos = combos.load(settings.data)
        self.states = States(settings)
        self.members: dict[tuple[str, str], Entry] = {}
        # in a membership that cannot be read as a whole
        self.listed: set[tuple[str, str]] = set()
        self.scoped: set[tuple[str, str]] = set()
        self.raws: dict[tuple[str, str], dict[str, Generation]] = defaultdict(dict)

    def run(self) -> Iterator[Finding]:
        yield from self._cohorts()
        yield from self._registry()
        for stage in STAGES:
            folder = self.data.gens / stage
            for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                if path.is_dir() and is_safe_id(path.name):
                    yield from self._generation(Generation(path))
        yield from self._duplicates()

    def _cohorts(self) -> Iterator[Finding]:
        root = self.data.cohorts
        for folder in sorted(root.iterdir()) if root.is_dir() else ():
            if not folder.is_dir():
                continue
            cohort = self.data.cohort(folder.name)
            if not cohort.membership.exists():
                if not cohort.spec.is_dir():
                    yield self._finding(
                        EMPTY_COHORT, folder, "has neither a spec nor a membership.csv", "remove the folder"
                    )
                continue
            try:
                rows = membership.read(self.data, folder.name)
            except MembershipError as error:
                self.listed |= _listed_in(cohort.membership)
                # a metadata.json that a row needs is reported at its own path
                if error.file == str(cohort.membership):
                    yield self._finding(
                        BROKEN_MEMBERSHIP,
                        cohort.membership,
                        error.message,
                        error.hint or "correct the rows, or expand the cohort again",
                    )
                continue
            if not rows:
                yield self._finding(
                    EMPTY_COHORT, cohort.membership, "has no generation", "correct its spec, or remove the folder"
                )
            for entry in rows:
                self.members.setdefault((entry.stage, entry.gen_id), entry)
            if _scope_of(cohorts.read_manifest(cohort)) == "cohort":
                self.scoped |= _scoped_ids(folder.name, rows)

    def _registry(self) -> Iterator[Finding]:
        for combo in self.combos.values():
            for concept_id in combo.concept_ids:
                if concept_id not in self.catalogs.concepts:
                    yield self._finding(
                        UNKNOWN_CONCEPT,
                        self.data.combo_mappings,
                        f"{combo.combo_id}: unknown concept '{concept_id}'; "
                        f"{nearest(concept_id, self.catalogs.concepts)}",
                        "put the concept back into concepts_metadata.csv; rows here are never changed",
                    )

    def _generation(self, files: Generation) -> Iterator[Finding]:
        key = (files.stage, files.gen_id)
        member = self.members.get(key)
        if member is None and key not in self.listed:
            yield self._finding(
                ORPHAN,
                files.folder,
                "is in no cohort",
                f"`daydream remove --gen-id {files.gen_id} --apply` archives it; it does no harm",
            )
        yield from self._broken_attempts(files)
        yield from self._lost_text(files, member)
        has_text = files.raw.exists() or files.parsed.exists()
        if not has_text and not files.metadata.exists():
            # a call that failed, or one that is on its way
            return
        entry = member
        problem = self._metadata_problem(files)
        if problem:
            if member is None and key not in self.listed:
                # no cohort has it, and it does not say what it is: one finding is enough
                return
            yield problem
        else:
            entry = self._recorded(files, member)
        yield from self._texts(files, entry)
        yield from self._edited(entry or Entry(files.stage, files.gen_id, "-", "", "", "", "", 1))
        if entry is not None and not problem:
            yield from self._meaning(files, entry)

    def _metadata_problem(self, files: Generation) -> Finding | None:
        member = self.members.get((files.stage, files.gen_id))

        def repair() -> None:
            write_json(files.metadata, _metadata_of(self.settings, member))  # type: ignore[arg-type]

        remedy = "`daydream check --fix` writes it from membership" if member else "restore it from a copy"
        try:
            content = read_json(files.metadata)
        except FileNotFoundError:
            kind, message = MISSING_FILE, "no such file"
        except DayDreamError as error:
            empty = files.metadata.stat().st_size == 0
            kind, message = (EMPTY_FILE, "is empty") if empty else (BROKEN_METADATA, error.message)
        else:
            if _describes(content, files):
                try:
                    membership.from_store(self.data, files.stage, files.gen_id, "-")
                    return None
                except MembershipError as error:
                    message = error.reason
            else:
                message = f"does not describe {files.stage} {files.gen_id}"
            kind = BROKEN_METADATA
        return self._finding(kind, files.metadata, message, remedy, repair if member else None)

    def _recorded(self, files: Generation, member: Entry | None) -> Entry:
        """Return what metadata.json says, with what only membership may know."""
        entry = membership.from_store(self.data, files.stage, files.gen_id, "-")
        if member is None:
            return entry
        return entry._replace(
            cohort_id=member.cohort_id,
            combo_id=entry.combo_id or member.combo_id,
            llm_model_id=entry.llm_model_id or member.llm_model_id,
        )

    def _texts(self, files: Generation, entry: Entry | None) -> Iterator[Finding]:
        has_raw, has_parsed = files.raw.exists(), files.parsed.exists()
        answered = Journal(files).is_answered()
        from_journal = f"`snakemake {files.raw}` restores it from attempts/, without a call"
        again = f"`daydream regenerate --gen-id {files.gen_id} --apply` orders another answer"
        if has_parsed and not has_raw:
            remedy = from_journal if answered else f"restore it from a copy; or {again}"
            yield self._finding(MISSING_FILE, files.raw, "no such file, though parsed.txt is there", remedy)
        if has_raw and not files.raw.stat().st_size:
            emptied = answered and read_recorded(files.raw_metadata).get("raw_length")
            remedy = "remove it and run again: it is restored from attempts/, without a call" if emptied else again
            yield self._finding(EMPTY_FILE, files.raw, "is empty", remedy)
        for path in (files.prompt, files.raw_metadata) if has_raw and answered else ():
            if not path.exists():
                yield self._finding(
                    MISSING_FILE,
                    path,
                    "no such file",
                    f"`snakemake {path}` restores it from attempts/, without a call",
                )
        if not has_raw:
            return
        yield from self._broken_texts(files, from_journal if answered else "restore it from a copy")
        if not files.raw.is_file():
            return
        reparse = self._reparse(entry) if entry and files.raw.stat().st_size else None
        remedy = "`daydream check --fix` parses raw.txt" if reparse else again
        if has_parsed and not files.parsed.stat().st_size:
            yield self._finding(EMPTY_FILE, files.parsed, "is empty", remedy, reparse)
        elif not has_parsed and not files.failure.exists():
            yield self._finding(MISSING_FILE, files.parsed, "no such file, though raw.txt is there", remedy, reparse)
        elif has_parsed and answered and not files.parsed_metadata.exists():
            yield self._finding(MISSING_FILE, files.parsed_metadata, "no such file", remedy, reparse)
        elif has_parsed and entry and self._differs(files, entry):
            message = "differs from what its parser makes of raw.txt"
            yield self._finding(PARSED_DIFFERS, files.parsed, message, remedy, reparse)

    def _broken_texts(self, files: Generation, remedy: str) -> Iterator[Finding]:
        for path in (files.raw, files.parsed):
            try:
                path.read_text(encoding="utf-8")
            except FileNotFoundError:
                continue
            except UnicodeDecodeError:
                yield self._finding(BROKEN_TEXT, path, "is not UTF-8 text", f"move it away; then {remedy}")
            except IsADirectoryError:
                yield self._finding(BROKEN_TEXT, path, "is a folder", f"move it away; then {remedy}")

    def _lost_text(self, files: Generation, member: Entry | None) -> Iterator[Finding]:
        """Yield what is wrong where neither raw.txt nor parsed.txt is there although there was an answer."""
        state = self.states.of(member or Entry(files.stage, files.gen_id, "-", "", "", "", "", 1))
        if state.has_raw or state.has_parsed or state.ordered or state.failure or state.unreadable:
            return
        if state.answered is not None:
            message, remedy = "no such file, though attempts/ keeps the answer", "`daydream check --fix` restores it"
            yield self._finding(MISSING_FILE, files.raw, message, remedy, self._restored(member) if member else None)
        elif member is None or not files.metadata.exists():
            return
        elif state.is_copy:
            message = "no such file, though metadata.json shows that a copy was made"
            remedy = f"`snakemake {files.raw}` copies it again, without a call"
            yield self._finding(MISSING_FILE, files.raw, message, remedy)
        else:
            message = "no such file, and no attempt keeps the answer, but metadata.json shows that one was bought"
            again = f"`daydream regenerate --gen-id {files.gen_id} --apply` orders another answer"
            yield self._finding(MISSING_FILE, files.raw, message, f"restore it from a copy; or {again}")

    def _restored(self, entry: Entry) -> Callable[[], None]:
        def repair() -> None:
            generations.restore(self.settings, entry)
            generations.parse(self.settings, entry)

        return repair

    def _edited(self, entry: Entry) -> Iterator[Finding]:
        state = self.states.of(entry)
        # an empty raw.txt is a finding of its own
        if state.edited and state.files.raw.stat().st_size:
            yield self._finding(
                EDITED_RAW,
                state.files.raw,
                "differs from the answer that it claims to come from; scores with it in their lineage do not count",
                "move it away and run again: the answer is restored without a call; or set results.accept_edited",
            )

    def _broken_attempts(self, files: Generation) -> Iterator[Finding]:
        for damage in Journal(files).damages():
            yield self._finding(BROKEN_ATTEMPT, damage.path, damage.message, damage.remedy)

    def _differs(self, files: Generation, entry: Entry) -> bool:
        """Return whether parsed.txt differs from what its recorded parser makes of raw.txt."""
        recorded = read_recorded(files.parsed_metadata)
        template = self.catalogs.templates[entry.stage].get(entry.template_id)
        if template is None or recorded.get("parser_name") != template.parser or not recorded.get("raw_sha256"):
            return False
        try:
            made = parsers.parse(entry.stage, template.parser, read_text(files.raw))
            return encode(made) != files.parsed.read_bytes() and recorded["raw_sha256"] == sha256_file(files.raw)
        except DayDreamError:
            return False

    def _reparse(self, entry: Entry) -> Callable[[], None]:
        return lambda: generations.parse(self.settings, entry)

    def _meaning(self, files: Generation, entry: Entry) -> Iterator[Finding]:
        found = [*self._lineage(files, entry), *self._names(files, entry)]
        yield from found
        is_scoped = (entry.stage, entry.gen_id) in self.scoped
        # a wrong name or parent makes another id, too: one finding is enough
        if not found and not is_scoped and entry.gen_id not in _content_ids(entry):
            yield self._finding(
                ID_MISMATCH,
                files.metadata,
                "the gen_id does not follow from template, model, replicate and origin in metadata.json",
                "restore metadata.json from a copy; if another tool made the ids, leave it as it is",
            )
        if not self._copies(files, entry) and files.raw.is_file():
            self._note_raw(files, entry)

    def _copies(self, files: Generation, entry: Entry) -> bool:
        template = self.catalogs.templates[entry.stage].get(entry.template_id)
        return read_recorded(files.metadata).get("mode") == "copy" or (template is not None and template.copies)

    def _names(self, files: Generation, entry: Entry) -> Iterator[Finding]:
        known = self.catalogs.templates[entry.stage]
        template = known.get(entry.template_id)
        if template is None:
            yield self._finding(
                UNKNOWN_TEMPLATE,
                files.metadata,
                f"unknown {entry.stage} template '{entry.template_id}'; {nearest(entry.template_id, known)}",
                f"put its row back into {catalogs_module.templates_table(entry.stage)}.csv",
            )
        nameless = not entry.llm_model_id and self._copies(files, entry)
        if entry.llm_model_id not in self.catalogs.models and not nameless:
            yield self._finding(
                UNKNOWN_MODEL,
                files.metadata,
                f"unknown model '{entry.llm_model_id}'; {nearest(entry.llm_model_id, self.catalogs.models)}",
                "put its row back into llm_models.csv",
            )

    def _note_raw(self, files: Generation, entry: Entry) -> None:
        size = files.raw.stat().st_size
        if entry.stage == JUDGING:
            # judges agree, and a verdict of one line is the same for many essays
            if size >= SHORTEST_UNIQUE_VERDICT:
                self.raws[entry.stage, sha256_file(files.raw)].setdefault(entry.parent_gen_id, files)
        elif size:
            self.raws[entry.stage, sha256_file(files.raw)][entry.gen_id] = files

    def _lineage(self, files: Generation, entry: Entry) -> Iterator[Finding]:
        if entry.stage == FIRST:
            if entry.combo_id not in self.combos:
                yield self._finding(
                    UNKNOWN_COMBO,
                    files.metadata,
                    f"combo '{entry.combo_id}' is not in {self.data.combo_mappings.name}",
                    "restore its rows there; they are append-only",
                )
            return
        stage = PARENT_STAGE[entry.stage]
        if not is_safe_id(entry.parent_gen_id):
            yield self._finding(
                BROKEN_PARENT, files.metadata, "names no parent_gen_id", "restore metadata.json from a copy"
            )
            return
        parent = self.data.generation(stage, entry.parent_gen_id)
        if not (parent.metadata.exists() or parent.raw.exists() or parent.parsed.exists()):
            yield self._finding(
                BROKEN_PARENT,
                files.metadata,
                f"its {stage} {entry.parent_gen_id} is not in the store",
                f"put {stage} {entry.parent_gen_id} back, or archive this one: "
                f"`daydream remove --gen-id {entry.gen_id} --descendants --apply`",
            )

    def _duplicates(self) -> Iterator[Finding]:
        for group in self.raws.values():
            same = list(group.values())
            if len(same) > 1:
                others = ", ".join(files.gen_id for files in same[1:6]) + (" ..." if len(same) > 6 else "")
                yield self._finding(
                    DUPLICATE_RAW,
                    same[0].raw,
                    f"the same text appears in {len(same) - 1} more: {others}",
                    "check whether the model repeats itself; temperature or a seed may explain it",
                )

    def _finding(
        self, kind: str, path: Path, message: str, remedy: str, repair: Callable[[], None] | None = None
    ) -> Finding:
        return Finding(kind, path.relative_to(self.data.root).as_posix(), message, remedy, repair)


def _metadata_of(settings: Settings, entry: Entry) -> dict[str, Any]:
    mode = "copy" if generations.is_copy(settings, entry) else "llm"
    # the first attempt, if there is one, records the origin
    answer = read_recorded(settings.data.generation(entry.stage, entry.gen_id).attempts / "0001.json")
    return generations.metadata_of(settings, entry, mode, answer.get("cohort_id"))


def _listed_in(path: Path) -> set[tuple[str, str]]:
    """Return (stage, gen_id) of the rows of a membership.csv, as far as they can be read."""
    try:
        return {(row.get("stage"), row.get("gen_id")) for row in tables.read_rows(path, ())}
    except DayDreamError:
        return set()


def _scope_of(manifest: Mapping[str, Any] | None) -> str:
    chosen = (manifest or {}).get("ids")
    return str(chosen.get("scope")) if isinstance(chosen, dict) else "content"


def _scoped_ids(cohort_id: str, rows: Membership) -> set[tuple[str, str]]:
    """Return (stage, gen_id) of the rows whose id follows from cohort and task."""
    return {
        (entry.stage, entry.gen_id)
        for entry in rows
        if entry.gen_id == ids.cohort_scoped_id(entry.stage, tasks.scoped_task_id(entry, rows.parent), cohort_id)
    }


def _content_ids(entry: Entry) -> set[str]:
    """Return every id that the contents of a generation may have got."""
    source = entry.parent_gen_id or entry.combo_id
    # where the parent's model is the rule, a model counts only if it differs
    models = [entry.llm_model_id, None] if STAGE[entry.stage].models == PARENTS else [entry.llm_model_id]
    found: set[str] = set()
    for collision in range(ids.MAX_COLLISIONS + 1):
        for model in models:
            with contextlib.suppress(ValueError):
                found.add(ids.content_id(entry.stage, source, entry.template_id, model, entry.replicate, collision))
    return found


def _describes(content: Any, files: Generation) -> bool:
    return (
        isinstance(content, dict)
        and content.get("gen_id", files.gen_id) == files.gen_id
        and content.get("stage", files.stage) == files.stage
        and content.get("mode", "llm") in ("llm", "copy")
    )
