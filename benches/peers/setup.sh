#!/usr/bin/env bash
# Makes benches/peers/.venv with PyTorch in it, for pytorch.py. On Linux the wheel that pip finds by itself brings CUDA
# (5.4 GB on disk with PyTorch 2.15); where pip is set up with an index of CPU wheels, that wheel is taken, far smaller.
#   benches/peers/setup.sh [what pip shall install, default: torch numpy]
set -euo pipefail
cd "$(dirname "$0")"

python=${PYTHON:-python3}
if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    echo "error: $python cannot make virtual environments (on Debian and Ubuntu: apt-get install python3-venv)" >&2
    exit 2
fi
free=$(df -Pk . | awk 'NR == 2 {print int($4 / 1048576)}')
if [ "$free" -lt 9 ]; then
    echo "warning: $free GiB are free here; the wheel with CUDA needs about 9 while it is installed" >&2
fi
[ -d .venv ] || "$python" -m venv .venv
echo "Installing PyTorch into $PWD/.venv: up to 5.5 GB with the CUDA libraries that the Linux wheel brings."
if [ $# -gt 0 ]; then packages=("$@"); else packages=(torch numpy); fi
.venv/bin/python -m pip install --quiet "${packages[@]}"
.venv/bin/python - <<'PYTHON'
import torch
device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no CUDA device: rows on the processor only"
print(f"PyTorch {torch.__version__}, {device}")
PYTHON
