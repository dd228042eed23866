#!/usr/bin/env bash
# Installs what the video bridge's C path is compiled with: a C compiler and the headers of Python. Nothing when they
# are there. Without them, and without the right to install them, the bridge forwards in plain Python.
set -euo pipefail
python=${1:-python3}
missing=()
command -v cc >/dev/null || missing+=(gcc libc6-dev)
"$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_paths()["include"] + "/Python.h"))' ||
  missing+=(python3-dev)
[ ${#missing[@]} -eq 0 ] && exit 0
as_root=()
if [ "$(id -u)" != 0 ]; then
  if ! sudo -n true 2>/dev/null; then
    echo "The video bridge will forward in plain Python; for C: apt-get install ${missing[*]}"
    exit 0
  fi
  as_root=(sudo)
fi
echo "Installing for the video bridge: ${missing[*]}"
"${as_root[@]}" apt-get update -qq &&
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" ||
  echo "That failed: the video bridge will forward in plain Python"
