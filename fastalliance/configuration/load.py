"""From a file, or keywords of Python, to a checked configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from fastalliance.configuration.faults import describe
from fastalliance.configuration.messages import Origin
from fastalliance.configuration.overrides import Overrides, apply_overrides
from fastalliance.configuration.plain import plain_data
from fastalliance.configuration.read import read_file
from fastalliance.configuration.schema import Configuration
from fastalliance.errors import ConfigError


def load_configuration(path: str | Path, overrides: Overrides = ()) -> Configuration:
    """Read a configuration file, apply overrides, and check the result.

    Parameters
    ----------
    path : str or Path
        A YAML (``.yaml``, ``.yml`` or no ending), TOML or JSON file of at most 1 MiB in UTF-8.
    overrides : sequence of str, or mapping
        Either ``"a.b=value"`` texts as of ``--set``, whose values are read like YAML, or a mapping
        such as ``{"replicates": 10, "parameters.trust_noise": 0.2}``. An override replaces what
        stands at its path; a mapping given for a whole section other than `design`
        (``{"parameters": {"trust_noise": 0.2}}``) sets only the entries it names.

    Raises
    ------
    ConfigError
        The file cannot be read, or a field is unknown, missing or wrong. The message names file and
        line, or the override, on its first line; further faults follow, one a line.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> file = pathlib.Path(folder.name) / "study.yaml"
    >>> _ = file.write_text("model: dyad\\nreplicates: 1000\\n")
    >>> load_configuration(file, ["replicates=10"]).replicates
    10
    >>> folder.cleanup()
    """
    data, origin = read_file(path)
    data, origin = apply_overrides(data, origin, overrides)
    return build(data, origin)


def validate_fields(
    fields: Mapping[str, object],
    source: str | None = None,
    lines: Mapping[str, int] | None = None,
) -> Configuration:
    """Check the fields of a configuration given as Python values.

    Parameters
    ----------
    fields : mapping
        Fields by name, `model` (its name) among them; NumPy scalars and arrays, tuples and paths
        count as the plain data they hold.
    source : str, optional
        What to call the origin of the fields in messages.
    lines : mapping of str to int, optional
        Lines of dotted paths in `source`.

    Raises
    ------
    ConfigError
        A field is unknown, missing or wrong; the message names its dotted path.

    Examples
    --------
    >>> validate_fields({"model": "dyad", "replicates": 8, "seed": 7}).seed
    7
    """
    return build(fields, Origin(source or "", lines or {}))


def build(fields: Mapping[str, object], origin: Origin) -> Configuration:
    """Return the configuration of some fields, whose places `origin` knows."""
    data = plain_data(fields, origin)
    try:
        configuration = Configuration.model_validate(data)
    except ValidationError as error:
        raise ConfigError(describe(error, origin)) from None
    configuration._origin = origin
    return configuration
