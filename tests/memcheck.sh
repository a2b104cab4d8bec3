#!/usr/bin/env bash
# Runs every operation, on its guarded buffers and with two threads, under valgrind's memcheck: reads of
# memory that is not there or that nobody wrote, on every instruction set that valgrind knows (AVX-512 is
# not among them). Arguments go to cargo.
set -euo pipefail
cd "$(dirname "$0")/.."

program=$(cargo test -p nin-runtime --test guard_pages --no-run "$@" 2>&1 | tee /dev/stderr |
    sed -n 's/.*Executable.*(\(.*\))/\1/p')
for isa in scalar avx2; do
    echo "== $isa"
    NIN_ISA=$isa valgrind --quiet --error-exitcode=1 --track-origins=yes --num-callers=20 \
        "$program" --exact no_operation_leaves_its_buffers
done
