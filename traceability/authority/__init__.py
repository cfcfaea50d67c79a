"""The certificate authority of an organisation's gateways: enrols, renews, revokes, and says what each may do."""

from traceability.authority.acl import acl
from traceability.authority.authority import Authority
from traceability.authority.enrolment import enrol

__all__ = ["Authority", "acl", "enrol"]
