#!/usr/bin/env bash
# Runs all tests for 64-bit Arm, with NEON, under emulation. On Debian, as root where packages are
# missing; too slow for `.ci/run`. `aarch64.sh -p nin-runtime` runs the tests of one package.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(rustc-web libstd-rust-web-dev:arm64 gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user)
if ! dpkg --status "${packages[@]}" >/dev/null 2>&1; then
    dpkg --add-architecture arm64
    apt-get update
    apt-get install --yes --no-install-recommends "${packages[@]}"
fi

# Debian's compiler, since only for that does Debian have the standard library.
export RUSTC=/usr/bin/rustc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=qemu-aarch64
# Linked statically: with the dynamic C library, no thread gets started under Debian's QEMU 7.2.
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-C target-feature=+crt-static"
# Left out: examples in documentation, which rustup's rustdoc would compile; the compiler's messages, which are
# pinned for another version of rustc; two tests that start themselves anew, which takes more than a runner; and
# trainings that would take half an hour.
cargo test --target aarch64-unknown-linux-gnu --lib --tests "${@:---workspace}" -- \
    --skip each_mistake_gives_the_message_beside_it \
    --skip a_save_killed_at_any_moment_leaves_the_old_file_or_the_new_one \
    --skip the_guard_pages_guard \
    --skip both_algorithms_end_alike_from_the_same_seeds
