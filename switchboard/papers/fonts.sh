#!/usr/bin/env bash
# Installs the fonts of papers: Noto CJK, and two that have rare characters of names. Nothing when they are there.
# Without them, and without the right to install them, everything runs but papers, which say what is missing.
set -euo pipefail
missing=()
[ -e /usr/share/fonts/opentype/noto/NotoSerifCJK-Regular.ttc ] || missing+=(fonts-noto-cjk)
[ -d /usr/share/fonts/truetype/hanazono ] || missing+=(fonts-hanazono)
[ -d /usr/share/fonts/truetype/babelstone ] || missing+=(fonts-babelstone-han)
[ ${#missing[@]} -eq 0 ] && exit 0
as_root=()
if [ "$(id -u)" != 0 ]; then
  if ! sudo -n true 2>/dev/null; then
    echo "For papers (PDF) ask an administrator for: apt-get install ${missing[*]}"
    exit 0
  fi
  as_root=(sudo)
fi
echo "Installing fonts for papers: ${missing[*]}"
"${as_root[@]}" apt-get update -qq &&
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" ||
  echo "That failed: no papers can be made until these are installed"
