#!/usr/bin/env bash
# Installs Debian's Janus, which only the video benchmark needs, to compare with. Nothing when it is there.
set -euo pipefail
command -v janus >/dev/null && exit 0
as_root=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo 'Ask an administrator for: apt-get install janus'; exit 1; }
  as_root=(sudo)
fi
"${as_root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends janus
