"""The doctor: looks at a gateway from outside, running or not, and says what is wrong, why it matters, what mends it.

Nothing is changed and no card can be lost by asking: ports are looked at and not opened, the broker is visited under
another client id, the journal is read beside its daemon. Whatever may not answer is asked with a time limit.
"""

from gateway.check.case import Case
from gateway.check.finding import Finding, Severity
from gateway.check.rounds import examine, findings

__all__ = ["Case", "Finding", "Severity", "examine", "findings"]
