#!/bin/sh
# broker [FROM [TO]]: gives mosquitto on this machine what the authority has made for it, and has it read that.
#
# FROM: the authority's folder. TO: where mosquitto.conf looks. Does nothing where nothing has changed. mosquitto takes
# up certificates, revocations and access list on SIGHUP; connections stand, and what is said on them goes by the new
# list from then on.
set -eu

from=${1:-/var/lib/punchgate-centre/authority}
to=${2:-/etc/mosquitto/punchgate}
files="ca.pem broker.pem broker.key crl.pem punchgate.acl"
umask 077

# Only root can give files away; the broker's group reads them.
group=
if [ "$(id -u)" = 0 ] && getent group mosquitto >/dev/null; then
    group=mosquitto
fi

changed() {
    for name in $files; do
        if [ -e "$from/$name" ] && ! cmp -s "$from/$name" "$to/$name"; then
            return 0
        fi
    done
    return 1
}

deliver() {
    for name in $files; do
        [ -e "$from/$name" ] || continue
        cp "$from/$name" "$to/.$name.new"
        chmod 640 "$to/.$name.new"
        [ -z "$group" ] || chgrp "$group" "$to/.$name.new"
        mv "$to/.$name.new" "$to/$name"
    done
}

# Whoever issues or revokes holds this lock until all files are written.
exec 9>>"$from/.lock"
if ! [ -d "$to" ]; then
    mkdir -p "$to"
    chmod 750 "$to"
    [ -z "$group" ] || chgrp "$group" "$to"
fi
# Once more if something changes meanwhile: whoever watches the folder does not tell of it.
flock 9
while changed; do
    deliver
    flock -u 9
    broker=$(systemctl show --property MainPID --value mosquitto.service)
    if [ "${broker:-0}" != 0 ]; then
        kill -HUP "$broker"
        echo "the broker reads what the authority has made"
    fi
    flock 9
done
