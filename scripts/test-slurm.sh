#!/usr/bin/env bash
# `itop sweep submit` on a real Slurm: one node on the loopback, six rows, one of them requeued in the middle, all collected.
# Usage: test-slurm.sh [ITOP]. Installs slurm-wlm and munge with apt. Where it cannot, it says why (scripts/skip.sh).
set -euo pipefail
cd "$(dirname "$0")/.."

itop=$(realpath "${1:-${CARGO_TARGET_DIR:-target}/release/itop}")
. scripts/skip.sh
what="a sweep through Slurm"
fail() {
    echo "failed: $1" >&2
    tail -n 20 "$work"/slurmctld.log "$work"/slurmd.log "$work"/sweep/logs/* >&2 2>/dev/null || true
    exit 1
}

[ -x "$itop" ] || { echo "build first: cargo build --release" >&2; exit 2; }
[ "$(id -u)" = 0 ] || skip "$what" "slurmd and munged need root"
if ! command -v slurmctld >/dev/null || ! command -v munged >/dev/null; then
    command -v apt-get >/dev/null || skip "$what" "no Slurm, and no apt to install it"
    apt-get update -qq || true
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends slurm-wlm munge >/dev/null || skip "$what" "apt cannot install slurm-wlm and munge"
fi
! pgrep -x slurmctld >/dev/null || skip "$what" "a Slurm runs here already"

work=$(mktemp -d)
started=()
end() { # only what was started here
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap end EXIT

# munged insists on folders that nobody else can write to.
munge=$work/munge
mkdir -m 700 "$munge" && head -c 1024 /dev/urandom >"$munge/key" && chmod 400 "$munge/key"
chmod 755 "$work"
chmod 711 "$munge"
munged --foreground --force --key-file="$munge/key" --socket="$munge/socket" --pid-file="$munge/pid" \
    --log-file="$munge/log" --seed-file="$munge/seed" &
started+=($!)

node=$(hostname -s)
cat >"$work/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$node(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# A requeued task waits until its old credential has expired: 2 minutes by default.
AuthInfo=socket=$munge/socket,cred_expire=5
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SlurmctldPort=16817
SlurmdPort=16818
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
NodeName=$node NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=test Nodes=$node Default=YES MaxTime=INFINITE State=UP
CONF
mkdir "$work/state" "$work/spool"
export SLURM_CONF=$work/slurm.conf
slurmctld -D -f "$SLURM_CONF" >/dev/null 2>&1 &
started+=($!)
slurmd -D -f "$SLURM_CONF" >/dev/null 2>&1 &
started+=($!)
for _ in $(seq 60); do
    [ "$(sinfo -h -o %T 2>/dev/null)" = idle ] && break
    sleep 1
done
[ "$(sinfo -h -o %T 2>/dev/null)" = idle ] || fail "the node did not come up"

# Two dozen images a class in CIFAR-10 layout: a class is a grey.
mkdir "$work/toy"
python3 - "$work/toy" <<'DATA' || skip "$what" "no python3 to write a dataset"
import sys
def records(count):
    return b"".join(bytes([i % 4]) + bytes((i % 4 * 60 + (p * 31 + i * 17) % 40) % 256 for p in range(3072)) for i in range(count))
open(sys.argv[1] + "/data_batch_1.bin", "wb").write(records(96))
open(sys.argv[1] + "/test_batch.bin", "wb").write(records(16))
DATA
cat >"$work/spec.toml" <<SPEC
[base]
model = "mlp_cifar10"
data = "$work/toy"
method = "static"
sparsity = 0.95
epochs = 20
batch_size = 8
[grid]
lr = [0.02, 0.05]
seed = [1, 2, 3]
SPEC
"$itop" sweep plan "$work/spec.toml" --out "$work/sweep"
"$itop" sweep submit "$work/sweep" --engine slurm --partition test --time 10 --throttle 1 --go
job=$(squeue -h -o %F | head -n 1)

# As at a time limit: the batch shell is told by USR1, the row keeps a checkpoint and goes back into the queue.
lines() { wc -l 2>/dev/null <"$work/sweep/rows/0002/metrics.jsonl" || echo 0; }
for _ in $(seq 1200); do [ "$(lines)" -ge 12 ] && break; sleep 0.1; done
# It may report a task that left the queue under its hands; what came of the signal is looked at below.
timeout 20 scancel --batch --signal=USR1 "${job}_2" || true

for _ in $(seq 400); do
    [ -z "$(squeue -h)" ] && break
    sleep 1
done
[ -z "$(squeue -h)" ] || fail "the queue did not empty"
"$itop" sweep status "$work/sweep"
"$itop" sweep collect "$work/sweep" | tee "$work/collected"
grep -q "6 of 6 rows are done" "$work/collected" || fail "not every row is done"
grep -q '"ended":"interrupted"' "$work/sweep/rows/0002/claims/1.json" || fail "row 2 was not interrupted"
grep -q "resuming at step" "$work"/sweep/logs/slurm-*_2.log || fail "row 2 did not go on from its checkpoint"
echo "six rows through Slurm, one requeued and resumed"
