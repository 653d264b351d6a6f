"""The errors that scripts of PeriFlow know.

Exception
├── PeriFlowError           the script calls something at the wrong moment, or with nonsense
└── PeriFlowInternalError   what the platform should have said is missing or makes no sense
"""


class PeriFlowError(Exception):
    """The script calls something at the wrong moment, or with nonsense."""


class PeriFlowInternalError(Exception):
    """What the platform should have said is missing or makes no sense."""
