"""`punchgate centre authority | enrol | revoke`: who belongs to the organisation and may do what."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

import click

from config.secrets import read_organisation_key, read_secret
from gateway.commands.centre_options import centre_option, read_centre
from gateway.commands.fingerprints import confirm
from gateway.errors import EXIT_FAILED, Rejected
from gateway.identity.papers import MAX_BYTES, Request, fingerprint
from gateway.whole_file import whole_file

CREATED = """made {folder}
for the centre's configuration:

[centre]
url = "mqtts://…:8883"
ca_file = "{folder}/ca.pem"
cert_file = "{folder}/centre.pem"
tls_key_file = "{folder}/centre.key"
key_file = "{folder}/signing.key"
gateway_keys = "{folder}/gateways"

fingerprint of the authority: {fingerprint}"""


@click.group("authority")
def authority_group() -> None:
    """The organisation's certificate authority; its folder is `centre.authority`."""


@authority_group.command("create")
@centre_option
@click.option(
    "--organisation-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The key file that is in use already; without it a new key is made.",
)
def create(config: Path, organisation_key: Path | None) -> None:
    """Make it: its key, the organisation's key, the centre's own keys and certificate."""
    settings, line = read_centre(config).centre, None
    if organisation_key is not None:
        name, key = read_organisation_key(organisation_key, key="--organisation-key")
        line = f"{name}:{key.hex()}"
    made = room().Authority.create(settings.authority, settings.prefix, line)
    click.echo(CREATED.format(folder=made.folder, fingerprint=fingerprint(made.ca)))


@authority_group.command("broker")
@centre_option
@click.argument("host", nargs=-1, required=True)
def broker(config: Path, host: tuple[str, ...]) -> None:
    """A key and a certificate for a broker under these names and addresses."""
    settings = read_centre(config).centre
    authority = room().Authority(settings.authority)
    with authority.changing(settings.prefix):
        authority.server("broker", host)
    click.echo(f"made {authority.folder}/broker.key and broker.pem; beside them ca.pem, crl.pem and punchgate.acl")


@authority_group.command("server")
@centre_option
@click.argument("host", nargs=-1, required=True)
def server(config: Path, host: tuple[str, ...]) -> None:
    """A key and a certificate for this centre's own HTTPS (`centre.listen`) under these names and addresses."""
    settings = read_centre(config).centre
    authority = room().Authority(settings.authority)
    with authority.changing(settings.prefix):
        authority.server("server", host)
    click.echo(f"made {authority.folder}/server.key and server.pem; the centre takes them at its next start")


@authority_group.command("show")
@centre_option
def show(config: Path) -> None:
    """Every certificate it has issued: whose, until when, and whether it counts."""
    authority = room().Authority(read_centre(config).centre.authority)
    click.echo(f"fingerprint {fingerprint(authority.ca)}")
    for one in authority.issued:
        state = f"revoked {one.revoked}" if one.revoked else f"until {one.until}"
        click.echo(f"{one.name:<40} {one.serial:>40} {state}")


@click.command("enrol")
@centre_option
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Default {site}.{id}.answer.")
@click.option("--fingerprint", "said", help="Of the request, as the box shows it; without it you are asked.")
@click.option("--url", help="Broker's URL as gateways reach it; default: centre.gateways_url, then centre.url.")
def enrol_command(config: Path, file: Path, output: Path | None, said: str | None, url: str | None) -> None:
    """Let a gateway in: answer the request of `punchgate enrol request`. The same again renews its certificate."""
    settings = read_centre(config).centre
    authority = room().Authority(settings.authority)
    try:
        request = Request.read(file.open("rb").read(MAX_BYTES + 1))
        confirm(f"request of {request.gateway}", request.fingerprint, said)
        centre_key = _centre_key(settings.key_file)
        answer = room().enrol(
            authority, request, url or settings.gateways_url or settings.url, settings.prefix, centre_key
        )
    except Rejected as error:
        raise Rejected(f"{file}: {error.message}; nobody was let in", remedy=error.remedy) from error
    output = output or Path(f"{request.gateway}.answer")
    with whole_file(output) as paper:
        paper.write(answer.bytes())
    click.echo(f"{output}: for the box: punchgate enrol accept {output.name}")
    click.echo(f"fingerprint of the authority: {answer.fingerprint}")
    click.echo(f"the broker reads {authority.folder}/punchgate.acl: systemctl reload mosquitto")


@click.command("revoke")
@centre_option
@click.argument("gateway")
def revoke_command(config: Path, gateway: str) -> int:
    """Shut a gateway ({site}.{id}) out: none of its certificates counts any more. 1: none did."""
    settings = read_centre(config).centre
    authority = room().Authority(settings.authority)
    with authority.changing(settings.prefix):
        count = authority.revoke(gateway)
        codes = import_module("traceability.authority.invitations").Invitations(authority.folder).withdraw(gateway)
    click.echo(f"{gateway}: {count} certificates revoked" + (f", {codes} codes withdrawn" if codes else ""))
    click.echo(f"the broker reads {authority.folder}/punchgate.acl and crl.pem: systemctl reload mosquitto")
    return 0 if count else EXIT_FAILED


def room() -> ModuleType:
    """The authority's room, which needs the extra `sign`. Raises Misconfigured without it."""
    import_module("gateway.identity.certificates")
    return import_module("traceability.authority")


def _centre_key(key_file: Path | None) -> str:
    """The public half of what the centre signs with."""
    from gateway.identity.certificates import public_pem

    if key_file is None:
        return ""
    return public_pem(read_secret(key_file, key="centre.key_file")).decode()
