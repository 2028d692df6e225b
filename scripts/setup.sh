#!/usr/bin/env bash
# Sets everything up in .venv on Debian or Ubuntu with Python 3.11 or newer.
#   scripts/setup.sh         what is needed to run napari with the plugin
#   scripts/setup.sh test    and what its tests and checks need
set -euo pipefail
cd "$(dirname "$0")/.."
purpose=${1:-run}

python=${PYTHON:-}
for candidate in python3.11 python3.12 python3.13 python3; do
  if [ -z "$python" ] && command -v "$candidate" >/dev/null; then python=$candidate; fi
done
python=${python:-python3}

packages=(libgl1 libegl1 libglib2.0-0 libdbus-1-3 libfontconfig1 libxkbcommon-x11-0
  libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-render-util0
  libxcb-shape0 libxcb-xkb1)
if [ "$purpose" = test ]; then packages+=(xvfb xauth); fi
"$python" -c "import ensurepip" 2>/dev/null || packages+=("$(basename "$python")-venv")
if command -v apt-get >/dev/null; then
  missing=()
  for package in "${packages[@]}"; do
    dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
  done
  if [ ${#missing[@]} -gt 0 ]; then
    sudo=""; [ "$(id -u)" = 0 ] || sudo="sudo"
    $sudo apt-get update -q
    $sudo apt-get install -y -q --no-install-recommends "${missing[@]}"
  fi
fi

"$python" -m venv .venv
# a fixed PyTorch first: a range would take the newest build and its CUDA packages
.venv/bin/python -m pip install -q --disable-pip-version-check torch==2.13.0
printf 'torch==2.13.0\n' > .venv/constraints.txt
if [ "$purpose" = test ]; then
  .venv/bin/python -m pip install -q --disable-pip-version-check "pip>=25.1"
  .venv/bin/python -m pip install -q -c .venv/constraints.txt -e . --group dev
else
  .venv/bin/python -m pip install -q --disable-pip-version-check \
    -c .venv/constraints.txt -e ".[medical]" "napari[pyqt6]>=0.9"
fi
echo "Ready in .venv."
