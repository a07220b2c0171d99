# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# install.sh - Debian packages for the scripts that need them. Source it.
#
#   install_packages WHO LOG LIST...   installs what is missing of the lists, with the output of apt-get in LOG; who is
#                                      not root is told what to run. Without one of the needed packages the script ends
#   without_services COMMAND...        runs the command in a way that no server starts because it was installed
#
# A line of a list: "needed NAME" (nothing works without it) or "wanted NAME".

# missing_packages KIND LIST...: the names of this kind that are not installed.
missing_packages() {
    local wanted_kind=$1 kind name
    shift
    cat -- "$@" 2>/dev/null | grep -v '^#' | sort -u |
        while read -r kind name; do
            [ "$kind" = "$wanted_kind" ] || continue
            dpkg-query -W -f '${db:Status-Abbrev}' "$name" 2>/dev/null | grep -q '^ii' || echo "$name"
        done
}

without_services() {
    local policy=/usr/sbin/policy-rc.d made_policy=no status=0
    if [ ! -e "$policy" ]; then
        made_policy=yes
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
    fi
    "$@" || status=$?
    [ "$made_policy" = no ] || rm -f "$policy"
    return "$status"
}

apt_install() {
    DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@"
}

install_packages() {
    local who=$1 log=$2 needed wanted name
    shift 2
    command -v dpkg-query >/dev/null || return 0 # not Debian: what is missing will show
    needed=$(missing_packages needed "$@" | xargs)
    wanted=$(missing_packages wanted "$@" | xargs)
    [ -n "$needed$wanted" ] || return 0
    if [ "$(id -u)" -eq 0 ]; then
        echo "$who: installing $needed $wanted" >&2
        apt-get -q update >"$log" 2>&1 || echo "$who: apt-get update failed; going on with what there is" >&2
        # shellcheck disable=SC2086 # one word a package
        if ! without_services apt_install $needed $wanted >>"$log" 2>&1; then
            for name in $needed $wanted; do
                without_services apt_install "$name" >>"$log" 2>&1 || echo "$who: could not install $name" >&2
            done
        fi
    else
        echo "$who: not root; the following installs what is missing:" >&2
        echo "sudo apt-get install -y $needed $wanted" | tr -s ' ' >&2
    fi
    needed=$(missing_packages needed "$@" | xargs)
    if [ -n "$needed" ]; then
        [ ! -e "$log" ] || cat "$log" >&2
        echo "$who: cannot go on without $needed" >&2
        exit 125
    fi
}
