"""Enrolment and renewal over the network: what `punchgate enrol code` and `renew` do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gateway.errors import Rejected
from gateway.identity import certificates as x509
from gateway.identity.box import Box
from gateway.identity.centre import Centre
from gateway.identity.code import mark_of, read_code
from gateway.identity.papers import Answer, Renewal, named, text


def enrol_at(url: str, code: str, gateway: str, config: Path) -> list[Path]:
    """Let this box in at the centre that answers at `url` (https://host[:port]), by a one-time code.

    `gateway` is {site}.{id}; `config` the configuration's path, which need not be there, but its folder must. The
    files that were written. Raises Misconfigured (mistyped code, bad URL), Rejected (the centre says no, or is not of
    the authority that the code names), Transient (later), Unavailable (nobody there); then only keys were made. The
    same code from the same box is answered again.
    """
    named(gateway)
    given, centre, box = read_code(code), Centre(url), Box(config, gateway)
    ca = centre.authority()
    if mark_of(ca) != given.mark:
        remedy = "see that the URL and the code are of the same centre; if they are, somebody stands between"
        raise Rejected(f"{url}: whoever answers there is not of the authority that the code names", remedy=remedy)
    question = {"code": given.claim, "request": box.request().bytes().decode()}
    answer = _answer(centre.ask("/enrolment/claim", question, ca.decode()), ca.decode())
    return box.accept(answer, centre_url=url)


class Renewing:
    """The next certificate of an enrolled box: fetched, tried by whoever calls, then put in force."""

    def __init__(self, url: str, gateway: str, config: Path) -> None:
        self._centre = Centre(url)
        self._url = url
        self._box = Box(config, gateway)

    def fetch(self) -> tuple[Path, Path]:
        """Certificate and key that the centre gives for a new key, beside those in force, which stay.

        Raises as `enrol_at` does.
        """
        ca = self._box.own_ca()
        request, key = self._box.next_request()
        renewal = Renewal(request.bytes().decode(), self._box.certificate().decode())
        signature = text(x509.sign(renewal.signed, self._box.key()))
        question = {"renewal": replace(renewal, signature=signature).bytes().decode()}
        answer = _answer(self._centre.ask("/enrolment/renewal", question, ca), ca)
        return self._box.lay_beside(answer, key)

    def put_in_force(self) -> list[Path]:
        """From the daemon's next reading of its configuration on, the new ones are used."""
        return self._box.turn_over()


def _answer(said: bytes, ca: str) -> Answer:
    answer = Answer.read(said)
    if answer.ca != ca:
        raise Rejected("the answer is of another authority")
    return answer
