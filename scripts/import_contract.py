"""A contract type for import-linter: these modules import what is listed, and nothing else."""

import sys
from typing import Any, cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output
from importlinter.domain.helpers import module_expressions_to_modules


class OnlyContract(Contract):
    """Holds where every import, also through other modules of ours, is allowed by name.

    The forbidden contract of import-linter lists what is not allowed; here we know the short list.

    Options:
        modules: where to start; other modules of ours that they import are checked as well.
        allowed: modules or packages that may be imported, with all that is in them.
        standard_library: whether all of the standard library is allowed too.
        exempt: modules that may import anything, and that no other of these may import.
    """

    modules = fields.ListField(subfield=fields.ModuleExpressionField())
    allowed = fields.ListField(subfield=fields.StringField())
    standard_library = fields.BooleanField(default=False)
    exempt = fields.ListField(subfield=fields.StringField(), required=False, default=[])

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002, FBT001 -- import-linter calls it so
        starts = module_expressions_to_modules(graph, cast("Any", self.modules))
        exempt = set(cast("list[str]", self.exempt))
        waiting = {module.name for module in starts} - exempt
        broken = set()
        seen = set()
        while waiting:
            importer = waiting.pop()
            seen.add(importer)
            for imported in graph.find_modules_directly_imported_by(importer):
                if self._is_allowed(imported):
                    continue
                if imported not in exempt and self._is_ours_to_check(imported, importer):
                    waiting |= {imported} - seen
                else:
                    broken.add((importer, imported))
        return ContractCheck(kept=not broken, metadata={"broken": sorted(broken)})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for importer, imported in check.metadata["broken"]:
            output.print_error(f"{importer} may not import {imported}.")
        output.new_line()

    def _is_allowed(self, name: str) -> bool:
        names = set(cast("list[str]", self.allowed))
        if cast("bool", self.standard_library):
            names |= sys.stdlib_module_names
        return any(name == allowed or name.startswith(f"{allowed}.") for allowed in names)

    def _is_ours_to_check(self, imported: str, importer: str) -> bool:
        return imported.partition(".")[0] == importer.partition(".")[0]
