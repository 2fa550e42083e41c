# shellcheck shell=bash
# For scripts that install and remove flowbridge: `note_files` before, `nothing_left` after. Source it.

list_files() { # each file but those that apt, logs and other programs write for themselves; and the users
    find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /mnt -o -path /srv -o -path /var/log -o -path /var/cache -o -path /var/lib/apt \
        -o -path /root/.local/share/pipx -o -path /root/.local/share/uv -o -path /root/.local/state/pipx -o -name __pycache__ \) -prune -o -print |
        grep -vE '^(/etc/[a-z]+-|/etc/\.pwd\.lock|/var/lib/dpkg/[a-z-]+|/root/\.local(/share|/share/man|/bin|/state)?)$' | sort
    cat /etc/passwd /etc/group
}
note_files() { list_files >/tmp/before; }
nothing_left() {
    list_files | diff /tmp/before - || { echo "that is left" && exit 1; }
    left=$(find / /run -xdev \( -path /proc -o -path /tmp -o -path /mnt -o -path /var/log/journal \) -prune -o -name '*flowbridge*' -print)
    [ -z "$left" ] || { echo "left: $left" && exit 1; }
    echo "   nothing is left"
}
