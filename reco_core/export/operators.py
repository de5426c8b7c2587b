"""Which operations a file needs, so that an app can be built with a runtime that has them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ai_edge_litert import schema_py_generated as schema


def operators(path: Path) -> dict[str, int]:
    """How often each operation stands in a .tflite file, by its name in the TensorFlow Lite schema, sorted by name.

    All signatures count, and the bodies of loops once.
    """
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    model = schema.Model.GetRootAs(path.read_bytes())
    # Files of an old format have the code in one byte, which stops at 127; both hold it where both are used.
    codes = [
        names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        for code in (model.OperatorCodes(index) for index in range(model.OperatorCodesLength()))
    ]
    counts: Counter[str] = Counter()
    for graph in (model.Subgraphs(index) for index in range(model.SubgraphsLength())):
        counts.update(codes[graph.Operators(index).OpcodeIndex()] for index in range(graph.OperatorsLength()))
    return dict(sorted(counts.items()))
