"""What to do about bubblewrap's own words."""

ALLOW = (
    "allow user namespaces (sysctl -w kernel.unprivileged_userns_clone=1; on Ubuntu 24.04 "
    "kernel.apparmor_restrict_unprivileged_userns=0), or run as root; "
    "in Docker: --security-opt seccomp=unconfined --security-opt systempaths=unconfined"
)
# the first words that are found decide
REMEDIES = (
    (("Unknown option",), "install bubblewrap 0.8 or newer (Ubuntu 24.04, Debian 12)"),
    (
        ("ENOSPC", "No space left", "user.max_user_namespaces", "max_*_namespaces"),
        "sysctl -w user.max_user_namespaces=15000 (and the other user.max_*_namespaces), or run as root",
    ),
    (
        ("Can't mount proc", "mount proc on"),
        "in Docker or Podman: --security-opt systempaths=unconfined (a masked /proc forbids a new one)",
    ),
    (
        ("setting up uid map", "setting up gid map", "error writing to setgroups"),
        "on Ubuntu 24.04: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or give bwrap an "
        "AppArmor profile that allows userns; a root without it needs the capability SETFCAP (Docker: "
        "--cap-add SETFCAP); elsewhere: run as root",
    ),
    (
        ("Creating new namespace failed", "No permissions to create new namespace"),
        ALLOW,
    ),
    (
        ("loopback: Failed",),
        "on Ubuntu 24.04: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0; in a container: "
        "--cap-add NET_ADMIN",
    ),
    (
        (
            "Failed to make / slave",
            "Failed to mount tmpfs",
            "Failed to make old root",
            "pivot_root",
        ),
        "in Docker: --security-opt seccomp=unconfined --security-opt apparmor=unconfined",
    ),
    (
        ("creation of new user namespaces was not disabled",),
        "sysctl -w user.max_user_namespaces=15000, or install bubblewrap 0.8 or newer",
    ),
    (
        ("Can't find source path", "Can't bind mount", "Can't get type of source"),
        "let the user who grades read that path, or install Python and gradus outside of home folders",
    ),
    (("does not run", "xec"), "install Python and gradus where the user who grades may run them"),
    (("ermission denied", "ot permitted"), ALLOW),
)
OTHERWISE = "run `bwrap --unshare-all --ro-bind / / true` to see what it lacks"


def remedy_for(words: str) -> str:
    """What to do when bubblewrap has ended with these words; "" for none."""
    if not words:
        return ""
    for known, remedy in REMEDIES:
        if any(word in words for word in known):
            return remedy
    return OTHERWISE
