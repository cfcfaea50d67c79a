#!/bin/sh
# Keeps releases of punchgate side by side, and goes back to the one before when a new one does not stay up.
#
#   releases/NAME   one release, whole: made under another name, synced, renamed
#   current         the release that starts
#   good            the last one that was ready and stayed up
#   previous        the good one before that
#   starts          how often a release on trial was started
#   returned        why current is not what was installed last; status shows it
#
# A release is on trial while it is current and another one is good. Each change is one rename: whenever the power
# goes, current leads to a whole release.
set -eu
umask 022

home=@HOME@
configuration=/etc/punchgate/punchgate.toml
stays_s=10
most_starts=3

say() { printf 'punchgate: %s\n' "$*"; }
fail() {
    printf 'punchgate: %s\n' "$*" >&2
    exit 1
}

usage() {
    cat <<END
usage: $(basename "$0") [show | back]
  show   which releases are on this machine (nothing: the same)
  back   go back to the release before, and restart what runs; once more goes forth again
END
}

# What a pointer leads to; empty: nothing.
name_of() {
    [ ! -e "$home/$1/bin/punchgate" ] || basename "$(readlink "$home/$1")"
}

point() {
    rm -f "$home/$1.new"
    ln -s "releases/$2" "$home/$1.new"
    mv -T "$home/$1.new" "$home/$1"
}

write() {
    cat > "$home/$1.new"
    mv -T "$home/$1.new" "$home/$1"
    sync -f "$home"
}

# Sets current and good; true if the one has to show that it is as good as the other.
on_trial() {
    current=$(name_of current)
    good=$(name_of good)
    [ -n "$current" ] && [ -n "$good" ] && [ "$current" != "$good" ]
}

# A release out of the files in $1, under a name that no other has; prints it.
stage() {
    name=$(cat "$1/version")
    number=1
    while [ -e "$home/releases/$name" ]; do
        number=$((number + 1))
        name=$(cat "$1/version").$number
    done
    part=$home/releases/.part
    rm -rf "$part"
    cp -al "$1" "$part" 2>/dev/null || { rm -rf "$part" && cp -a "$1" "$part"; }
    compile_release "$part" "$home/releases/$name"
    sync -f "$home"
    mv -T "$part" "$home/releases/$name"
    echo "$name"
}

python_of() { sed -n '1s/^#!\([^ ]*\).*/\1/p' "$1/bin/punchgate"; }

# compile PYTHON FOLDER PLACE: the libraries in FOLDER, which will lie in PLACE: a service may not write beside them.
compile() {
    minor=$("$1" -I -c 'import sys; print("%d.%d" % sys.version_info[:2])') || return 0
    for folder in "$2/lib" "$2/lib-$minor"; do
        [ ! -d "$folder" ] || nice "$1" -I -m compileall -q -s "$2" -p "$3" "$folder" >&2 || true
    done
}

# A release in $1, which will lie in $2; what only the centre needs may be in it.
compile_release() {
    python=$(python_of "$1")
    compile "$python" "$1" "$2"
    compile "$python" "$1/centre" "$2/centre"
}

# Releases that no pointer leads to, but for $1.
tidy() {
    for folder in "$home"/releases/* "$home"/releases/.part; do
        found=$(basename "$folder")
        case $found in
        "$1" | "$(name_of current)" | "$(name_of good)" | "$(name_of previous)") ;;
        *) rm -rf "$folder" ;;
        esac
    done
}

# install FOLDER: these files become a release; it is current if it can be started at all.
install() {
    mkdir -p "$home/releases"
    tidy ""
    new=$(stage "$1")
    if ! said=$("$home/releases/$new/bin/punchgate" --version 2>&1); then
        was=$(name_of current)
        [ -n "$was" ] || fail "$new does not start on this system: $said"
        why=$(printf '%s\n' "$said" | tail -n 1)
        say "$new does not start on this system, $was stays: $why" | write returned
        cat "$home/returned"
        tidy "$was"
        return 0
    fi
    rm -f "$home/returned" "$home/starts"
    # What runs without a gateway has nobody to say that it is ready.
    if [ ! -e $configuration ] && [ -n "$(name_of current)" ]; then
        accept_as_previous "$(name_of current)"
        point good "$new"
    fi
    point current "$new"
    sync -f "$home"
    tidy "$new"
}

accept_as_previous() {
    [ "$1" = "$(name_of previous)" ] || point previous "$1"
}

# Before each start: one that is started over and over, and never stays up, is not started again.
starting() {
    on_trial || return 0
    times=0
    [ "$(sed -n 1p "$home/starts" 2>/dev/null)" != "$current" ] || times=$(sed -n 2p "$home/starts")
    if [ "$times" -ge $most_starts ]; then
        go_back "was started $most_starts times and did not stay up"
    else
        printf '%s\n%s\n' "$current" $((times + 1)) | write starts
    fi
}

# Once it is ready: it has to stay up for a while.
ready() {
    if ! on_trial; then
        [ -n "$good" ] || [ -z "$current" ] || point good "$current"
        return 0
    fi
    left=$((stays_s * 5))
    while [ $left -gt 0 ]; do
        [ -d "/proc/$MAINPID" ] || return 1
        sleep 0.2
        left=$((left - 1))
    done
    accept_as_previous "$good"
    point good "$current"
    rm -f "$home/starts"
    sync -f "$home"
    say "$current is ready and stays"
}

# After each end that nobody asked for.
ended() {
    [ "${SERVICE_RESULT:-success}" != success ] && on_trial || return 0
    go_back "did not stay up ($SERVICE_RESULT${EXIT_STATUS:+, $EXIT_STATUS})"
    # systemd does not start again what ends so; the release before may well run.
    case ${EXIT_STATUS:-} in
    2 | 78) systemctl --no-block start punchgate.service ;;
    esac
}

go_back() {
    say "$current $1; back to $good on $(date -u +%Y-%m-%dT%H:%M:%SZ). It is not tried again before the next install" |
        write returned
    point current "$good"
    rm -f "$home/starts"
    sync -f "$home"
    cat "$home/returned"
}

# back: by hand. The one that is left is on trial, as after an install.
back() {
    [ "$(id -u)" = 0 ] || fail "only root can do this"
    if on_trial; then
        target=$good
    else
        target=$(name_of previous)
    fi
    [ -n "$target" ] || fail "there is no release before $current on this machine"
    rm -f "$home/starts"
    say "$target was chosen over $current by hand on $(date -u +%Y-%m-%dT%H:%M:%SZ)" | write returned
    point current "$target"
    sync -f "$home"
    say "$target is the current release"
    if [ -d /run/systemd/system ]; then
        systemctl try-restart punchgate.service punchgate-centre.service || true
    fi
}

show() {
    for folder in "$home"/releases/*; do
        found=$(basename "$folder")
        words=
        for pointer in current good previous; do
            [ "$found" != "$(name_of $pointer)" ] || words="$words $pointer"
        done
        [ ! -d "$folder" ] || say "$found:${words:- not used}"
    done
    [ ! -e "$home/returned" ] || cat "$home/returned"
}

[ $# -gt 0 ] || set -- show
case $1 in
install) install "$2" ;;
compile)
    # Those of the releases, or of what lies elsewhere.
    if [ $# -gt 1 ]; then
        compile "$(python_of "$home/current")" "$2" "$2"
    else
        for release in "$home"/releases/*; do
            [ ! -d "$release" ] || compile_release "$release" "$release"
        done
    fi
    ;;
starting | ready | ended | back | show) "$1" ;;
-h | --help) usage ;;
*)
    usage >&2
    exit 2
    ;;
esac
