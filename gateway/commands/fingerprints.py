"""Two people who compare what two machines show."""

from __future__ import annotations

import click

from gateway.errors import Rejected
from gateway.identity.papers import same


def confirm(whose: str, here: str, said: str | None) -> None:
    """Two people agree on a fingerprint. Raises Rejected if they do not."""
    if said is None:
        click.echo(f"fingerprint of the {whose}: {here}", err=True)
        click.confirm("is it the one that the other side shows?", abort=True, err=True)
    elif not same(said, here):
        raise Rejected(
            f"the fingerprint of the {whose} is {here}, not {said}",
            remedy="compare once more; if it is not the same, the file was changed on its way",
        )
