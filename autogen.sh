#!/bin/sh
# Makes `configure` from configure.ac. Run it once after a clone; quickstart.sh does so by itself.
set -eu
cd "$(dirname "$0")"

missing=
for tool in autoconf automake libtoolize; do
    command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"
done
if [ -n "$missing" ]; then
    echo "autogen.sh: not found:$missing" >&2
    echo "autogen.sh: on Debian or Ubuntu: apt-get install autoconf automake libtool" >&2
    exit 1
fi

autoreconf --install --force --warnings=all
