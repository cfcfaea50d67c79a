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
    [ ! -e /usr/lib/punchgate/dist ] && [ ! -e /usr/lib/punchgate/lib ] || fail 1 "the Debian package is installed: apt remove punchgate, or install the newer package"
    incoming=$home/incoming
    rm -rf "$incoming"
    mkdir -p "$incoming"
    payload | gzip -dc | tar -x -f - -C "$incoming"
    chown -R 0:0 "$incoming"
    sed "s|@PYTHON@|$python|" "$incoming/share/launcher" > "$incoming/bin/punchgate"
    chmod 755 "$incoming/bin/punchgate"
    [ ! -d "$home/lib" ] || [ -e "$home/current" ] || keep_single
    replace "$home/keeper" 755 < "$incoming/share/keeper"
    replace "$home/broker" 755 < "$incoming/share/broker"
    head -c "$head_bytes" "$0" | replace "$home/install.sh" 644
    "$home/keeper" install "$incoming" || fail 1 "nothing was changed"
    rm -rf "$incoming"
    mkdir -p "$(dirname $link)"
    ln -sf "$home/current/bin/punchgate" $link
}

# What was installed before releases were kept becomes one.
keep_single() {
    part=$home/releases/.part
    rm -rf "$part"
    mkdir -p "$part/bin" "$home/releases"
    for folder in "$home"/lib "$home"/lib-*; do
        cp -al "$folder" "$part/" 2>/dev/null || cp -a "$folder" "$part/"
    done
    cp -a "$home/share" "$part/"
    sed "s|^HOME = .*|HOME = '$home/releases/before'|" "$home/bin/punchgate" > "$part/bin/punchgate"
    chmod 755 "$part/bin/punchgate"
    echo before > "$part/version"
    sync -f "$home"
    rm -rf "$home/releases/before"
    mv -T "$part" "$home/releases/before"
    ln -sfn releases/before "$home/good"
    ln -sfn releases/before "$home/current"
}

# What nothing leads to any more.
tidy() {
    rm -rf "$home/lib" "$home"/lib-* "$home/bin"
    [ -L "$home/share" ] || rm -rf "$home/share"
    ln -sfn current/share "$home/share"
}

# A file from standard input: the old one or the new one, whole.
replace() {
    cat > "$1.new"
    chmod "$2" "$1.new"
    mv "$1.new" "$1"
}

install_services() {
    add_user punchgate
    add_user punchgate-centre
    ! getent group dialout >/dev/null || usermod -a -G dialout punchgate
    # An authority is made there before the first start, by the service's user.
    install -d -m 700 -o punchgate-centre -g punchgate-centre /var/lib/punchgate-centre
    mkdir -p /etc/punchgate
    chgrp punchgate /etc/punchgate
    mkdir -p "$units" "$(dirname $rules)"
    # An older release that stays may lack some.
    for unit in punchgate.service punchgate-centre.service punchgate-renew.service punchgate-renew.timer \
        punchgate-broker.service punchgate-broker.path; do
        [ -e "$home/current/share/$unit" ] || continue
        sed "s|/usr/bin/punchgate|$link|; s|/usr/lib/punchgate-centre/broker|$home/broker|" "$home/current/share/$unit" |
            replace "$units/$unit" 644
    done
    mkdir -p "$units/punchgate.service.d"
    sed "s|/usr/lib/punchgate/keeper|$home/keeper|" "$home/current/share/release.conf" |
        replace "$units/punchgate.service.d/release.conf" 644
    replace $rules 644 < "$home/current/share/70-punchgate.rules"
    if [ -S /run/udev/control ]; then
        udevadm control --reload || true
        udevadm trigger --subsystem-match=tty --action=change || true
    fi
    if has_systemd; then
        systemctl daemon-reload
        systemctl --quiet enable --now punchgate-renew.timer punchgate-broker.path || true
        systemctl try-restart punchgate.service || true
        systemctl try-restart punchgate-centre.service || true
    fi
}

what_next() {
    if [ -e "$home/returned" ]; then
        cat "$home/returned"
        exit 1
    fi
    say "$version is installed in $home"
    [ ! -e /etc/punchgate/punchgate.toml ] && [ ! -e /etc/punchgate/centre.toml ] || return 0
    say "a gateway:  cp $home/share/examples/lobby.toml /etc/punchgate/punchgate.toml; punchgate check; systemctl enable --now punchgate"
    say "a centre:   cp $home/share/examples/centre.toml /etc/punchgate/centre.toml; systemctl enable --now punchgate-centre"
}

uninstall() {
    if has_systemd; then
        systemctl disable --now punchgate-broker.path punchgate-renew.timer punchgate.service punchgate-centre.service 2>/dev/null || true
    fi
    rm -f "$units/punchgate.service.d/release.conf"
    rmdir "$units/punchgate.service.d" 2>/dev/null || true
    rm -f "$units/punchgate.service" "$units/punchgate-centre.service" $rules $link
    rm -f "$units/punchgate-broker.service" "$units/punchgate-broker.path"
    rm -f "$units/punchgate-renew.service" "$units/punchgate-renew.timer" /var/lib/systemd/timers/stamp-punchgate-renew.timer
    rm -rf "$home"
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
    tidy
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
