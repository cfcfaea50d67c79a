#!/bin/sh
# punchgate @VERSION@ for @ARCH@, for systems without Debian packages: sh FILE installs, --help says what else.
set -eu

version='@VERSION@'
machine='@MACHINE@'
minors='@MINORS@'
head_bytes=@HEAD_BYTES@
payload_sha256=@PAYLOAD_SHA256@

home=/opt/punchgate
link=/usr/local/bin/punchgate
units=/etc/systemd/system
rules=/etc/udev/rules.d/70-punchgate.rules

say() { printf 'punchgate: %s\n' "$*"; }
fail() {
    printf 'punchgate: %s\n' "$2" >&2
    exit "$1"
}

usage() {
    cat <<END
usage: sh $0 [--check | --uninstall | --help]
  (nothing)    verify this file, install or upgrade punchgate $version in $home
  --check      verify this file, install nothing
  --uninstall  remove the program, its units and rules; configuration, journal, ledger and users stay
END
}

find_python() {
    for candidate in python3 $(printf 'python%s ' $minors); do
        python=$(command -v "$candidate" 2>/dev/null) || continue
        minor=$("$python" -I -c 'import ctypes, sqlite3, ssl, sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
        for known in $minors; do
            [ "$minor" != "$known" ] || return 0
        done
    done
    fail 69 "needs one of Python $(echo $minors | sed 's/ /, /g'), with sqlite3, ssl and ctypes; there is none on PATH"
}

verify() {
    [ "$(uname -m)" = "$machine" ] || fail 69 "this file is for $machine, this machine is $(uname -m)"
    find_python
    found=$(payload | "$python" -I -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())')
    [ "$found" = "$payload_sha256" ] || fail 1 "this file is damaged: its contents have another checksum. Copy it again"
}

payload() { tail -c +$((head_bytes + 1)) "$0"; }

has_systemd() { [ -d /run/systemd/system ]; }

add_user() {
    getent passwd "$1" >/dev/null && return
    nologin=$(command -v nologin || echo /sbin/nologin)
    useradd --system --user-group --no-create-home --home-dir /nonexistent --shell "$nologin" "$1"
}

install_program() {
    [ ! -e /usr/lib/punchgate/lib ] || fail 1 "the Debian package is installed: apt remove punchgate, or install the newer package"
    rm -rf "$home.new"
    mkdir -p "$home.new"
    payload | gzip -dc | tar -x -f - -C "$home.new"
    chown -R 0:0 "$home.new"
    sed "s|@PYTHON@|$python|" "$home.new/share/launcher" > "$home.new/bin/punchgate"
    chmod 755 "$home.new/bin/punchgate"
    head -c "$head_bytes" "$0" > "$home.new/install.sh"
    "$python" -I -m compileall -q "$home.new/lib" "$home.new/lib-$minor" -s "$home.new" -p "$home" || true
    # The new one has to start before the old one goes.
    sed "s|^HOME = .*|HOME = '$home.new'|" "$home.new/bin/punchgate" > "$home.new/bin/trial"
    "$python" -I "$home.new/bin/trial" --version >/dev/null || fail 1 "the program does not start on this system; nothing was changed"
    rm "$home.new/bin/trial"
    rm -rf "$home.old"
    [ ! -e "$home" ] || mv "$home" "$home.old"
    mv "$home.new" "$home"
    rm -rf "$home.old"
    mkdir -p "$(dirname $link)"
    ln -sf "$home/bin/punchgate" $link
}

install_services() {
    add_user punchgate
    add_user punchgate-centre
    ! getent group dialout >/dev/null || usermod -a -G dialout punchgate
    mkdir -p /etc/punchgate "$units" "$(dirname $rules)"
    for unit in punchgate punchgate-centre; do
        sed "s|/usr/bin/punchgate|$home/bin/punchgate|" "$home/share/$unit.service" > "$units/$unit.service"
    done
    cp "$home/share/70-punchgate.rules" $rules
    if [ -S /run/udev/control ]; then
        udevadm control --reload || true
        udevadm trigger --subsystem-match=tty --action=change || true
    fi
    if has_systemd; then
        systemctl daemon-reload
        systemctl try-restart punchgate.service punchgate-centre.service
    fi
}

what_next() {
    say "$version is installed in $home"
    [ ! -e /etc/punchgate/punchgate.toml ] && [ ! -e /etc/punchgate/centre.toml ] || return 0
    say "a gateway:  cp $home/share/examples/lobby.toml /etc/punchgate/punchgate.toml; punchgate check; systemctl enable --now punchgate"
    say "a centre:   cp $home/share/examples/centre.toml /etc/punchgate/centre.toml; systemctl enable --now punchgate-centre"
}

uninstall() {
    if has_systemd; then
        systemctl disable --now punchgate.service punchgate-centre.service 2>/dev/null || true
    fi
    rm -f "$units/punchgate.service" "$units/punchgate-centre.service" $rules $link
    rm -rf "$home" "$home.new" "$home.old"
    rmdir /etc/punchgate 2>/dev/null || true
    ! has_systemd || systemctl daemon-reload
    [ ! -S /run/udev/control ] || udevadm control --reload || true
    say "removed. What is yours stays: /etc/punchgate, /var/lib/punchgate, /var/lib/punchgate-centre, the users punchgate and punchgate-centre"
}

as_root() { [ "$(id -u)" = 0 ] || fail 1 "only root can do this: sudo sh $0 $*"; }

case ${1:-} in
'')
    as_root
    verify
    install_program
    install_services
    what_next
    ;;
--check)
    verify
    say "$version is undamaged and fits this machine (Python $minor)"
    ;;
--uninstall)
    as_root "$1"
    uninstall
    ;;
-h | --help) usage ;;
*)
    usage >&2
    exit 2
    ;;
esac
exit 0
