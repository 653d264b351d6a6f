"""Small Python packages that an installer can build with nothing but themselves."""

import zipfile
from pathlib import Path

PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "{name}"
version = "{version}"
"""

BACKEND = """
import zipfile

NAME, VERSION = "{name}", "{version}"
INFO = f"{{NAME}}-{{VERSION}}.dist-info"
METADATA = f"Metadata-Version: 2.1\\nName: {{NAME}}\\nVersion: {{VERSION}}\\n"
WHEEL = "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
print("the backend of", NAME, "speaks", flush=True)
{then}


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    file = f"{{NAME}}-{{VERSION}}-py3-none-any.whl"
    with zipfile.ZipFile(f"{{wheel_directory}}/{{file}}", "w") as wheel:
        wheel.writestr(f"{{NAME}}.py", "VERSION = " + repr(VERSION))
        wheel.writestr(f"{{INFO}}/METADATA", METADATA)
        wheel.writestr(f"{{INFO}}/WHEEL", WHEEL)
        wheel.writestr(f"{{INFO}}/RECORD", "")
    return file
"""


def package(folder: str, name: str, version: str = "1.0", then: str = "") -> dict[str, str | bytes]:
    """Return the files of a package; `then` is what its build does first."""
    return {
        f"{folder}pyproject.toml": PYPROJECT.format(name=name, version=version),
        f"{folder}backend.py": BACKEND.format(name=name, version=version, then=then),
    }


def wheel(folder: Path, name: str, version: str, content: str = "") -> Path:
    """Make a built package, as an index has them."""
    file = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(file, "w") as made:
        made.writestr(f"{name}.py", content or f"VERSION = {version!r}")
        made.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        made.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        made.writestr(f"{info}/RECORD", "")
    return file
